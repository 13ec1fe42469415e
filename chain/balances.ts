import type { Database } from '../db/pool.ts';
import { recordBalance } from '../db/signer-balances.ts';
import type { SignerRole } from '../domain/configuration.ts';
import { CHAIN_LIMITS, type ChainLimits } from './limits.ts';
import { pause } from './pause.ts';
import type { Chain } from './provider.ts';

/** An account that pays for its own gas, on one chain. */
export interface PayingAccount {
  readonly chain: Chain;
  readonly role: SignerRole;
  readonly address: string;
}

/** What is logged when an account crosses its limit; `balanceWei` is decimal. */
export interface BalanceEvent {
  readonly event: 'signer_balance_low' | 'signer_balance_recovered';
  readonly chainId: number;
  readonly role: SignerRole;
  readonly signer: string;
  readonly balanceWei: string;
  readonly limitWei: string;
}

interface BalanceLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface BalanceWatcherDependencies {
  readonly database: Database;
  readonly accounts: readonly PayingAccount[];
  readonly log: BalanceLog;
  readonly limits?: Partial<Pick<ChainLimits, 'balanceCheckMs' | 'lowBalanceWei'>>;
}

export interface BalanceWatcher {
  /** Looks at every account once. Answers what was logged. */
  check(): Promise<BalanceEvent[]>;
  /** Looks again and again until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Watches what the signers have left. An account that falls below its chain's `low_balance_wei` is logged as an error, once, and once more when it has
 * recovered, by whichever process saw it first; `keystone.signer_balances` has the last look at each.
 */
export function createBalanceWatcher(dependencies: BalanceWatcherDependencies): BalanceWatcher {
  const { accounts, log } = dependencies;
  const limits = { ...CHAIN_LIMITS, ...dependencies.limits };
  const check = async (): Promise<BalanceEvent[]> => {
    const results = await Promise.allSettled(
      accounts.map((account) => look(dependencies, account, limits.lowBalanceWei)),
    );
    for (const [index, result] of results.entries()) {
      if (result.status === 'fulfilled') continue;
      const { chain, role } = accounts[index] ?? {};
      log.warn({ chainId: chain?.chainId, role, err: result.reason as unknown }, 'a balance could not be read');
    }
    return results.flatMap((result) =>
      result.status === 'fulfilled' && result.value !== undefined ? [result.value] : [],
    );
  };
  return {
    check,
    async run(signal) {
      while (!signal.aborted) {
        await check();
        await pause(limits.balanceCheckMs, signal).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
      }
    },
  };
}

async function look(
  { database, log }: BalanceWatcherDependencies,
  { chain, role, address }: PayingAccount,
  defaultLimitWei: bigint,
): Promise<BalanceEvent | undefined> {
  const signer = address.toLowerCase();
  const limitWei = BigInt(chain.configuration.low_balance_wei ?? defaultLimitWei);
  const balanceWei = await chain.balance(signer);
  const low = balanceWei < limitWei;
  const wasLow = await database.transaction({ kind: 'worker' }, (transaction) =>
    recordBalance(transaction, { chainId: chain.chainId, signer, role, balanceWei, low }),
  );
  // An account that nobody has looked at yet has crossed the limit if it lies below.
  if (low === (wasLow ?? false)) return undefined;
  const event: BalanceEvent = {
    event: low ? 'signer_balance_low' : 'signer_balance_recovered',
    chainId: chain.chainId,
    role,
    signer,
    balanceWei: balanceWei.toString(),
    limitWei: limitWei.toString(),
  };
  if (low) log.error(event, 'a signer is running out of funds');
  else log.info(event, 'a signer has funds again');
  return event;
}
