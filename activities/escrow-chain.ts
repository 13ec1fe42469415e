import { findPayout, findRefund } from '../chain/effects.ts';
import { createEscrowClient } from '../chain/escrow.ts';
import type { Journal } from '../chain/journal.ts';
import type { IndexedChain } from '../chain/provider.ts';
import type { Uuid } from '../domain/ids.ts';
import type { EscrowChain, LegOpenings } from './settlement-chains.ts';
import { submit } from './submit.ts';

/** How far the money of one chain has moved, as its gate says. */
export interface MoneyStatus {
  readonly executed: boolean;
  readonly depositedBits: number;
  readonly refundedBits: number;
}

/** The escrow's part of a chain, the same on all of them. Whether something was done is asked of the gate first, since a log that is not there costs a search of the whole history. */
export function createEscrowChain(
  chain: IndexedChain,
  relayer: Journal,
  statusOf: (settlementId: Uuid) => Promise<MoneyStatus>,
): EscrowChain {
  const escrow = createEscrowClient(chain);
  return {
    chainId: chain.chainId,
    escrow: chain.escrow,
    execute: (terms, openings, intent) =>
      submit(relayer, escrow.execute(terms, openings), intent, async () => {
        const { executed } = await statusOf(intent.settlementId);
        return executed ? findPayout(chain, intent.settlementId) : undefined;
      }),
    refund: (terms, openings, intent) =>
      submit(relayer, escrow.refund(terms, openings), intent, async () => {
        const { depositedBits, refundedBits } = await statusOf(intent.settlementId);
        const wanted = bitsOf(openings) & depositedBits;
        return (wanted & ~refundedBits) === 0 ? findRefund(chain, intent.settlementId) : undefined;
      }),
    headTimeMs: async () => (await chain.headBlock()).timestampMs,
  };
}

function bitsOf(openings: LegOpenings): number {
  return openings.reduce((bits, opening, index) => (opening === null ? bits : bits | (1 << index)), 0);
}
