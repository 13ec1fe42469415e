import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { CONTRACTS, REPOSITORY } from './command.ts';

/** The contracts as the compiler sees them, under the names by which they import each other; nothing is generated, so this takes a second. */

const require = createRequire(import.meta.url);
const SOURCES = join(CONTRACTS, 'src');
/** Packages whose Solidity ours may import. */
const PACKAGES = ['@openzeppelin/', '@layerzerolabs/'];

/** A node of solc's compact AST; only what is used here. */
export interface AstNode {
  readonly nodeType: string;
  /** `offset:length:file`, in bytes. */
  readonly src: string;
  readonly [key: string]: unknown;
}

export interface AnalysedSources {
  /** By the name under which the compiler knows it: `src/…` or a package's path. */
  readonly texts: ReadonlyMap<string, string>;
  readonly asts: ReadonlyMap<string, AstNode>;
  /** The compiler's standard JSON, for tools that read it. */
  readonly output: CompilerOutput;
}

interface CompilerOutput {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly sources: Readonly<Record<string, { readonly id: number; readonly ast: AstNode }>>;
  readonly contracts: Readonly<Record<string, Readonly<Record<string, { readonly abi: readonly unknown[] }>>>>;
}

interface Compiler {
  compile(input: string, callbacks: { import: (path: string) => { contents: string } | { error: string } }): string;
}

/** Names of our own sources, `src/…`, sorted. */
export function sourceNames(): string[] {
  return readdirSync(SOURCES, { recursive: true })
    .map((name) => join('src', String(name)))
    .filter((name) => name.endsWith('.sol'))
    .toSorted();
}

/**
 * Parses and type-checks everything under `src`, with the packages that it imports.
 * @throws when the compiler reports an error.
 */
export function analyseSources(): AnalysedSources {
  const solc: Compiler = require('solc');
  const texts = new Map(sourceNames().map((name) => [name, readFileSync(join(CONTRACTS, name), 'utf8')]));
  const readImport = (path: string): { contents: string } | { error: string } => {
    if (!PACKAGES.some((name) => path.startsWith(name))) return { error: `unexpected import ${path}` };
    const text = readFileSync(join(REPOSITORY, 'node_modules', path), 'utf8');
    texts.set(path, text);
    return { contents: text };
  };
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries([...texts].map(([name, content]) => [name, { content }])),
    settings: { evmVersion: 'cancun', outputSelection: { '*': { '': ['ast'], '*': ['abi'] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport })) as CompilerOutput;
  const failures = (output.errors ?? []).filter((problem) => problem.severity === 'error');
  if (failures.length > 0) throw new Error(failures.map((problem) => problem.formattedMessage).join('\n'));
  const asts = new Map(Object.entries(output.sources).map(([name, source]) => [name, source.ast]));
  return { texts, asts, output };
}

/** What to compile instead of what is on the disk. */
export interface Replacement {
  readonly name: string;
  readonly text: string;
}

/** A compiled contract; hex without 0x. */
export interface Bytecode {
  readonly bytecode: string;
  readonly deployedBytecode: string;
}

/**
 * Compiles some contracts as forge does (foundry.toml), with one source replaced.
 * @param contracts By the source that defines each.
 * @returns undefined when that is not Solidity any more.
 */
export function compileWith(
  analysed: AnalysedSources,
  replacement: Replacement,
  contracts: ReadonlyMap<string, string>,
): Map<string, Bytecode> | undefined {
  const solc: Compiler = require('solc');
  const textOf = (name: string): string =>
    name === replacement.name ? replacement.text : (analysed.texts.get(name) ?? '');
  const wanted = ['evm.bytecode.object', 'evm.deployedBytecode.object'];
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries([...contracts.keys()].map((name) => [name, { content: textOf(name) }])),
    settings: {
      evmVersion: 'cancun',
      optimizer: { enabled: true, runs: 200 },
      metadata: { bytecodeHash: 'none', appendCBOR: false },
      outputSelection: Object.fromEntries([...contracts].map(([name, contract]) => [name, { [contract]: wanted }])),
    },
  };
  const readImport = (name: string): { contents: string } | { error: string } =>
    analysed.texts.has(name) ? { contents: textOf(name) } : { error: `unexpected import ${name}` };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport })) as CompiledOutput;
  if ((output.errors ?? []).some(({ severity }) => severity === 'error')) return undefined;
  return new Map(
    [...contracts].map(([name, contract]) => {
      const code = output.contracts?.[name]?.[contract]?.evm;
      if (code === undefined) throw new Error(`${name} has no contract ${contract}`);
      return [contract, { bytecode: code.bytecode.object, deployedBytecode: code.deployedBytecode.object }];
    }),
  );
}

interface CompiledOutput {
  readonly errors?: readonly { readonly severity: string }[];
  readonly contracts?: Readonly<Record<string, Readonly<Record<string, { readonly evm: EvmOutput }>>>>;
}

interface EvmOutput {
  readonly bytecode: { readonly object: string };
  readonly deployedBytecode: { readonly object: string };
}

/** Every source that a source needs, itself included. */
export function needsOf({ asts }: AnalysedSources, name: string): Set<string> {
  const found = new Set<string>();
  const visit = (each: string): void => {
    if (found.has(each)) return;
    found.add(each);
    const nodes = asts.get(each)?.['nodes'];
    for (const node of Array.isArray(nodes) ? (nodes as AstNode[]) : []) {
      if (node.nodeType === 'ImportDirective') visit(node['absolutePath'] as string);
    }
  };
  visit(name);
  return found;
}
