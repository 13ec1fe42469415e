import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
/** Folders that hold no page of ours. */
const FOREIGN = new Set(['node_modules', '.git', '.keystone', 'out', 'cache']);

function markdownFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return FOREIGN.has(entry.name) ? [] : markdownFiles(path);
    return entry.isFile() && entry.name.endsWith('.md') ? [path] : [];
  });
}

/** The text without code: a bracket in an example is no link. */
function prose(file: string): string {
  return readFileSync(file, 'utf8')
    .replaceAll(/^(`{3,}|~{3,})[\s\S]*?^\1\s*$/gm, '')
    .replaceAll(/`[^`\n]*`/g, '`');
}

function linkTargets(file: string): string[] {
  const text = prose(file);
  const inline = [...text.matchAll(/\]\(\s*<?([^)>\s]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const definitions = [...text.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)];
  return [...inline, ...definitions]
    .map((match) => match[1] ?? '')
    .filter((target) => !/^[a-z][a-z+.-]*:/i.test(target));
}

/** Anchors as GitHub makes them: lower case, no punctuation, spaces to hyphens, `-1` for the second of a name. */
function anchors(file: string): Set<string> {
  const text = readFileSync(file, 'utf8').replaceAll(/^(`{3,}|~{3,})[\s\S]*?^\1\s*$/gm, '');
  const seen = new Map<string, number>();
  const found = new Set<string>();
  for (const [, heading = ''] of text.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const shown = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '');
    const slug = shown
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    found.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return found;
}

function problemOf(file: string, target: string): string | undefined {
  const [path = '', anchor] = decodeURI(target).split('#');
  const destination = path === '' ? file : resolve(dirname(file), path);
  const shown = `${relative(ROOT, file)} → ${target}`;
  if (path.startsWith('/')) return `${shown}: an absolute path`;
  if (!existsSync(destination)) return `${shown}: no such file`;
  if (anchor === undefined) return undefined;
  if (statSync(destination).isDirectory() || !destination.endsWith('.md')) return `${shown}: an anchor of no page`;
  return anchors(destination).has(anchor) ? undefined : `${shown}: no such heading`;
}

describe('the pages of this repository', () => {
  const files = markdownFiles(ROOT);

  it('link only to files and headings that exist', () => {
    const problems = files.flatMap((file) => linkTargets(file).map((target) => problemOf(file, target)));
    expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
  });

  it('are all reachable from the readme', () => {
    const reached = new Set<string>();
    const waiting = [join(ROOT, 'README.md')];
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      if (reached.has(file) || !existsSync(file)) continue;
      reached.add(file);
      for (const target of linkTargets(file)) {
        const path = resolve(dirname(file), target.split('#')[0] ?? '');
        if (path.endsWith('.md')) waiting.push(path);
      }
    }
    expect(files.filter((file) => !reached.has(file)).map((file) => relative(ROOT, file))).toEqual([]);
  });
});
