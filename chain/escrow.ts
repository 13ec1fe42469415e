import { Interface } from 'ethers';

import { keystoneEscrowAbi } from '../contracts/generated/abi.ts';
import { type Uuid, uuidToBytes32 } from '../domain/ids.ts';
import { type ContractCall, readContract } from './contract-call.ts';
import type { Chain } from './provider.ts';
import type { SettlementTerms } from './terms.ts';

export const escrowInterface = Interface.from(keystoneEscrowAbi);

/** The preimage of a party hash. */
export interface Opening {
  readonly participantId: Uuid;
  readonly wallet: string;
}

/** Pays one leg in; signed by the payer's wallet. `termsHash` is what the payer agrees to. */
export function encodeDepositLeg(
  escrow: string,
  deposit: { terms: SettlementTerms; legIndex: number; payer: Opening; payee: Opening; termsHash: string },
): ContractCall {
  const opening = (party: Opening): { participantId: string; wallet: string } => ({
    participantId: uuidToBytes32(party.participantId),
    wallet: party.wallet.toLowerCase(),
  });
  return {
    to: escrow.toLowerCase(),
    data: escrowInterface.encodeFunctionData('depositLeg', [
      deposit.terms.params,
      deposit.legIndex,
      opening(deposit.payer),
      opening(deposit.payee),
      deposit.termsHash,
    ]),
  };
}

/** Calls of the escrow that anybody may make, and its views about the newest block. */
export interface EscrowClient {
  readonly address: string;
  /** Hands all deposits of a failed settlement back; records a due timeout first. */
  refund(terms: SettlementTerms): ContractCall;
  execute(terms: SettlementTerms): ContractCall;
  allLegsDeposited(settlementId: Uuid): Promise<boolean>;
}

export function createEscrowClient(chain: Chain): EscrowClient {
  const target = { contract: escrowInterface, address: chain.escrow };
  const encode = (name: string, values: readonly unknown[]): ContractCall => ({
    to: target.address,
    data: escrowInterface.encodeFunctionData(name, values),
  });
  return {
    address: target.address,
    refund: (terms) => encode('refund', [terms.params]),
    execute: (terms) => encode('execute', [terms.params]),
    allLegsDeposited: async (id) =>
      (await readContract(chain, target, 'allLegsDeposited', [uuidToBytes32(id)])) === true,
  };
}
