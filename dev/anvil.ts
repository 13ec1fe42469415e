import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type OnSpawn, type RunningProcess, startProcess, waitUntilReady } from './processes.ts';

/** The local EVM: Foundry's `anvil`, with the flags that were measured to give finality and to survive SIGKILL. */

const LIMITS = { startMs: 30_000, probeMs: 2_000, stopMs: 10_000 } as const;
const DEFAULT_BLOCK_TIME_SECONDS = 1;

export interface AnvilOptions {
  /** Of the process, when several run side by side. */
  readonly name?: string;
  readonly port: number;
  readonly chainId: number;
  /** The chain is written here every second and read at the next start. Without it the chain lives in memory only. */
  readonly stateFile?: string;
  /** Seconds. Blocks come on a clock, not per transaction: with automine `finalized` never reaches the newest transaction. */
  readonly blockTimeSeconds?: number;
  readonly logFile: string;
  readonly log: (line: string) => void;
  readonly onSpawn?: OnSpawn;
}

export interface RunningAnvil extends RunningProcess {
  readonly url: string;
}

/** Starts the chain and waits until it answers. A state file that cannot be read is moved aside and said so. @throws Error that names the log. */
export async function startAnvil(options: AnvilOptions): Promise<RunningAnvil> {
  const { stateFile } = options;
  if (stateFile !== undefined) {
    mkdirSync(dirname(stateFile), { recursive: true });
    setAsideBrokenState(stateFile, options.log);
  }
  const genesis = stateFile === undefined ? undefined : genesisTimestamp(stateFile);
  const words = [
    ['--host', '127.0.0.1', '--port', String(options.port), '--chain-id', String(options.chainId)],
    ['--block-time', String(options.blockTimeSeconds ?? DEFAULT_BLOCK_TIME_SECONDS), '--slots-in-an-epoch', '1'],
    // Quiet: a line per call would fill the disk, and the banner prints private keys.
    ['--quiet'],
    stateFile === undefined ? [] : ['--state', stateFile, '--state-interval', '1'],
    genesis === undefined ? [] : ['--timestamp', String(genesis)],
  ];
  const server = await startProcess({
    name: options.name ?? 'anvil',
    command: anvilBinary(),
    args: words.flat(),
    environment: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    logFile: options.logFile,
    onSpawn: options.onSpawn,
    stopSignal: 'SIGTERM',
    stopLimitMs: LIMITS.stopMs,
  });
  const url = `http://127.0.0.1:${options.port}`;
  await waitUntilReady(server, () => answersAs(url, options.chainId), LIMITS.startMs);
  // With a given genesis the chain's clock starts there; it has to show the time of day, as that of a real chain does. Rounded up, because it takes
  // whole seconds only: on a clock that is behind, a transaction lands in a block that seems older than the decision it carries.
  if (genesis !== undefined) await call(url, 'evm_setTime', [Math.ceil(Date.now() / 1000)]);
  return { ...server, url };
}

function anvilBinary(): string {
  const override = process.env['ANVIL_BIN'];
  if (override !== undefined && override !== '') {
    if (!existsSync(override)) throw new Error('ANVIL_BIN names a file that does not exist');
    return override;
  }
  const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const binary = fileURLToPath(new URL(`../node_modules/@foundry-rs/anvil-${platform}/bin/anvil`, import.meta.url));
  if (!existsSync(binary))
    throw new Error(`there is no anvil for ${platform} among the packages: set ANVIL_BIN, or RPC_URL_<chain id>`);
  // Some archives lose the permission.
  chmodSync(binary, 0o755);
  return binary;
}

/** The file is rewritten in place, so a kill in the middle of a write leaves half of it. */
function setAsideBrokenState(stateFile: string, log: (line: string) => void): void {
  if (!existsSync(stateFile)) return;
  try {
    JSON.parse(readFileSync(stateFile, 'utf8'));
  } catch {
    // Whatever is wrong with it, anvil could not start from it either.
    renameSync(stateFile, `${stateFile}.broken`);
    rmSync(genesisFile(stateFile), { force: true });
    log(`the saved state of the chain is damaged (kept as ${stateFile}.broken): the chain starts afresh`);
  }
}

/**
 * Seconds since epoch of block 0, chosen when the chain begins and kept beside its state. Without it anvil makes another block 0 at each
 * start and, having two, answers with either: whoever knows a chain by its first block would take it for a new one.
 */
function genesisTimestamp(stateFile: string): number | undefined {
  const file = genesisFile(stateFile);
  if (existsSync(file)) return Number(readFileSync(file, 'utf8'));
  // A chain that began without one keeps the block 0 that it has.
  if (existsSync(stateFile)) return undefined;
  const now = Math.floor(Date.now() / 1000);
  writeFileSync(file, String(now));
  return now;
}

function genesisFile(stateFile: string): string {
  return `${stateFile}.genesis`;
}

async function answersAs(url: string, chainId: number): Promise<boolean> {
  try {
    return Number(await call(url, 'eth_chainId', [])) === chainId;
  } catch {
    // Not yet: the caller asks again until its time limit.
    return false;
  }
}

async function call(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(LIMITS.probeMs),
  });
  const answer = (await response.json()) as { result?: unknown; error?: { message: string } };
  if (answer.error !== undefined) throw new Error(`${method} was refused by the local chain: ${answer.error.message}`);
  return answer.result;
}
