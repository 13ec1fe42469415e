/** For tests: a settlement across two local chains, as the verification is tried on it. */

import type { Wallet } from 'ethers';

import type { ChainSide, TwoChains } from '../chain/testing/two-chains.ts';
import type { LegInput, SettlementTerms } from '../keystone/pack.ts';

export interface Participant {
  readonly id: string;
  readonly wallet: Wallet;
  readonly chain: ChainSide;
  readonly role: 'seller' | 'buyer';
}

export interface Leg {
  readonly side: ChainSide;
  readonly token: string;
  readonly standard: number;
  readonly amount: bigint;
  readonly payer: number;
  readonly payee: number;
  readonly type: LegInput['leg_type'];
}

/** A settlement as it is carried through, step by step. */
export interface AnvilTrade {
  readonly two: TwoChains;
  readonly settlementId: string;
  readonly terms: SettlementTerms;
  /** by index into the party hashes */
  readonly parties: readonly Participant[];
  readonly legs: readonly Leg[];
  readonly feeRecipient: string;
}
