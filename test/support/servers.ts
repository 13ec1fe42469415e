import { readFileSync } from 'node:fs';

/** Name of the variable that hands the test processes the file below. */
export const SERVERS_FILE_VARIABLE = 'KEYSTONE_TEST_SERVERS_FILE';

/** Chain id of the chain that the whole test run shares. */
export const TEST_CHAIN_ID = 31_337;

/** The servers that jest's global setup started for this run. */
export interface TestServers {
  /** Owner's connection string of the maintenance database. */
  readonly postgresUrl: string;
  /** host:port of the gRPC frontend; the namespace is `default`. */
  readonly temporalAddress: string;
  /** JSON-RPC of a chain with `TEST_CHAIN_ID` and a block per second, shared by all tests: use a fresh wallet (`createFundedWallet`). */
  readonly anvilUrl: string;
}

/** What the setup also hands to the other files of this folder. */
export interface TestServersFile extends TestServers {
  /** A migrated, empty database that new ones are copied from. */
  readonly templateDatabase: string;
  /** Passwords of the two logins: roles belong to the whole server, so all databases share them. */
  readonly passwords: { readonly api: string; readonly worker: string };
}

/** @throws Error when the run was started without servers. */
export function getTestServers(): TestServers {
  return readServersFile();
}

export function readServersFile(): TestServersFile {
  const file = process.env[SERVERS_FILE_VARIABLE];
  if (file === undefined || file === '') {
    throw new Error('this test needs servers: run it through jest without KEYSTONE_TEST_SERVERS=none');
  }
  return JSON.parse(readFileSync(file, 'utf8')) as TestServersFile;
}
