import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { FetchRequest, JsonRpcProvider, Network as EthersNetwork, Wallet } from 'ethers';

import { buildContracts } from '../../contracts/build.ts';
import { parseDeployment } from './configuration.ts';
import { deployContracts } from './deploy.ts';
import { connectNetwork, type Network } from './network.ts';

/**
 * `npm run contracts:deploy -- --config <file> [--state <file>] [--out <file>] [--dry-run]`
 *
 * Variables: `RPC_URL_<chain id>` for every chain, and `DEPLOYER_PRIVATE_KEY_FILE` (mode 0600). Exit code 0 when everything is deployed,
 * configured, frozen and read back; 1 when it is not; 2 for a wrong call. Safe to repeat with the same state file. See README.md.
 */

const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
const RPC_TIMEOUT_MS = 30_000;
const USAGE =
  'usage: npm run contracts:deploy -- --config <file> [--state <file>] [--out <file>] [--dry-run]\n' +
  'RPC_URL_<chain id> and DEPLOYER_PRIVATE_KEY_FILE are variables; what they are: deploy/contracts/README.md\n';

const OPTIONS = {
  config: { type: 'string' },
  state: { type: 'string' },
  out: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
} as const;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A key in an argument or a variable would be seen by every user of the machine. */
function readDeployerKey(): string {
  const file = process.env['DEPLOYER_PRIVATE_KEY_FILE'];
  if (file === undefined || file === '') throw new Error('DEPLOYER_PRIVATE_KEY_FILE is not set');
  if ((statSync(file).mode & 0o077) !== 0)
    throw new Error('the file of DEPLOYER_PRIVATE_KEY_FILE can be read by others: chmod 600');
  const key = readFileSync(file, 'utf8').trim();
  if (!/^0x[0-9a-fA-F]{64}$/.test(key)) throw new Error('the file of DEPLOYER_PRIVATE_KEY_FILE holds no private key');
  return key;
}

function nodeOf(chainId: number): string {
  const url = process.env[`RPC_URL_${chainId}`];
  if (url === undefined || url === '') throw new Error(`RPC_URL_${chainId} is not set`);
  return url;
}

function connect(chainId: number, url: string, key: string): Promise<Network> {
  const request = new FetchRequest(url);
  request.timeout = RPC_TIMEOUT_MS;
  const network = EthersNetwork.from(chainId);
  // Not static: a node of another chain has to be noticed.
  const provider = new JsonRpcProvider(request, network, { batchMaxCount: 1, cacheTimeout: -1 });
  return connectNetwork({ signer: new Wallet(key, provider), waitConfirmations: 2 });
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS, strict: true });
  if (values.config === undefined) {
    process.stderr.write(USAGE);
    return EXIT.usage;
  }
  const configuration = parseDeployment(JSON.parse(readFileSync(values.config, 'utf8')));
  const key = readDeployerKey();
  await buildContracts({ onProgress: say });
  const networks = new Map<number, Network>();
  for (const { chain_id: chainId } of configuration.chains) {
    networks.set(chainId, await connect(chainId, nodeOf(chainId), key));
  }
  const stateFile = values.state ?? `${values.config}.state`;
  const result = await deployContracts({ configuration, networks, stateFile, dryRun: values['dry-run'], say });
  if (values['dry-run']) return EXIT.ok;
  for (const { chainId, what, found } of result.readings) say(`read     chain ${chainId}: ${what}: ${found}`);
  const out = values.out ?? `${values.config}.chains.json`;
  // The addresses of nodes may hold keys, so the file is for its owner alone, and nothing of it is printed.
  const entries = result.chains.map((chain) => ({ ...chain, rpc_urls: [nodeOf(chain.chain_id)] }));
  writeFileSync(`${out}.new`, `${JSON.stringify(entries, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${out}.new`, out);
  say(`KEYSTONE_CHAINS is in ${out}`);
  return EXIT.ok;
}

process.exitCode = await main().catch((error: unknown) => {
  // The long form of an error of the client may quote the address of a node, and with it a key.
  const { shortMessage, message } = error as { shortMessage?: string; message?: string };
  process.stderr.write(`${shortMessage ?? message ?? 'failed'}\n`);
  return EXIT.failed;
});
// A node that was given up on may still hold a connection open.
process.exit();
