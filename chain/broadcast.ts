import { type BroadcastAnswer, classifyBroadcastError } from './broadcast-answers.ts';
import type { Chain } from './provider.ts';
import { RpcError } from './rpc.ts';

export { type BroadcastAnswer, classifyBroadcastError } from './broadcast-answers.ts';

/** Sends signed bytes. Throws `chain_unavailable` when the node does not answer; the bytes may have arrived all the same. */
export async function broadcastRaw(chain: Chain, raw: string): Promise<BroadcastAnswer> {
  try {
    await chain.broadcast(raw);
    return { kind: 'accepted' };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return classifyBroadcastError(error.message);
  }
}
