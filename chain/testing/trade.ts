import { randomUUID } from 'node:crypto';

import { Interface, keccak256, toUtf8Bytes, type Wallet } from 'ethers';

import { kbondAbi } from '../../contracts/generated/abi.ts';
import type { Uuid } from '../../domain/ids.ts';
import { createCoordinatorClient } from '../coordinator.ts';
import { depositTransactions } from '../deposit.ts';
import { createEscrowClient, type Opening } from '../escrow.ts';
import { createRegistryClient, referenceHash } from '../registry.ts';
import { buildTerms, type SettlementTerms } from '../terms.ts';
import type { LocalChain } from './local-chain.ts';

export const tokenInterface = Interface.from(kbondAbi);

/** A settlement of 500 KBOND against 125,000 TUSDC between two new wallets, carried along on chain step by step. */
export interface Trade {
  readonly settlementId: Uuid;
  readonly terms: SettlementTerms;
  readonly parties: readonly [Opening & { signer: Wallet }, Opening & { signer: Wallet }];
  /** Each answers the hash of its (last) transaction, which is mined. */
  create(): Promise<string>;
  attestAll(): Promise<string>;
  open(): Promise<string>;
  deposit(legIndex: 0 | 1): Promise<string>;
  /** Hands back what was deposited; the openings are those of the legs named. */
  refund(...legs: readonly (0 | 1)[]): Promise<string>;
}

export const DIGEST = keccak256(toUtf8Bytes('a decision set'));

export async function createTrade(
  local: LocalChain,
  options: { settlementId?: Uuid; deadlineMs?: number } = {},
): Promise<Trade> {
  const settlementId = options.settlementId ?? randomUUID();
  const party = async () => {
    const signer = await local.wallet();
    return { participantId: randomUUID(), wallet: signer.address.toLowerCase(), signer };
  };
  const parties = [await party(), await party()] as const;
  const amounts = [500n * 10n ** 18n, 125_000n * 10n ** 6n] as const;
  const tokens = [local.tokens.KBOND, local.tokens.TUSDC] as const;
  const terms = buildTerms({
    settlementId,
    deadlineMs: options.deadlineMs ?? Date.now() + 3_600_000,
    attesterSet: local.attesterSet,
    parties: parties.map(({ participantId, wallet }) => ({
      chains: [{ chainId: local.chain.chainId, participantId, receive: wallet, deposit: wallet }],
    })),
    legs: ([0, 1] as const).map((index) => ({
      chainId: local.chain.chainId,
      escrow: local.configuration.escrow,
      token: tokens[index],
      tokenStandard: 'ERC-20',
      amount: amounts[index],
      payerPosition: index,
      payeePosition: 1 - index,
    })),
  });
  const coordinator = createCoordinatorClient(local.chain);
  const registry = createRegistryClient(local.chain);
  return {
    settlementId,
    terms,
    parties,
    create: () => local.send(local.owner, coordinator.createSettlement(terms)),
    attestAll: () =>
      local.send(
        local.owner,
        registry.attestBatch(
          terms.params.partyHashes.map((partyHash) => ({
            settlementId,
            partyHash,
            status: 'PASS',
            referenceHash: referenceHash('case-1'),
          })),
        ),
      ),
    open: () => local.send(local.owner, coordinator.advance(settlementId, DIGEST)),
    async deposit(legIndex) {
      const payer = parties[legIndex];
      const payee = parties[legIndex === 0 ? 1 : 0];
      const mint = tokenInterface.encodeFunctionData('mint', [payer.wallet, amounts[legIndex]]);
      let hash = await local.send(payer.signer, { to: tokens[legIndex], data: mint });
      for (const { to, data } of depositTransactions({ coordinator: local.chain, terms, legIndex, payer, payee })) {
        hash = await local.send(payer.signer, { to, data });
      }
      return hash;
    },
    refund: (...legs) =>
      local.send(
        local.owner,
        createEscrowClient(local.chain).refund(
          terms,
          parties.map((party, index) => (legs.some((leg) => leg === index) ? party : null)),
        ),
      ),
  };
}
