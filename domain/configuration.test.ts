import { describe, expect, it } from '@jest/globals';

import { parseConfiguration, signerKeysOf, workerConfigurationSchema } from './configuration.ts';

const ADDRESS = `0x${'11'.repeat(20)}`;
const KEY = `0x${'ab'.repeat(32)}`;
const SECRET_URL = 'http://127.0.0.1:8545/v3/secret-key';

const coordinator = {
  kind: 'coordinator',
  chain_id: 11155111,
  rpc_urls: ['http://127.0.0.1:8545'],
  escrow: ADDRESS,
  deployment_block: 0,
  coordinator: ADDRESS,
  registry: ADDRESS,
  attester_sets: {},
};

const environment = (chain: object = {}): Record<string, string | undefined> => ({
  DATABASE_URL: 'postgres://127.0.0.1/keystone',
  KEYSTONE_CHAINS: JSON.stringify([{ ...coordinator, ...chain }]),
  KEYSTONE_SIGNING_KEY_FILE: 'seed.hex',
  ENGINE_PRIVATE_KEY: KEY,
  ORACLE_KMS_KEY_ID: 'arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  RELAYER_PRIVATE_KEY: KEY,
});

const parse = (variables: Record<string, string | undefined>) =>
  parseConfiguration(workerConfigurationSchema, variables);
const problemOf = (variables: Record<string, string | undefined>): string => {
  try {
    parse(variables);
  } catch (error) {
    return (error as Error).message;
  }
  return 'none';
};

describe('the key of a role', () => {
  it('is a private key or the name of one in the key management service', () => {
    expect(signerKeysOf(parse(environment()))).toMatchObject({
      engine: { kind: 'local', privateKey: KEY },
      oracle: { kind: 'kms' },
      relayer: { kind: 'local' },
    });
  });

  it('is not given twice and not left out, and every role that is wrong is told at once, beside other problems', () => {
    const text = problemOf({
      ...environment(),
      ENGINE_KMS_KEY_ID: 'alias/engine',
      RELAYER_PRIVATE_KEY: undefined,
      KEYSTONE_SIGNING_KEY_FILE: '',
    });
    expect(text).toContain('exactly one of ENGINE_PRIVATE_KEY and ENGINE_KMS_KEY_ID');
    expect(text).toContain('exactly one of RELAYER_PRIVATE_KEY and RELAYER_KMS_KEY_ID');
    expect(text).toContain('KEYSTONE_SIGNING_KEY_FILE');
    expect(text).not.toContain('ORACLE');
  });

  it('is never part of a message', () => {
    const text = problemOf({ ...environment(), ENGINE_PRIVATE_KEY: `${KEY}ff` });
    expect(text).toContain('ENGINE_PRIVATE_KEY');
    expect(text).not.toContain('abab');
  });
});

describe('an entry of a chain', () => {
  it('takes amounts as decimal text', () => {
    const [chain] = parse(environment({ minimum_tip_wei: '1000', low_balance_wei: '0' })).KEYSTONE_CHAINS;
    expect(chain).toMatchObject({ minimum_tip_wei: '1000', low_balance_wei: '0' });
  });

  it.each([
    [{ low_balance_wei: '1e18' }, 'amount of wei'],
    [{ minimum_tip_wei: '01' }, 'amount of wei'],
    [{ message_fee_budget_wei: 5 }, 'string'],
    [{ rpc_urls: [SECRET_URL, SECRET_URL] }, 'names a node twice'],
    [{ minimum_nodes: 2 }, 'wants more nodes than it names'],
    [{ rpc_urls: [] }, 'rpc_urls'],
  ])('with %j is refused', (chain, reason) => {
    const text = problemOf(environment(chain));
    expect(text).toContain(reason);
    expect(text).not.toContain('secret-key');
  });

  it('may have its nodes replaced by the environment, by the same rules', () => {
    const replaced = parse({ ...environment(), RPC_URL_11155111: 'http://127.0.0.1:1, http://127.0.0.1:2' });
    expect(replaced.KEYSTONE_CHAINS[0]?.rpc_urls).toEqual(['http://127.0.0.1:1', 'http://127.0.0.1:2']);
    const twice = problemOf({ ...environment(), RPC_URL_11155111: `${SECRET_URL},${SECRET_URL}` });
    expect(twice).toContain('RPC_URL_11155111');
    expect(twice).not.toContain('secret-key');
    const pair = { rpc_urls: ['http://127.0.0.1:1', 'http://127.0.0.1:2'], minimum_nodes: 2 };
    expect(problemOf({ ...environment(pair), RPC_URL_11155111: 'http://127.0.0.1:1' })).toContain('more nodes');
  });
});
