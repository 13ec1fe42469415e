import { concat, encodeRlp, getBytes, keccak256, type RlpStructuredData, toBeHex } from 'ethers';

/**
 * What a block's header says about the logs in it: the root of the trie of its receipts, and a bloom filter over addresses and topics. Formats: Ethereum
 * Yellow Paper §4.3.1 (receipts, bloom) and appendices C (hex prefix) and D (trie); EIP-2718 (typed receipts).
 */

export interface ReceiptLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
}

export interface ReceiptContent {
  /** EIP-2718 transaction type; 0 is a legacy one. */
  readonly type: number;
  readonly succeeded: boolean;
  readonly cumulativeGasUsed: bigint;
  readonly logs: readonly ReceiptLog[];
}

/** Types whose receipts have exactly these four fields. Other chains' own types (deposits of a rollup, say) have more. */
const LARGEST_KNOWN_TYPE = 4;
const BLOOM_BYTES = 256;
const BLOOM_BITS = 3;

/** The receipts' root as it stands in the header; undefined when a receipt is of a type that only its own chain knows. */
export function receiptsRoot(receipts: readonly ReceiptContent[]): string | undefined {
  if (receipts.some((receipt) => receipt.type > LARGEST_KNOWN_TYPE)) return undefined;
  const items = receipts.map((receipt, index) => ({
    path: nibblesOf(encodeRlp(quantity(BigInt(index)))),
    value: encodeReceipt(receipt),
  }));
  return keccak256(items.length === 0 ? encodeRlp('0x') : encodeRlp(trieNode(items, 0)));
}

/** The bloom of logs, as hex of 256 bytes. */
export function bloomOf(logs: readonly ReceiptLog[]): string {
  const bloom = new Uint8Array(BLOOM_BYTES);
  for (const log of logs) {
    for (const entry of [log.address, ...log.topics]) {
      for (const { byte, mask } of bloomPositions(entry)) bloom[byte] = (bloom[byte] ?? 0) | mask;
    }
  }
  return `0x${Buffer.from(bloom).toString('hex')}`;
}

/** Whether a block with this bloom may hold a log with the address or topic. False is certain; true may be chance. */
export function mayContain(bloom: string, entry: string): boolean {
  const bytes = getBytes(bloom);
  return bloomPositions(entry).every(({ byte, mask }) => ((bytes[byte] ?? 0) & mask) !== 0);
}

function bloomPositions(entry: string): { byte: number; mask: number }[] {
  const hash = getBytes(keccak256(entry));
  return Array.from({ length: BLOOM_BITS }, (_, index) => {
    const bit = (((hash[2 * index] ?? 0) << 8) | (hash[2 * index + 1] ?? 0)) & 2047;
    return { byte: BLOOM_BYTES - 1 - (bit >> 3), mask: 1 << (bit & 7) };
  });
}

function encodeReceipt(receipt: ReceiptContent): string {
  const body = encodeRlp([
    receipt.succeeded ? '0x01' : '0x',
    quantity(receipt.cumulativeGasUsed),
    bloomOf(receipt.logs),
    receipt.logs.map((log) => [log.address, [...log.topics], log.data]),
  ]);
  return receipt.type === 0 ? body : concat([toBeHex(receipt.type, 1), body]);
}

/** RLP writes zero as no bytes at all. */
function quantity(value: bigint): string {
  return value === 0n ? '0x' : toBeHex(value);
}

interface TrieItem {
  readonly path: readonly number[];
  readonly value: string;
}

/** The node above these items, whose paths agree up to `depth`. No path is the beginning of another, so branches hold no values. */
function trieNode(items: readonly TrieItem[], depth: number): RlpStructuredData {
  const [first] = items;
  if (first === undefined) return '0x';
  if (items.length === 1) return [hexPrefix(first.path.slice(depth), true), first.value];
  const shared = sharedLength(items, depth);
  if (shared > 0) {
    return [hexPrefix(first.path.slice(depth, depth + shared), false), reference(trieNode(items, depth + shared))];
  }
  const branches = Array.from({ length: 16 }, (_, nibble) => {
    const below = items.filter((item) => item.path[depth] === nibble);
    return below.length === 0 ? '0x' : reference(trieNode(below, depth + 1));
  });
  return [...branches, '0x'];
}

function sharedLength(items: readonly TrieItem[], depth: number): number {
  const [first, ...rest] = items;
  const path = first?.path ?? [];
  let end = depth;
  while (end < path.length && rest.every((item) => item.path[end] === path[end])) end += 1;
  return end - depth;
}

/** Nodes shorter than a hash stand in their parent themselves. */
function reference(node: RlpStructuredData): RlpStructuredData {
  const encoded = encodeRlp(node);
  return (encoded.length - 2) / 2 < 32 ? node : keccak256(encoded);
}

function nibblesOf(hex: string): number[] {
  return Array.from(hex.slice(2), (digit) => Number.parseInt(digit, 16));
}

function hexPrefix(nibbles: readonly number[], isLeaf: boolean): string {
  const flag = (isLeaf ? 2 : 0) + (nibbles.length % 2);
  const padded = nibbles.length % 2 === 1 ? [flag, ...nibbles] : [flag, 0, ...nibbles];
  return `0x${padded.map((nibble) => nibble.toString(16)).join('')}`;
}
