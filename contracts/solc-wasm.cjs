#!/usr/bin/env node
// Presents the wasm build of solc as the native compiler that forge expects, because no package registry carries a native one:
// forge first asks for `--version`, then sends standard JSON on stdin and reads standard JSON from stdout.
const { readFileSync } = require('node:fs');
const { resolve, sep } = require('node:path');
const solc = require('solc');

const PACKAGES = resolve(__dirname, '..', 'node_modules') + sep;

// forge names imported packages once relative and once absolute to this folder; a native compiler looks on the disk for the missing
// name, the wasm one has no disk.
function readImport(path) {
  const file = resolve(__dirname, path);
  if (!file.startsWith(PACKAGES)) return { error: `outside node_modules: ${path}` };
  return { contents: readFileSync(file, 'utf8') };
}

if (process.argv.includes('--version')) {
  const version = solc.version().replace('Emscripten.clang', 'Linux.g++');
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8'), { import: readImport }));
}
