#!/usr/bin/env node
// First thing that runs on a fresh clone: plain JavaScript without dependencies, for whatever Node (18 or later) the system has.
// Installs the packages when they are missing or older than the lock file, then hands over to the Node that is pinned among them.
//
//   node dev/bootstrap.mjs start | test | bench [arguments…]

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const HOME = process.env.KEYSTONE_HOME ?? join(ROOT, '.keystone');
const MODULES = join(ROOT, 'node_modules');
const LOCK = join(ROOT, 'package-lock.json');
/** Says of which lock file the installed packages are. */
const STAMP = join(MODULES, '.keystone-lock-sha256');
const PINNED_NODE = join(MODULES, 'node', 'bin', 'node');
const COMMANDS = { start: 'dev/start.ts', test: 'dev/test.ts', bench: 'bench/main.ts' };

const PROGRESS_MS = 5_000;
const INSTALL_LIMIT_MS = 15 * 60_000;
const LOG_TAIL_LINES = 15;

const started = Date.now();

/** One line with the time since the start. */
function say(line) {
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stdout.write(`[${seconds.padStart(6)} s] ${line}\n`);
}

/** Says what failed, where to read more, what to try; then ends. */
function fail(what, { log, hint }) {
  say(`FAILED  ${what}`);
  if (log !== undefined) {
    const tail = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES) : [];
    for (const line of tail) process.stdout.write(`           | ${line}\n`);
    process.stdout.write(`           log: ${relative(process.cwd(), log)}\n`);
  }
  process.stdout.write(`           try: ${hint}\n`);
  process.exit(1);
}

function lockHash() {
  return createHash('sha256').update(readFileSync(LOCK)).digest('hex');
}

function isInstalled() {
  const npmsOwnRecord = join(MODULES, '.package-lock.json');
  if (!existsSync(npmsOwnRecord) || !existsSync(PINNED_NODE)) return false;
  if (existsSync(STAMP)) return readFileSync(STAMP, 'utf8') === lockHash();
  // Installed by hand: newer than the lock file is good enough.
  return statSync(npmsOwnRecord).mtimeMs >= statSync(LOCK).mtimeMs;
}

/** npm as it was called, or the one on PATH. */
function npmCommand() {
  const path = process.env.npm_execpath;
  return path !== undefined && /npm-cli\.c?js$/.test(path) ? [process.execPath, path] : ['npm'];
}

async function install() {
  if (isInstalled()) return;
  const log = join(HOME, 'logs', 'install.log');
  mkdirSync(dirname(log), { recursive: true });
  rmSync(log, { force: true });
  say('installing packages (npm ci)');
  const [command, ...prefix] = npmCommand();
  const output = openSync(log, 'a', 0o600);
  // The development packages are needed whatever NODE_ENV says.
  const child = spawn(command, [...prefix, 'ci', '--include=dev', '--no-audit', '--no-fund'], {
    cwd: ROOT,
    stdio: ['ignore', output, output],
    timeout: INSTALL_LIMIT_MS,
  });
  closeSync(output);
  const progress = setInterval(() => say('installing packages, still at it'), PROGRESS_MS);
  const code = await new Promise((resolve) => {
    child.once('error', () => resolve(127));
    child.once('exit', (status) => resolve(status ?? 1));
  });
  clearInterval(progress);
  if (code === 127) fail('npm is not on PATH', { hint: 'install npm (it comes with Node) and run again' });
  if (code !== 0) fail('npm ci', { log, hint: 'check the network and the registry of npm, then run again' });
  ensurePinnedNode(log);
  writeFileSync(STAMP, lockHash());
  say('packages installed');
}

/** The package `node` fetches its binary in an install script, which npm may have been told not to run. */
function ensurePinnedNode(log) {
  if (existsSync(PINNED_NODE)) return;
  const [command, ...prefix] = npmCommand();
  const output = openSync(log, 'a', 0o600);
  spawnSync(command, [...prefix, 'rebuild', 'node', '--ignore-scripts=false'], {
    cwd: ROOT,
    stdio: ['ignore', output, output],
    timeout: INSTALL_LIMIT_MS,
  });
  closeSync(output);
  if (!existsSync(PINNED_NODE)) {
    fail('the pinned Node is not there after the install', { log, hint: 'npm rebuild node --ignore-scripts=false' });
  }
}

function run(script, args) {
  const path = [join(MODULES, '.bin'), dirname(PINNED_NODE), process.env.PATH ?? ''].join(delimiter);
  const child = spawn(PINNED_NODE, [join(ROOT, script), ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, PATH: path, KEYSTONE_STARTED_AT_MS: String(started) },
  });
  // The terminal sends Ctrl-C to both; the child ends in its own time, and we with it.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => fail(error.message, { hint: 'rm -rf node_modules and run again' }));
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}

const [command, ...args] = process.argv.slice(2);
const script = COMMANDS[command];
if (script === undefined) {
  process.stderr.write(`usage: node dev/bootstrap.mjs ${Object.keys(COMMANDS).join(' | ')} [arguments…]\n`);
  process.exit(2);
}
if (Number(process.versions.node.split('.')[0]) < 18) {
  fail(`this is Node ${process.versions.node}`, { hint: 'install Node 18 or later' });
}
if (process.platform !== 'linux' || process.arch !== 'x64') {
  fail(
    `the packages of PostgreSQL and the local chain are for Linux on x64, this is ${process.platform} on ${process.arch}`,
    {
      hint: 'run it in a Linux x64 container or virtual machine',
    },
  );
}
await install();
run(script, args);
