/**
 * Compiles the contracts with the wasm build of solc, so that nothing has to be installed beside the npm packages.
 *
 * Writes `contracts/out/<Name>.json` ({abi, bytecode, deployedBytecode}) and the typed ABIs `contracts/generated/abi.ts`, which are committed.
 * Everything is skipped when neither a source, nor a setting, nor this file has changed since the last build.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { JsonFragment } from 'ethers';

const CONTRACTS = import.meta.dirname;
const SOURCES = join(CONTRACTS, 'src');
const OUT = join(CONTRACTS, 'out');
const GENERATED = join(CONTRACTS, 'generated', 'abi.ts');
const STAMP = join(OUT, 'build-stamp.txt');
const require = createRequire(import.meta.url);

/** Contracts whose ABI and bytecode others use. */
export const CONTRACT_NAMES = [
  'SettlementCoordinator',
  'ComplianceRegistry',
  'KeystoneEscrow',
  'Gateway',
  'KBOND',
  'TUSDC',
  'KDEED',
  'KFUND',
] as const;
export type ContractName = (typeof CONTRACT_NAMES)[number];

/** Interfaces whose ABI others use: whoever relays messages reads PacketSent and calls lzReceive. */
export const INTERFACE_NAMES = ['ILayerZeroEndpointV2'] as const;
export type InterfaceName = (typeof INTERFACE_NAMES)[number];

/** What our contracts may import. Of LayerZero only the interfaces: they are MIT, the rest of the package is not. */
const IMPORTABLE = ['@openzeppelin/contracts/', '@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/'] as const;

/**
 * Compiler settings of what is deployed. The via-IR pipeline saves a tenth of the gas and compiles four times as long, so `foundry.toml` does
 * without it; `FOUNDRY_PROFILE=deployed` runs the same tests against the files written here.
 */
const SETTINGS = {
  evmVersion: 'cancun',
  viaIR: true,
  optimizer: { enabled: true, runs: 10_000 },
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
} as const;

export interface CompiledAbi {
  readonly abi: readonly JsonFragment[];
}

/** A compiled contract; bytecodes are 0x-prefixed hex. */
export interface Artifact extends CompiledAbi {
  readonly bytecode: string;
  readonly deployedBytecode: string;
}

export interface BuildOptions {
  /** Receives one line per step. */
  readonly onProgress?: (line: string) => void;
}

interface CompilerOutput {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts?: Readonly<Record<string, Readonly<Record<string, CompiledContract>>>>;
}

interface CompiledContract extends CompiledAbi {
  /** Absent when only ABIs were asked for. */
  readonly evm?: {
    readonly bytecode: { readonly object: string };
    readonly deployedBytecode: { readonly object: string };
  };
}

interface Compiler {
  compile(input: string, callbacks: { import: (path: string) => { contents: string } | { error: string } }): string;
  version(): string;
}

/** Sources by path relative to the contracts folder, in a stable order. */
async function readSources(): Promise<Map<string, string>> {
  const entries = await readdir(SOURCES, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.sol'))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const sources = new Map<string, string>();
  for (const path of paths) sources.set(relative(CONTRACTS, path), await readFile(path, 'utf8'));
  return sources;
}

/** Versions of what is compiled but is not ours: an updated library must not be answered from the cache. */
async function packageVersions(): Promise<string> {
  const versions = ['solc', '@openzeppelin/contracts', '@layerzerolabs/lz-evm-protocol-v2'].map(async (name) => {
    const manifest: { version: string } = JSON.parse(await readFile(require.resolve(`${name}/package.json`), 'utf8'));
    return `${name}@${manifest.version}`;
  });
  return (await Promise.all(versions)).join(' ');
}

async function stampOf(sources: Map<string, string>): Promise<string> {
  const hash = createHash('sha256').update(await readFile(fileURLToPath(import.meta.url), 'utf8'));
  hash.update(await packageVersions());
  for (const [path, text] of sources) hash.update(`${path}\0${text}\0`);
  return hash.digest('hex');
}

/** Resolves to undefined when the file does not exist; other failures are thrown. */
async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole files only: another process that reads while this one builds must never see half an artifact. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}

/**
 * Reads the ABIs off the sources without generating code, which takes two seconds, and without touching the disk.
 * @throws when the compiler reports an error; the message is the compiler's.
 */
export async function compileAbis(): Promise<Map<ContractName | InterfaceName, CompiledAbi>> {
  const output = compile(await readSources(), { ...SETTINGS, outputSelection: { '*': { '*': ['abi'] } } });
  return pickAbis(output);
}

