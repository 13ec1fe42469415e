import { formatUnits } from 'ethers';

import { table } from './demo-report.ts';
import type { Participant } from './demo-trade.ts';
import { FUNGIBLE_TOKENS, type TokenName } from './demo-wallet.ts';
import type { StackChain } from './stack-file.ts';

/** What the parties own before and after, by chain and token. */

const DECIMALS: Readonly<Record<TokenName, number>> = { KBOND: 18, TUSDC: 6 };

export interface Balance {
  readonly platform: string;
  readonly chain: string;
  readonly token: TokenName;
  /** Base units. */
  readonly amount: bigint;
}

export async function readBalances(
  participants: readonly Participant[],
  chains: readonly StackChain[],
): Promise<readonly Balance[]> {
  const wanted = participants.flatMap((participant) =>
    chains.flatMap((chain) => FUNGIBLE_TOKENS.map((token) => ({ participant, chain, token }))),
  );
  return Promise.all(
    wanted.map(async ({ participant, chain, token }) => ({
      platform: participant.slug,
      chain: chain.name,
      token,
      amount: await participant.walletOn(chain.chain_id).balanceOf(token),
    })),
  );
}

/** Only what somebody has or had. Both lists come from `readBalances` with the same arguments. */
export function renderBalances(before: readonly Balance[], after: readonly Balance[]): string {
  const rows = before.flatMap(({ platform, chain, token, amount }, index) => {
    const now = after[index]?.amount ?? 0n;
    if (amount === 0n && now === 0n) return [];
    const shown = (value: bigint): string => formatUnits(value, DECIMALS[token]);
    const change = now - amount;
    return [[platform, chain, token, shown(amount), shown(now), `${change > 0n ? '+' : ''}${shown(change)}`]];
  });
  const lines = table([['platform', 'chain', 'token', 'before', 'after', 'change'], ...rows]);
  return ['Balances', ...lines.map((line) => `  ${line}`), ''].join('\n');
}
