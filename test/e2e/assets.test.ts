import { afterAll, describe, expect, it } from '@jest/globals';
import { Contract, Interface, JsonRpcProvider } from 'ethers';

import { kdeedAbi, kfundAbi } from '../../contracts/generated/abi.ts';
import type { Participant } from '../../dev/demo-trade.ts';
import type { StackChain } from '../../dev/stack-file.ts';
import { confirm, depositBoth, legsOf, propose, reach } from './scenario.ts';
import { type EndToEndStack, startEndToEndStack } from './stack.ts';

/** Assets other than ERC-20: a deed that exists once, and a fund whose units live in partitions. */
const starting = startEndToEndStack();
afterAll(async () => (await starting).close(), 60_000);

const SLOW = 240_000;

async function ask(chain: StackChain, token: string, abi: readonly unknown[], name: string, ...values: unknown[]) {
  const provider = new JsonRpcProvider(chain.rpc_url);
  try {
    return (await new Contract(token, abi as never, provider).getFunction(name)(...values)) as unknown;
  } finally {
    provider.destroy();
  }
}

/** The test tokens mint to anybody. */
async function mint(owner: Participant, token: string, abi: readonly unknown[], ...values: unknown[]): Promise<void> {
  const data = new Interface(abi as never).encodeFunctionData('mint', values);
  await owner.wallet.send([{ purpose: 'mint', to: token, data, value: '0' }]);
}

/** The seller's asset leg against cash. */
async function settleAgainstCash(stack: EndToEndStack, asset: object): Promise<string> {
  const [, cash] = legsOf(stack.context.chain.tokens);
  const leg = { leg_type: 'asset_delivery', direction: 'deliver', party_role: 'seller', ...asset };
  const { id } = await propose(stack, { legs: [leg, cash as object] });
  await confirm(stack, id);
  await reach(stack, id, 'AWAITING_DEPOSITS', 120_000);
  await depositBoth(stack, id);
  await reach(stack, id, 'FINALIZED', 120_000);
  return id;
}

describe('an asset that is not an ERC-20', () => {
  it.concurrent(
    'that exists once (ERC-721) changes its owner against cash',
    async () => {
      const stack = await starting;
      const { chain } = stack.context;
      const tokenId = String(Date.now());
      await mint(stack.seller, chain.tokens.KDEED, kdeedAbi, stack.seller.wallet.address, tokenId);
      await settleAgainstCash(stack, {
        instrument_id: chain.tokens.KDEED,
        quantity: '1',
        token_standard: 'ERC-721',
        token_id: tokenId,
      });
      expect(await ask(chain, chain.tokens.KDEED, kdeedAbi, 'ownerOf', tokenId)).toBe(stack.buyer.wallet.address);
    },
    SLOW,
  );

  it.concurrent(
    'that lives in partitions (ERC-1400) moves within its partition against cash',
    async () => {
      const stack = await starting;
      const { chain } = stack.context;
      const partition = `0x${'0a'.repeat(32)}`;
      await mint(stack.seller, chain.tokens.KFUND, kfundAbi, partition, stack.seller.wallet.address, 10n ** 18n);
      await settleAgainstCash(stack, {
        instrument_id: chain.tokens.KFUND,
        quantity: '1',
        token_standard: 'ERC-1400',
        partition,
      });
      const wallet = stack.buyer.wallet.address;
      expect(await ask(chain, chain.tokens.KFUND, kfundAbi, 'balanceOfByPartition', partition, wallet)).toBe(
        10n ** 18n,
      );
    },
    SLOW,
  );
});