function compile(sources: Map<string, string>, settings: object): CompilerOutput {
  const solc: Compiler = require('solc');
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries([...sources].map(([path, content]) => [path, { content }])),
    settings,
  };
  const readImport = (path: string): { contents: string } | { error: string } => {
    if (!IMPORTABLE.some((prefix) => path.startsWith(prefix))) return { error: `unexpected import ${path}` };
    return { contents: readFileSync(require.resolve(path), 'utf8') };
  };
  const output: CompilerOutput = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  const failures = (output.errors ?? []).filter((problem) => problem.severity === 'error');
  if (failures.length > 0) throw new Error(failures.map((problem) => problem.formattedMessage).join('\n'));
  return output;
}

function pickAbis(output: CompilerOutput): Map<ContractName | InterfaceName, CompiledAbi> {
  return new Map([...CONTRACT_NAMES, ...INTERFACE_NAMES].map((name) => [name, pickContract(output, name)]));
}

function pickArtifact(output: CompilerOutput, name: ContractName): Artifact {
  const { abi, evm } = pickContract(output, name);
  if (evm === undefined) throw new Error(`the compiler gave no code for ${name}`);
  return { abi, bytecode: `0x${evm.bytecode.object}`, deployedBytecode: `0x${evm.deployedBytecode.object}` };
}

function pickContract(output: CompilerOutput, name: ContractName | InterfaceName): CompiledContract {
  for (const contracts of Object.values(output.contracts ?? {})) {
    const compiled = contracts[name];
    if (compiled !== undefined) return compiled;
  }
  throw new Error(`the sources contain no contract ${name}`);
}

/** The text of `contracts/generated/abi.ts` for compiled contracts: one entry of an ABI per line, so that diffs are readable. */
export function renderAbi(artifacts: ReadonlyMap<ContractName | InterfaceName, CompiledAbi>): string {
  const blocks = [...artifacts].map(([name, artifact]) => {
    const plain = name.replace(/^I(?=[A-Z][a-z])/, '');
    const constant = /^[A-Z]+$/.test(plain) ? plain.toLowerCase() : `${plain[0]?.toLowerCase()}${plain.slice(1)}`;
    const entries = artifact.abi.map((entry) => `  ${JSON.stringify(entry)},`).join('\n');
    return `export const ${constant}Abi = [\n${entries}\n] as const;\n`;
  });
  return `// Generated by contracts/build.ts from contracts/src. Do not edit.\n\n${blocks.join('\n')}`;
}

/**
 * Builds what has changed.
 * @returns whether the previous build still stood, and how long this took in milliseconds.
 */
export async function buildContracts(options: BuildOptions = {}): Promise<{ cached: boolean; ms: number }> {
  const startedAt = performance.now();
  const elapsed = (): number => Math.round(performance.now() - startedAt);
  const progress = options.onProgress ?? ((): void => undefined);

  const sources = await readSources();
  const stamp = await stampOf(sources);
  if ((await readOrUndefined(STAMP)) === stamp && (await readOrUndefined(GENERATED)) !== undefined) {
    progress(`contracts: ${sources.size} sources unchanged (${elapsed()} ms)`);
    return { cached: true, ms: elapsed() };
  }

  progress(`contracts: compiling ${sources.size} sources`);
  const output = compile(sources, SETTINGS);
  await mkdir(OUT, { recursive: true });
  await mkdir(join(CONTRACTS, 'generated'), { recursive: true });
  for (const name of CONTRACT_NAMES) {
    const artifact = pickArtifact(output, name);
    await replaceFile(join(OUT, `${name}.json`), `${JSON.stringify(artifact, null, 1)}\n`);
    progress(`contracts: ${name}, ${(artifact.deployedBytecode.length - 2) / 2} bytes`);
  }
  await replaceFile(GENERATED, renderAbi(pickAbis(output)));
  // Last, so that an interrupted build is not taken for a finished one.
  await replaceFile(STAMP, stamp);
  progress(`contracts: compiled (${elapsed()} ms)`);
  return { cached: false, ms: elapsed() };
}

/**
 * Reads what {@link buildContracts} has written.
 * @throws when the contracts were not built.
 */
export async function loadArtifact(name: ContractName): Promise<Artifact> {
  const text = await readOrUndefined(join(OUT, `${name}.json`));
  if (text === undefined) throw new Error(`contract ${name} is not built: run npm run contracts:build`);
  return JSON.parse(text) as Artifact;
}

if (import.meta.main) {
  await buildContracts({ onProgress: (line) => process.stdout.write(`${line}\n`) });
}
