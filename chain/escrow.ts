import { Interface, ZeroAddress, ZeroHash } from 'ethers';

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

interface EncodedOpening {
  readonly participantId: string;
  readonly wallet: string;
}

/** Openings as the contracts take them: one for each leg of the terms, zeroes where none is wanted. */
export function encodeOpenings(openings: readonly (Opening | null)[]): EncodedOpening[] {
  return openings.map((opening) =>
    opening === null ? { participantId: ZeroHash, wallet: ZeroAddress } : encodeOpening(opening),
  );
}

function encodeOpening(opening: Opening): EncodedOpening {
  return { participantId: uuidToBytes32(opening.participantId), wallet: opening.wallet.toLowerCase() };
}

/** Pays one leg in; signed by the payer's wallet. `termsHash` is what the payer agrees to. */
export function encodeDepositLeg(
  escrow: string,
  deposit: { terms: SettlementTerms; legIndex: number; payer: Opening; payee: Opening; termsHash: string },
): ContractCall {
  return {
    to: escrow.toLowerCase(),
    data: escrowInterface.encodeFunctionData('depositLeg', [
      deposit.terms.params,
      deposit.legIndex,
      encodeOpening(deposit.payer),
      encodeOpening(deposit.payee),
      deposit.termsHash,
    ]),
  };
}

/** Hands deposits of a failed settlement back. `payers`: one for each leg of the terms, null for legs that were not paid in there. */
export function encodeRefund(
  escrow: string,
  terms: SettlementTerms,
  payers: readonly (Opening | null)[],
): ContractCall {
  return {
    to: escrow.toLowerCase(),
    data: escrowInterface.encodeFunctionData('refund', [terms.params, encodeOpenings(payers)]),
  };
}

/** What the parties of a chain that messaging has left alone may agree on. */
export const RELEASE_OUTCOME = { pay: 1, refund: 2 } as const;
export type ReleaseOutcome = keyof typeof RELEASE_OUTCOME;

/** What every payer and payee of a chain's legs signs for a cooperative release (EIP-712). `domain` needs no secret; the escrow checks it. */
export function releaseTypedData(
  escrow: { chainId: number; address: string },
  release: { settlementId: Uuid; termsHash: string; outcome: ReleaseOutcome },
): {
  domain: { name: string; version: string; chainId: number; verifyingContract: string };
  types: { Release: { name: string; type: string }[] };
  message: { settlementId: string; termsHash: string; outcome: number };
} {
  return {
    domain: { name: 'KeystoneEscrow', version: '1', chainId: escrow.chainId, verifyingContract: escrow.address },
    types: {
      Release: [
        { name: 'settlementId', type: 'bytes32' },
        { name: 'termsHash', type: 'bytes32' },
        { name: 'outcome', type: 'uint8' },
      ],
    },
    message: {
      settlementId: uuidToBytes32(release.settlementId),
      termsHash: release.termsHash,
      outcome: RELEASE_OUTCOME[release.outcome],
    },
  };
}

/** Calls of an escrow that anybody may make, and its views about the newest block. Openings: one for each leg of the terms. */
export interface EscrowClient {
  readonly address: string;
  /** Hands all deposits of a failed settlement back; records a due timeout first. `payers`: null for legs that were not paid in here. */
  refund(terms: SettlementTerms, payers: readonly (Opening | null)[]): ContractCall;
  /** Pays out this chain's legs, once that is decided. `payees`: null for legs of other escrows. */
  execute(terms: SettlementTerms, payees: readonly (Opening | null)[]): ContractCall;
  /**
   * Follows the signatures of all payers and payees of this chain's legs, from thirty days after the deadline on, while it is prepared and undecided.
   * `signatures`: one for each distinct wallet, in the order in which wallets first appear by leg, the payer before the payee.
   */
  release(
    terms: SettlementTerms,
    release: {
      payers: readonly (Opening | null)[];
      payees: readonly (Opening | null)[];
      outcome: ReleaseOutcome;
      signatures: readonly string[];
    },
  ): ContractCall;
  /** Delivers a credit to the wallet that it belongs to. `tokenId` and `partition` (bytes32) are zero unless the token has them. */
  withdraw(credit: Credit): ContractCall;
  /** Base units that wait for a wallet; one for an ERC-721. */
  creditOf(credit: Credit): Promise<bigint>;
  allLegsDeposited(settlementId: Uuid): Promise<boolean>;
}

export interface Credit {
  readonly token: string;
  readonly tokenId: bigint;
  readonly partition: string;
  readonly wallet: string;
}

export function createEscrowClient(chain: Pick<Chain, 'chainId' | 'escrow' | 'call'>): EscrowClient {
  const target = { contract: escrowInterface, address: chain.escrow };
  const encode = (name: string, values: readonly unknown[]): ContractCall => ({
    to: target.address,
    data: escrowInterface.encodeFunctionData(name, values),
  });
  const creditKey = (credit: Credit): readonly unknown[] => [
    credit.token.toLowerCase(),
    credit.tokenId,
    credit.partition,
    credit.wallet.toLowerCase(),
  ];
  return {
    address: target.address,
    refund: (terms, payers) => encodeRefund(target.address, terms, payers),
    execute: (terms, payees) => encode('execute', [terms.params, encodeOpenings(payees)]),
    release: (terms, { payers, payees, outcome, signatures }) =>
      encode('release', [
        terms.params,
        encodeOpenings(payers),
        encodeOpenings(payees),
        RELEASE_OUTCOME[outcome],
        signatures,
      ]),
    withdraw: (credit) => encode('withdraw', creditKey(credit)),
    creditOf: async (credit) => {
      const amount = await readContract(chain, target, 'creditOf', creditKey(credit));
      if (typeof amount !== 'bigint') throw new TypeError('creditOf answers an amount');
      return amount;
    },
    allLegsDeposited: async (id) =>
      (await readContract(chain, target, 'allLegsDeposited', [uuidToBytes32(id)])) === true,
  };
}
