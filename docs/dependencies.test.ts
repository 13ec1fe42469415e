import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

const page = readFileSync(new URL('./dependencies.md', import.meta.url), 'utf8');
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

/** Names in the first column of the tables below one heading, sorted. */
function namesBelow(heading: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '').toSorted();
}

describe('the page of dependencies', () => {
  it('has one line for each dependency, and no line without one', () => {
    expect(namesBelow('At run time')).toEqual(Object.keys(manifest.dependencies).toSorted());
  });

  it('has one line for each development dependency, and no line without one', () => {
    expect(namesBelow('For development and tests')).toEqual(Object.keys(manifest.devDependencies).toSorted());
  });

  it('stands on a manifest that pins every version exactly', () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });
});
