import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { CONTRACTS, REPOSITORY } from './command.ts';

/**
 * A copy of the contracts in which forge works on its own: what is tried there never reaches the checkout, and leaves its caches alone.
 * @param parts Folders of `contracts/`, or folders in them; `src` comes along always.
 * @returns The folder in which forge runs.
 */
export async function layOutProject(directory: string, parts: readonly string[]): Promise<string> {
  const contracts = join(directory, 'contracts');
  await mkdir(contracts, { recursive: true });
  await symlink(join(REPOSITORY, 'node_modules'), join(directory, 'node_modules'));
  for (const part of ['src', 'foundry.toml', 'solc-wasm.cjs', ...parts]) {
    await cp(join(CONTRACTS, part), join(contracts, part), { recursive: true });
  }
  return contracts;
}

/**
 * Puts the packages into the project's own folder. The coverage of forge 1.7 loses its way in paths that lead out of the project.
 * @param contracts What {@link layOutProject} has answered.
 */
export async function movePackagesInside(contracts: string): Promise<void> {
  await symlink(join(REPOSITORY, 'node_modules'), join(contracts, 'node_modules'));
  await rewrite(join(contracts, 'foundry.toml'), /(=|libs = \[")\.\.\/node_modules/g, '$1node_modules');
  await rewrite(join(contracts, 'solc-wasm.cjs'), /'\.\.', 'node_modules'/, "'node_modules'");
}

async function rewrite(path: string, pattern: RegExp, replacement: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  const changed = text.replace(pattern, replacement);
  if (changed === text) throw new Error(`${path} no longer says where the packages are in the way that is known here`);
  await writeFile(path, changed);
}
