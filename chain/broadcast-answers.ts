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

export function classifyBroadcastError(message: string): BroadcastAnswer {
  const match = TEXTS.find(([pattern]) => pattern.test(message));
  return match === undefined ? { kind: 'refused', reason: message } : { kind: match[1] };
}

/** The more an answer says about the bytes, the lower. 0: the node has them. */
const RANKS = [
  'accepted',
  'nonce_expired',
  'without_funds',
  'underpriced',
  'refused',
] as const satisfies readonly BroadcastAnswer['kind'][];

/** Rank of what a broadcast threw; a node that did not answer comes last. */
export function broadcastRank(error: unknown): number {
  return error instanceof RpcError ? RANKS.indexOf(classifyBroadcastError(error.message).kind) : RANKS.length;
}
