#!/usr/bin/env node
// Presents the wasm build of solc as the native compiler that forge expects, because no package registry carries a native one:
// forge first asks for `--version`, then sends standard JSON on stdin and reads standard JSON from stdout.
const { readFileSync } = require('node:fs');
const solc = require('solc');

if (process.argv.includes('--version')) {
  const version = solc.version().replace('Emscripten.clang', 'Linux.g++');
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')));
}
