import type { Chain } from './provider.ts';
import { RpcError } from './rpc.ts';

/** What a node said to signed bytes. */
export type BroadcastAnswer =
  /** In the pool, or there already. */
  | { readonly kind: 'accepted' }
  /** The nonce is used: by these bytes, by another version of them, or by somebody else. Receipts tell which. */
  | { readonly kind: 'nonce_expired' }
  | { readonly kind: 'without_funds' }
  /** A version with higher fees is in the pool, or the fees are too low for it now. Waiting or a replacement helps. */
  | { readonly kind: 'underpriced' }
  | { readonly kind: 'refused'; readonly reason: string };

/** Texts of geth, Erigon, Nethermind, Besu, Reth and anvil; there are no codes for these. */
const TEXTS: readonly (readonly [RegExp, Exclude<BroadcastAnswer['kind'], 'refused'>])[] = [
  [/already known|already imported|known transaction|already in (the )?(mem)?pool|alreadyknown/i, 'accepted'],
  [/nonce too low|nonce is too low|nonce too old|oldnonce|nonce.*already (been )?used|invalid nonce/i, 'nonce_expired'],
  [/insufficient (funds|balance)|insufficientfunds|upfront cost exceeds|not enough (funds|balance)/i, 'without_funds'],
  [/underpriced|fee too low|feetoolow|less than block base fee|max fee per gas/i, 'underpriced'],
];

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

export function classifyBroadcastError(message: string): BroadcastAnswer {
  const match = TEXTS.find(([pattern]) => pattern.test(message));
  return match === undefined ? { kind: 'refused', reason: message } : { kind: match[1] };
}
