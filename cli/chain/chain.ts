import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { type ChainHaltRow, haltDetail, listOpenHalts, openHalt, requestResume } from '../../db/chain-halts.ts';
import { createDatabase, type Database } from '../../db/pool.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { UsageError } from '../usage.ts';

const EXIT = { done: 0, refused: 1, noAnswer: 3 } as const;
const WAIT_SECONDS = 30;
const MAXIMUM_WAIT_SECONDS = 3_600;
const POLL_MS = 250;
const REASON_LENGTH = 500;

interface Resume {
  readonly chainId: number;
  readonly reason: string;
  readonly by: string;
  readonly waitMs: number;
}

/** @returns the exit code; see the usage text */
export async function runChain(args: readonly string[]): Promise<number> {
  const work = readArguments(args);
  const url = process.env['DATABASE_URL'];
  if (url === undefined || !/^postgres(ql)?:\/\//.test(url)) throw new UsageError('DATABASE_URL is not set');
  const database = createDatabase({
    url,
    poolSize: 1,
    applicationName: 'keystone-cli',
    onError: () => undefined, // The query that needs the connection fails by itself.
  });
  try {
    return await work(database);
  } catch (error) {
    if (!(error instanceof KeystoneError) || error.code !== 'database_unavailable') throw error;
    process.stderr.write(`keystone chain: ${error.detail}\n`);
    return EXIT.noAnswer;
  } finally {
    await database.close();
  }
}

function readArguments(args: readonly string[]): (database: Database) => Promise<number> {
  const { values, positionals } = parse(args);
  const [verb, chain, ...more] = positionals;
  if (verb === 'halts' && chain === undefined) return listHalts;
  if (verb !== 'resume' || more.length > 0) throw new UsageError('say halts, or resume <chain id>');
  if (chain === undefined || !/^[1-9][0-9]{0,14}$/.test(chain)) throw new UsageError('resume wants a chain id');
  const reason = values.reason?.trim() ?? '';
  if (reason === '' || reason.length > REASON_LENGTH)
    throw new UsageError('resume wants a --reason, up to 500 characters');
  const seconds = Number(values.wait ?? WAIT_SECONDS);
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > MAXIMUM_WAIT_SECONDS) {
    throw new UsageError('--wait wants seconds, up to an hour');
  }
  const by = `operator:${values.by ?? userInfo().username}`;
  return (database) => resume(database, { chainId: Number(chain), reason, by, waitMs: seconds * 1_000 });
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { reason: { type: 'string' }, by: { type: 'string' }, wait: { type: 'string' } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function listHalts(database: Database): Promise<number> {
  const halts = await database.transaction({ kind: 'worker' }, (transaction) => listOpenHalts(transaction));
  const lines = halts.flatMap((halt) => haltLines(halt));
  process.stdout.write(`${lines.length === 0 ? 'No chain is halted.' : lines.join('\n')}\n`);
  return EXIT.done;
}

function haltLines(halt: ChainHaltRow): string[] {
  return [
    `Chain ${halt.chain_id}: ${halt.reason}, since ${halt.since.toISOString()}`,
    `  ${haltDetail(halt)}`,
    `  block ${halt.block_number}: stored ${halt.stored_hash}, the chain says ${halt.chain_hash ?? 'nothing'}`,
    `  newest stored block that the chain still has: ${halt.ancestor_number ?? 'none'}`,
    ...(halt.resume_requested_by === null ? [] : [`  ${halt.resume_requested_by} has asked to resume it`]),
  ];
}

async function resume(database: Database, request: Resume): Promise<number> {
  const { chainId, by, reason, waitMs } = request;
  const read = () => database.transaction({ kind: 'worker' }, (transaction) => openHalt(transaction, chainId));
  const asked = await database.transaction({ kind: 'worker' }, (transaction) =>
    requestResume(transaction, { chainId, by, reason }),
  );
  if (!asked) return say(EXIT.refused, `Chain ${chainId} is not halted.`);
  if (waitMs === 0) return say(EXIT.done, `The worker is asked to resume chain ${chainId}.`);
  const limit = performance.now() + waitMs;
  while (performance.now() < limit) {
    const halt = await read();
    if (halt === undefined) {
      return say(
        EXIT.done,
        `Chain ${chainId} is resumed. Settlements that rested on blocks which are gone stay marked.`,
      );
    }
    if (halt.resume_requested_at === null) {
      return say(
        EXIT.refused,
        `Chain ${chainId} stays halted: its first block is another one than that of the indexed chain.`,
      );
    }
    await sleep(POLL_MS);
  }
  return say(EXIT.noAnswer, `The worker has not resumed chain ${chainId} yet. Does it run, and does its node answer?`);
}

function say(code: number, text: string): number {
  (code === EXIT.done ? process.stdout : process.stderr).write(`${text}\n`);
  return code;
}
