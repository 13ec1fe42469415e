import { encodeRlp, keccak256 } from 'ethers';

/**
 * The hash of a block's header from its fields as a node states them. Whoever knows the hash then knows that none of them was changed: the bloom
 * and the receipts' root above all. Formats: Ethereum Yellow Paper §4.3 with EIP-1559, 4895, 4844, 4788 and 7685; Avalanche's C-Chain has three fields
 * of its own.
 */

type Kind = 'bytes' | 'quantity';
type Field = readonly [name: string, kind: Kind];

const FRONTIER: readonly Field[] = [
  ['parentHash', 'bytes'],
  ['sha3Uncles', 'bytes'],
  ['miner', 'bytes'],
  ['stateRoot', 'bytes'],
  ['transactionsRoot', 'bytes'],
  ['receiptsRoot', 'bytes'],
  ['logsBloom', 'bytes'],
  ['difficulty', 'quantity'],
  ['number', 'quantity'],
  ['gasLimit', 'quantity'],
  ['gasUsed', 'quantity'],
  ['timestamp', 'quantity'],
  ['extraData', 'bytes'],
  ['mixHash', 'bytes'],
  ['nonce', 'bytes'],
];
const CANCUN: readonly Field[] = [
  ['blobGasUsed', 'quantity'],
  ['excessBlobGas', 'quantity'],
  ['parentBeaconBlockRoot', 'bytes'],
];
/** Each fork appended its fields, so a header has a beginning of the list. */
const LAYOUTS: readonly (readonly Field[])[] = [
  [...FRONTIER, ['baseFeePerGas', 'quantity'], ['withdrawalsRoot', 'bytes'], ...CANCUN, ['requestsHash', 'bytes']],
  [
    ...FRONTIER,
    ['extDataHash', 'bytes'],
    ['baseFeePerGas', 'quantity'],
    ['extDataGasUsed', 'quantity'],
    ['blockGasCost', 'quantity'],
    ...CANCUN,
  ],
];

/** Whether the fields of a header, as JSON-RPC states them, hash to the hash that it states. False also for a format that is not known here. */
export function hashesToItsName(header: Readonly<Record<string, unknown>>): boolean {
  const { hash } = header;
  return typeof hash === 'string' && LAYOUTS.some((layout) => hashOf(header, layout) === hash.toLowerCase());
}

function hashOf(header: Readonly<Record<string, unknown>>, layout: readonly Field[]): string | undefined {
  const fields: string[] = [];
  for (const [name, kind] of layout) {
    const value = header[name];
    if (value === undefined || value === null) break;
    if (typeof value !== 'string' || !/^0x[0-9a-fA-F]*$/.test(value)) return undefined;
    fields.push(kind === 'bytes' ? value : quantity(value));
  }
  const isWhole = fields.length >= FRONTIER.length && fields.every((field) => field.length % 2 === 0);
  return isWhole ? keccak256(encodeRlp(fields)) : undefined;
}

/** RLP writes quantities without leading zeroes, and zero as nothing. */
function quantity(value: string): string {
  const digits = value.slice(2).replace(/^0+/, '');
  return `0x${digits.length % 2 === 0 ? digits : `0${digits}`}`;
}
