import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>;
}

/** Where npm looks for a package that the one at `path` needs: beside it, then further up. */
function places(path: string, name: string): string[] {
  const found = [`${path === '' ? '' : `${path}/`}node_modules/${name}`];
  for (let at = path; at !== ''; ) {
    const cut = at.lastIndexOf('/node_modules/');
    at = cut === -1 ? '' : at.slice(0, cut);
    found.push(`${at === '' ? '' : `${at}/`}node_modules/${name}`);
  }
  return found;
}

describe('package-lock.json', () => {
  it('names the packages of every platform, because npm ci refuses a lock file that leaves some out', () => {
    const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as LockFile;
    const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => !places(path, name).some((place) => place in lock.packages)),
    );
    expect(missing).toEqual([]);
  });
});
