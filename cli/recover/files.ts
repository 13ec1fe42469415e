import { open } from 'node:fs/promises';

import { type SettlementTerms, termsFromJson } from '../../chain/terms.ts';
import { type Uuid, uuidToBytes32 } from '../../domain/ids.ts';
import { UsageError } from '../usage.ts';
import { RECOVER_LIMITS } from './limits.ts';

/** What files say: where the contracts are, and under which terms. Whatever they say is compared with the chain before it is used. */

export interface CoordinatorPlace {
  readonly chainId: number;
  /** Lower case. */
  readonly coordinator: string;
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;
const PRIVATE_KEY = /^(?:0x)?[0-9a-fA-F]{64}$/;
/** Bits of a file's mode that let anybody but its owner in. */
const OTHERS = 0o077;
const DEPTH = 32;

/** Text of a file. @throws UsageError when it cannot be read, is no plain file, or is too large. */
export async function readFileText(file: string, what: string): Promise<string> {
  const text = await readIfThere(file);
  if (text === undefined) throw new UsageError(`${what} ${file} cannot be read, or is too large`);
  return text;
}

/** Undefined when the file is not there, cannot be read, or is too large. */
export async function readIfThere(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r').catch(() => undefined); // Absent or unreadable: the caller says which file.
  if (handle === undefined) return undefined;
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size > RECOVER_LIMITS.fileBytes) return undefined;
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/**
 * The private key in a file of its owner's, with nothing else in it: 64 hexadecimal digits. @throws UsageError for a file that others may read, since
 * then the key is not only its owner's. No message repeats what the file holds.
 */
export async function readPrivateKey(file: string): Promise<string> {
  const handle = await open(file, 'r').catch(() => {
    throw new UsageError(`the key file ${file} cannot be read`);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new UsageError(`the key file ${file} is not a plain file`);
    if ((stat.mode & OTHERS) !== 0) throw new UsageError(`others may read the key file ${file}: chmod 600 it`);
    if (stat.size > 4_096) throw new UsageError(`the key file ${file} is too large for a key`);
    const text = (await handle.readFile('utf8')).trim();
    if (!PRIVATE_KEY.test(text)) throw new UsageError(`the key file ${file} does not hold 64 hexadecimal digits`);
    return text.startsWith('0x') ? text : `0x${text}`;
  } finally {
    await handle.close();
  }
}

/** Every coordinator that a document names: a file of trusted keys, a pack, an answer of the API. @throws UsageError when it is not JSON. */
export function coordinatorsIn(text: string, file: string): CoordinatorPlace[] {
  const found = new Map<string, CoordinatorPlace>();
  for (const object of objectsIn(parseJson(text, file))) {
    const { coordinator } = object;
    const nested = isObject(coordinator) ? coordinator : { chain_id: object['chain_id'], address: coordinator };
    const chainId = chainIdOf(nested['chain_id']);
    const { address } = nested;
    if (chainId === undefined || typeof address !== 'string' || !ADDRESS.test(address)) continue;
    found.set(`${chainId}:${address.toLowerCase()}`, { chainId, coordinator: address.toLowerCase() });
  }
  return [...found.values()];
}

/** The first terms of the settlement that a document holds: terms alone, an answer of `deposit-info`, a pack. @throws UsageError when it is not JSON. */
export function termsIn(text: string, file: string, settlementId: Uuid): SettlementTerms | undefined {
  const wanted = uuidToBytes32(settlementId);
  const json = objectsIn(parseJson(text, file)).find(
    (object) =>
      object['settlement_id'] === wanted && Array.isArray(object['party_hashes']) && Array.isArray(object['legs']),
  );
  return json === undefined ? undefined : termsFromJson(json);
}

/** Signatures by wallet: `{"0x<wallet>": "0x<signature>"}`. @throws UsageError */
export function signaturesIn(text: string, file: string): ReadonlyMap<string, string> {
  const document = parseJson(text, file);
  if (!isObject(document)) throw new UsageError(`${file} is not an object of signatures by wallet`);
  return new Map(
    Object.entries(document).map(([wallet, signature]) => {
      if (!ADDRESS.test(wallet) || typeof signature !== 'string' || !/^0x(?:[0-9a-fA-F]{2})+$/.test(signature)) {
        throw new UsageError(`${file}: a signature is {"0x<wallet>": "0x<signature>"}`);
      }
      return [wallet.toLowerCase(), signature] as const;
    }),
  );
}

type JsonRecord = Readonly<Record<string, unknown>>;

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text.
    throw new UsageError(`${file} is not JSON`);
  }
}

/** Objects in a document, outer ones first. The file's size bounds their number. */
function objectsIn(value: unknown, depth = 0): JsonRecord[] {
  if (depth > DEPTH || typeof value !== 'object' || value === null) return [];
  const inner = Object.values(value).flatMap((member: unknown) => objectsIn(member, depth + 1));
  return isObject(value) ? [value, ...inner] : inner;
}

function isObject(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A number, or CAIP-2. */
function chainIdOf(value: unknown): number | undefined {
  const digits = typeof value === 'string' ? /^(?:eip155:)?([1-9][0-9]{0,14})$/.exec(value)?.[1] : undefined;
  const number = typeof value === 'number' ? value : Number(digits);
  return Number.isSafeInteger(number) && number > 0 ? number : undefined;
}
