/** `keystone verify`: reads packs and pinned keys from files, chains over JSON-RPC, and prints the checks. */

import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PACK_LIMITS } from '../keystone/json.ts';
import { parseTrustedKeys, verifyPack } from '../keystone/pack.ts';
import type { ChainReader, TrustedKeysFile } from '../keystone/pack.ts';
import { createJsonRpcReader } from './json-rpc.ts';
import { UsageError } from './usage.ts';
import { type Result, humanReport } from './verify-report.ts';

const MAX_FILES = 256;
const MAX_KEYS_BYTES = 262_144;

export const verifyUsage = `Usage: keystone verify <pack.json…> [options]

Recomputes every reference of each proof pack, checks every signature against pinned keys, and, given RPC addresses,
reads attestations, the anchored decision, deposits, votes, payouts, fees and execution from every chain again.

Options:
  --rpc [<chain id>=]URL   read this chain again; once for each chain of the settlement. Without a chain id the node is
                           asked which chain it is of; with one, a node of another chain is refused.
  --keys FILE              pinned keys (default: $KEYSTONE_HOME/trusted-keys.json, else .keystone/trusted-keys.json)
  --compatible             only the published verifier's checks (6 + 10 per chain), with the key that the pack carries
  --json                   machine-readable output
  --help                   this text

Exit codes: 0 valid (the report lists what was not checked), 1 refuted, 2 not a pack, 3 something that the verdict needs
was not given (pinned keys, or an RPC address for a chain of the pack), 64 called wrongly. Of several files the first of
1, 2, 3 that occurs.
`;

interface Arguments {
  readonly files: readonly string[];
  readonly rpc: readonly string[];
  readonly keys: string | undefined;
  readonly compatible: boolean;
  readonly json: boolean;
}

/** @returns the exit code; see the usage text */
export async function runVerify(args: readonly string[]): Promise<number> {
  const given = readArguments(args);
  const trusted_keys = given.compatible ? undefined : await readKeys(given.keys);
  const readers = given.rpc.length === 0 ? undefined : await readersOf(given.rpc);
  const results: Result[] = [];
  for (const file of given.files) {
    const text = await readText(file, PACK_LIMITS.maxBytes);
    const report = await verifyPack(text ?? '', {
      mode: given.compatible ? 'compatible' : 'strict',
      ...(trusted_keys === undefined ? {} : { trusted_keys }),
      ...(readers === undefined ? {} : { readers }),
    });
    results.push({
      file,
      ...report,
      ...(text === undefined ? { summary: 'the file cannot be read or is too large' } : {}),
    });
  }
  const exit_code = [1, 2, 3].find((code) => results.some((result) => result.exit_code === code)) ?? 0;
  process.stdout.write(
    given.json ? `${JSON.stringify({ exit_code, results }, null, 2)}\n` : results.map(humanReport).join('\n'),
  );
  return exit_code;
}

function readArguments(args: readonly string[]): Arguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rpc: { type: 'string', multiple: true },
        keys: { type: 'string' },
        compatible: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    });
    if (positionals.length === 0 || positionals.length > MAX_FILES) {
      throw new UsageError(positionals.length === 0 ? 'no pack was named' : `more than ${MAX_FILES} packs at once`);
    }
    const rpc = values.rpc ?? [];
    if (values.compatible === true && (rpc.length > 0 || values.keys !== undefined)) {
      throw new UsageError('--compatible reads no chain and no pinned keys; leave out --rpc and --keys');
    }
    const { keys, compatible = false, json = false } = values;
    return { files: positionals, rpc, keys, compatible, json };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Named keys that cannot be read are an error; absent default keys leave the verdict incomplete. */
async function readKeys(named: string | undefined): Promise<TrustedKeysFile | undefined> {
  const file = named ?? join(process.env['KEYSTONE_HOME'] ?? '.keystone', 'trusted-keys.json');
  const text = await readText(file, MAX_KEYS_BYTES);
  if (text === undefined) {
    if (named !== undefined) {
      throw new UsageError(`the pinned keys in ${named} cannot be read`);
    }
    return undefined;
  }
  try {
    return parseTrustedKeys(text);
  } catch (error) {
    throw new UsageError(
      `${file} is not a file of pinned keys: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Text of a file, or undefined when it cannot be read or is larger than `maxBytes`. */
async function readText(file: string, maxBytes: number): Promise<string | undefined> {
  try {
    const handle = await open(file, 'r');
    try {
      const stat = await handle.stat();
      // A device or a pipe has no size to check, and may never end.
      return !stat.isFile() || stat.size > maxBytes
        ? undefined
        : new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile());
    } finally {
      await handle.close();
    }
  } catch {
    // Absent, unreadable or not UTF-8: the caller says which file, and that is all a reader can act on.
    return undefined;
  }
}

async function readersOf(rpc: readonly string[]): Promise<Record<string, ChainReader>> {
  const readers: Record<string, ChainReader> = {};
  for (const argument of rpc) {
    const match = /^(?:(?:eip155:)?([1-9][0-9]{0,18})=)?(https?:\/\/.+)$/.exec(argument);
    const url = match?.[2];
    if (url === undefined || !URL.canParse(url)) {
      throw new UsageError('--rpc wants [<chain id>=]URL, for example 11155111=http://127.0.0.1:8545');
    }
    const reader = createJsonRpcReader(url);
    const chain = await chainOf(match?.[1], reader);
    if (readers[`eip155:${chain}`] !== undefined) {
      throw new UsageError(`--rpc names the chain ${chain} twice`);
    }
    readers[`eip155:${chain}`] = reader;
  }
  return readers;
}

/**
 * A node of another chain than it was named for would make an honest pack look forged, so it is refused. One that does
 * not answer is no reason: its chain is then listed as not read.
 */
async function chainOf(named: string | undefined, reader: ChainReader): Promise<string> {
  let answer: string;
  try {
    answer = String(await reader.chainId());
  } catch (error) {
    if (named === undefined) {
      throw new UsageError(
        `an --rpc without chain id did not answer: ${error instanceof Error ? error.message : 'no'}`,
      );
    }
    return named;
  }
  if (named !== undefined && answer !== named) {
    throw new UsageError(`--rpc names the chain ${named}, but the node there is of chain ${answer}`);
  }
  return answer;
}
