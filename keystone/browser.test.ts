import { describe, expect, it } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** What the library may import: small, pure packages that also run in a browser. */
const PACKAGES = ['canonicalize', 'tweetnacl', '@noble/hashes/sha256', '@noble/hashes/sha3'];

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));

describe('the library', () => {
  it.each(files)(
    '%s imports nothing of this project outside of keystone/, no Node module, and no global of Node',
    (name) => {
      const source = readFileSync(join(import.meta.dirname, name), 'utf8');
      const imports = [...source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
      const foreign = imports.filter((from) => !/^\.\/[a-z-]+\.ts$/.test(from) && !PACKAGES.includes(from));
      expect(foreign).toEqual([]);
      expect(source).not.toMatch(/\b(?:Buffer|process|require|__dirname|global)\b\s*[.(]/);
    },
  );
});
