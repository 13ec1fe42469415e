import { checkedBaseUrl } from './adapter.ts';
import { createCipherOwlProvider } from './cipherowl.ts';
import {
  CIPHEROWL_REQUESTS_PER_SECOND,
  SANDBOX_REQUESTS_PER_SECOND,
  WORLD_CHECK_REQUESTS_PER_SECOND,
} from './limits.ts';
import { createLsegProvider } from './lseg.ts';
import type { ScreeningProvider } from './provider.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ScreeningProviders {
  entity: ScreeningProvider;
  wallet: ScreeningProvider;
}

/** Names the variable, never its value: half of them are secrets. */
export class EnvironmentInvalid extends Error {
  override readonly name = 'EnvironmentInvalid';
}

function required(env: Environment, name: string): string {
  const value = env[name];
  if (value === undefined || value === '') throw new EnvironmentInvalid(`${name} is not set`);
  return value;
}

function address(env: Environment, name: string): string {
  const value = required(env, name);
  try {
    checkedBaseUrl(name, value);
  } catch (error) {
    throw new EnvironmentInvalid(error instanceof Error ? error.message : `${name} is not an address`);
  }
  return value;
}

/** Real unless somebody says otherwise: a sandbox taken for a provider must not come from a forgotten variable. */
function flag(env: Environment, name: string): boolean {
  const value = env[name] ?? '';
  if (value === '' || value === 'false' || value === '0') return false;
  if (value === 'true' || value === '1') return true;
  throw new EnvironmentInvalid(`${name} is neither true nor false`);
}

function requestsPerSecond(env: Environment, name: string, simulated: boolean, standard: number): number {
  const text = env[name] ?? '';
  if (text === '') return simulated ? SANDBOX_REQUESTS_PER_SECOND : standard;
  const value = Number(text);
  if (!(value > 0 && value <= SANDBOX_REQUESTS_PER_SECOND)) throw new EnvironmentInvalid(`${name} is out of range`);
  return value;
}

/**
 * The two providers of a process. Variables: `LSEG_BASE_URL`, `LSEG_API_KEY`, `LSEG_API_SECRET`, `LSEG_GROUP_ID`,
 * `LSEG_SIMULATED`, `CIPHEROWL_BASE_URL`, `CIPHEROWL_CLIENT_ID`, `CIPHEROWL_CLIENT_SECRET`, `CIPHEROWL_AUDIENCE`,
 * `CIPHEROWL_CONFIG`, `CIPHEROWL_SIMULATED`; optional `LSEG_REQUESTS_PER_SECOND`, `CIPHEROWL_REQUESTS_PER_SECOND`.
 * @throws EnvironmentInvalid naming the variable; TypeError for values that do not go together.
 */
export function createProvidersFromEnvironment(env: Environment): ScreeningProviders {
  const lsegSimulated = flag(env, 'LSEG_SIMULATED');
  const cipherOwlSimulated = flag(env, 'CIPHEROWL_SIMULATED');
  const lsegRate = WORLD_CHECK_REQUESTS_PER_SECOND;
  const cipherOwlRate = CIPHEROWL_REQUESTS_PER_SECOND;
  return {
    entity: createLsegProvider({
      baseUrl: address(env, 'LSEG_BASE_URL'),
      apiKey: required(env, 'LSEG_API_KEY'),
      apiSecret: required(env, 'LSEG_API_SECRET'),
      groupId: required(env, 'LSEG_GROUP_ID'),
      simulated: lsegSimulated,
      requestsPerSecond: requestsPerSecond(env, 'LSEG_REQUESTS_PER_SECOND', lsegSimulated, lsegRate),
    }),
    wallet: createCipherOwlProvider({
      baseUrl: address(env, 'CIPHEROWL_BASE_URL'),
      clientId: required(env, 'CIPHEROWL_CLIENT_ID'),
      clientSecret: required(env, 'CIPHEROWL_CLIENT_SECRET'),
      audience: required(env, 'CIPHEROWL_AUDIENCE'),
      config: required(env, 'CIPHEROWL_CONFIG'),
      simulated: cipherOwlSimulated,
      requestsPerSecond: requestsPerSecond(env, 'CIPHEROWL_REQUESTS_PER_SECOND', cipherOwlSimulated, cipherOwlRate),
    }),
  };
}
