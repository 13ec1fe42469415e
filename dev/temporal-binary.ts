import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Where the Temporal development server comes from. It is on no package registry that npm reads, so in order: TEMPORAL_CLI_PATH,
 * `temporal` on PATH, our cache, the SDK's cached download, and a build from the Go module that `dev/temporal/go.mod` pins.
 */

/** Version of the Temporal CLI that `dev/temporal/go.mod` builds. */
export const TEMPORAL_CLI_VERSION = '1.8.2';
/** Older servers lack what we use (update-with-start, user metadata on activities and timers). */
const OLDEST_SERVER = [1, 29, 0] as const;
const LIMITS = { versionMs: 20_000, buildMs: 20 * 60_000, progressMs: 5_000, progressLineBytes: 4_096 } as const;
/** Packages that the build compiles; only for the progress line. */
const PACKAGES_OF_THE_BUILD = 1_600;

export interface FindTemporalOptions {
  readonly log: (line: string) => void;
  /** Called every few seconds while the binary is built. */
  readonly onProgress?: (line: string) => void;
}

/**
 * Path of a usable `temporal` binary. @throws Error that says what to do when none can be had. A TEMPORAL_CLI_PATH that does
 * not work is an error, never a reason to look further: whoever sets it means it.
 */
export async function findTemporal(options: FindTemporalOptions): Promise<string> {
  const given = process.env['TEMPORAL_CLI_PATH'];
  if (given !== undefined && given !== '') {
    const version = await serverVersion(given);
    if (!version.usable) throw new Error(`TEMPORAL_CLI_PATH does not name a usable temporal binary: ${version.text}`);
    return given;
  }
  const cached = cachedBinary();
  for (const candidate of [...onPath(), cached, ...downloadedBySdk()]) {
    if (!existsSync(candidate)) continue;
    const version = await serverVersion(candidate);
    if (version.usable) return candidate;
    options.log(`${candidate} is passed over: ${version.text}`);
  }
  return build(cached, options);
}

/** What a binary says about itself, one line; it identifies the schema of the database files it makes. */
export async function temporalVersion(binary: string): Promise<string> {
  return (await serverVersion(binary)).text;
}

function cachedBinary(): string {
  const root =
    process.env['KEYSTONE_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'keystone');
  return join(root, `temporal-${TEMPORAL_CLI_VERSION}`, 'temporal');
}

function onPath(): string[] {
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return directories.map((directory) => join(directory, 'temporal')).filter((candidate) => existsSync(candidate));
}

/** The SDK's test package keeps its download under these names in the temporary directory. */
function downloadedBySdk(): string[] {
  const names = readdirSync(tmpdir()).filter((name) => /^temporal(-sdk-typescript)?-\d[\w.-]*$/.test(name));
  return names
    .toSorted()
    .toReversed()
    .map((name) => join(tmpdir(), name));
}

function serverVersion(binary: string): Promise<{ usable: boolean; text: string }> {
  return new Promise((resolve) => {
    execFile(binary, ['--version'], { timeout: LIMITS.versionMs }, (error, output) => {
      if (error !== null) return resolve({ usable: false, text: 'it does not run' });
      const text = output.trim();
      const server = /Server (\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number);
      if (server === undefined) return resolve({ usable: false, text: 'it does not say its server version' });
      resolve({ usable: isAtLeast(server, OLDEST_SERVER), text });
    });
  });
}

function isAtLeast(version: readonly number[], oldest: readonly number[]): boolean {
  for (const [index, minimum] of oldest.entries()) {
    const part = version[index] ?? 0;
    if (part !== minimum) return part > minimum;
  }
  return true;
}

/** Builds under a name of this process and renames it, so that two starts at once both end with a complete file. */
async function build(target: string, options: FindTemporalOptions): Promise<string> {
  const directory = join(target, '..');
  const unfinished = `${target}.${process.pid}.unfinished`;
  mkdirSync(directory, { recursive: true });
  options.log(`no Temporal binary found: building ${TEMPORAL_CLI_VERSION} from its Go module, once (about 3 minutes)`);
  try {
    await runGoBuild(unfinished, options.onProgress ?? options.log);
    const version = await serverVersion(unfinished);
    if (!version.usable) throw new Error(`the Temporal binary that was built is not usable: ${version.text}`);
    renameSync(unfinished, target);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return target;
}

function runGoBuild(output: string, onProgress: (line: string) => void): Promise<void> {
  const flags = ['-v', '-mod=readonly', '-trimpath', '-tags', 'disable_grpc_modules', '-ldflags=-s -w'];
  const child = spawn('go', ['build', ...flags, '-o', output, 'github.com/temporalio/cli/cmd/temporal'], {
    cwd: fileURLToPath(new URL('./temporal/', import.meta.url)),
    env: { ...process.env, CGO_ENABLED: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: LIMITS.buildMs,
  });
  let compiled = 0;
  let lastLine = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const lines = text.split('\n').filter((line) => line !== '');
    compiled += lines.filter((line) => !line.startsWith('go: ')).length;
    lastLine = (lines.at(-1) ?? lastLine).slice(0, LIMITS.progressLineBytes);
  });
  // An interrupted start must not leave a compiler behind that keeps both cores busy for minutes.
  const endWithUs = (): void => {
    child.kill('SIGTERM');
  };
  process.once('exit', endWithUs);
  const started = Date.now();
  const progress = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000);
    const doing =
      compiled === 0
        ? lastLine || 'resolving modules'
        : `${compiled} of about ${PACKAGES_OF_THE_BUILD} packages compiled`;
    onProgress(`building Temporal: ${doing} (${seconds} s)`);
  }, LIMITS.progressMs);
  return new Promise<void>((resolve, reject) => {
    child.once('error', () => {
      reject(
        new Error(
          'there is no Temporal server and no Go to build one. Install Go 1.26 or newer (https://go.dev/dl), or put `temporal` on PATH, or set TEMPORAL_CLI_PATH or TEMPORAL_ADDRESS',
        ),
      );
    });
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`building Temporal failed (${signal ?? `exit code ${code}`}): ${lastLine}`));
    });
  }).finally(() => {
    clearInterval(progress);
    process.off('exit', endWithUs);
  });
}
