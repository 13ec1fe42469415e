import { Interface, JsonRpcProvider } from 'ethers';

import { keystoneEscrowAbi } from '../../contracts/generated/abi.ts';
import { bytes32ToUuid } from '../../domain/ids.ts';
import type { StackChain } from '../../dev/stack-file.ts';
import type { EndToEndStack } from './stack.ts';

/**
 * How often each event of a chain's escrow was logged, by settlement and leg: read from the chain itself, not from our tables. The
 * coordinator's chain unless another one is named.
 */
export async function escrowEvents(
  stack: EndToEndStack,
  chain: StackChain = stack.context.chain,
): Promise<Map<string, number>> {
  const provider = new JsonRpcProvider(chain.rpc_url);
  try {
    const escrow = new Interface(keystoneEscrowAbi);
    const logs = await provider.getLogs({ address: chain.contracts.escrow, fromBlock: 0, toBlock: 'latest' });
    const counts = new Map<string, number>();
    for (const log of logs) {
      const parsed = escrow.parseLog(log);
      if (parsed === null || !parsed.args['settlementId']) continue;
      const leg = parsed.args['legIndex'] === undefined ? '' : `:${String(parsed.args['legIndex'])}`;
      const key = `${bytes32ToUuid(String(parsed.args['settlementId']))}:${parsed.name}${leg}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return counts;
  } finally {
    provider.destroy();
  }
}
