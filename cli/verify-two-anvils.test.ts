import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type TwoChains, startTwoChains } from '../chain/testing/two-chains.ts';
import {
  type ChainReaders,
  type Pack,
  type TrustedKeysFile,
  type VerificationReport,
  evmChainId,
  generateSigningKey,
  publicKeyOf,
  trustedKeysFile,
  verifyPack,
} from '../keystone/pack.ts';
import { createJsonRpcReader } from './json-rpc.ts';
import { prepareTrade, settle } from './verify-anvil-trade.ts';

const SETUP_MS = 240_000;
const TEST_MS = 60_000;

/** The whole way against the real contracts on two chains, with LayerZero's endpoints between them. */
describe('a settlement across two chains by the real contracts', () => {
  const key = generateSigningKey();
  let two: TwoChains;
  let pack: Pack;
  let trusted_keys: TrustedKeysFile;
  let readers: ChainReaders;

  beforeAll(async () => {
    two = await startTwoChains();
    const { home, remote } = two;
    pack = await settle(await prepareTrade(two), key);
    const lower = (address: string): string => address.toLowerCase();
    trusted_keys = trustedKeysFile(
      [{ ...publicKeyOf(key), name: 'orchestrator' }],
      [
        {
          chain_id: evmChainId(home.chainId),
          coordinator: lower(home.chain.coordinator),
          registry: lower(home.chain.registry),
          escrow: lower(home.chain.escrow),
        },
        {
          chain_id: evmChainId(remote.chainId),
          gateway: lower(remote.chain.gateway),
          escrow: lower(remote.chain.escrow),
        },
      ],
    );
    readers = {
      [evmChainId(home.chainId)]: createJsonRpcReader(home.url),
      [evmChainId(remote.chainId)]: createJsonRpcReader(remote.url),
    };
  }, SETUP_MS);

  afterAll(async () => {
    await two.stop();
  });

  async function refuted(change: (pack: Pack) => unknown): Promise<string[]> {
    const report: VerificationReport = await verifyPack(JSON.stringify(change(structuredClone(pack))), {
      trusted_keys,
      readers,
    });
    return report.checks.filter((check) => check.status === 'refuted').map((check) => check.name);
  }

  it(
    'verifies with every check proved, both chains read over JSON-RPC and both deployments pinned',
    async () => {
      const report = await verifyPack(JSON.stringify(pack), { trusted_keys, readers });
      expect(report.checks.filter((check) => check.status !== 'proved')).toEqual([]);
      expect([report.verdict, report.exit_code]).toEqual(['valid', 0]);
    },
    TEST_MS,
  );

  it(
    'is refuted when the evidence of a chain points at another log of the same transaction',
    async () => {
      const names = await refuted((forged) => {
        const [remote] = forged.onchain_verification.remotes ?? [];
        Object.assign(remote?.executed ?? {}, { log_index: (remote?.executed.log_index ?? 0) - 1 });
        return forged;
      });
      expect(names).toContain(`on chain: ${evmChainId(two.remote.chainId)} executed`);
    },
    TEST_MS,
  );

  it(
    'is refuted when a remote payout is said to have been made at home',
    async () => {
      const names = await refuted((forged) => {
        const payouts = forged.onchain_verification.payouts ?? [];
        Object.assign(payouts.find((payout) => payout.leg_index === 1) ?? {}, {
          chain_id: evmChainId(two.home.chainId),
        });
        return forged;
      });
      expect(names).toEqual(
        expect.arrayContaining(['settled legs name the recorded payouts', 'on chain: leg 1 paid out']),
      );
    },
    TEST_MS,
  );
});
