import { describe, expect, it } from '@jest/globals';

import { checkDeployer, parseDeployment } from './configuration.ts';

const account = (digit: number): string => `0x${digit.toString(16).padStart(2, '0').repeat(20)}`;

function plain() {
  const layerZero = {
    endpoint: account(1),
    send_library: account(2),
    receive_library: account(3),
    executor: account(4),
    verifiers: [account(5), account(6)],
    finality_blocks: 64,
    confirmations: 64,
  };
  return {
    chains: [
      {
        kind: 'coordinator',
        chain_id: 1,
        endpoint_id: 30_101,
        ...layerZero,
        roles: { admin: account(10), engine: account(11), pauser: account(12) } as Record<string, string>,
      },
      {
        kind: 'remote',
        chain_id: 2,
        endpoint_id: 30_102,
        ...layerZero,
        roles: { admin: account(10), pauser: account(12) } as Record<string, string>,
      },
    ],
    attester_sets: { default: { attesters: [account(13)], threshold: 1 } } as Record<string, unknown>,
    set_delay_seconds: 172_800,
    message_grace_seconds: 3_600,
    max_message_size: 1_000,
  };
}
type Plain = ReturnType<typeof plain>;

/** The first chain with something else. */
function first(change: Partial<Plain['chains'][number]>): (configuration: Plain) => unknown {
  return (configuration) => ({
    ...configuration,
    chains: configuration.chains.map((chain, index) => (index === 0 ? { ...chain, ...change } : chain)),
  });
}

describe('the configuration of a deployment', () => {
  it('may give one role to one account on every chain', () => {
    expect(parseDeployment(plain()).chains).toHaveLength(2);
  });

  it.each<[string, (configuration: Plain) => unknown, RegExp]>([
    [
      'the engine who is the admin as well',
      first({ roles: { admin: account(10), engine: account(10), pauser: account(12) } }),
      /admin and engine/,
    ],
    [
      'the pauser who is the engine as well',
      first({ roles: { admin: account(10), engine: account(11), pauser: account(11) } }),
      /engine and pauser/,
    ],
    [
      'a creator who is named and is the engine',
      first({ roles: { admin: account(10), creator: account(11), engine: account(11), pauser: account(12) } }),
      /creator and engine/,
    ],
    [
      'an attester who is the engine',
      (c) => ({ ...c, attester_sets: { default: { attesters: [account(11)], threshold: 1 } } }),
      /engine and attester/,
    ],
    [
      'an engine who is the pauser of another chain',
      first({ roles: { admin: account(10), engine: account(12), pauser: account(14) } }),
      /engine and pauser/,
    ],
    [
      'fewer confirmations than blocks to finality',
      first({ confirmations: 63 }),
      /63 confirmations are fewer than the 64 blocks/,
    ],
    ['one verifier alone', first({ verifiers: [account(5)] }), /verifiers/],
    ['a verifier who is named twice', first({ verifiers: [account(5), account(5)] }), /a verifier is named twice/],
    [
      'verifiers on one chain that another lacks',
      first({ verifiers: [account(5), account(6), account(7)] }),
      /as many of them/,
    ],
    [
      'two coordinators',
      (c) => ({ ...c, chains: [...c.chains, { ...c.chains[0], chain_id: 3, endpoint_id: 3 }] }),
      /exactly one coordinator/,
    ],
    ['a chain that is named twice', (c) => ({ ...c, chains: [...c.chains, c.chains[1]] }), /a chain is named twice/],
    ['no default attester set', (c) => ({ ...c, attester_sets: {} }), /attester set `default`/],
    [
      'a threshold that nobody can reach',
      (c) => ({ ...c, attester_sets: { default: { attesters: [account(13)], threshold: 2 } } }),
      /threshold/,
    ],
    ['the zero address', first({ executor: account(0) }), /zero address/],
    ['a secret that has no place in it', (c) => ({ ...c, private_key: '0x01' }), /private_key/],
  ])('refuses %s', (_case, change, message) => {
    expect(() => parseDeployment(change(plain()))).toThrow(message);
  });

  it('refuses a deployer who holds a role or attests', () => {
    const configuration = parseDeployment(plain());
    for (const index of [10, 11, 12, 13]) {
      expect(() => checkDeployer(configuration, account(index))).toThrow(/use another account/);
    }
    expect(() => checkDeployer(configuration, account(20))).not.toThrow();
  });
});
