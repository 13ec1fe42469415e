import { parseArgs } from 'node:util';

import { isUuid, type Uuid } from '../../domain/ids.ts';
import { UsageError } from '../usage.ts';
import { RECOVER_LIMITS } from './limits.ts';

export const ACTIONS = [
  'refund',
  'timeout',
  'execute',
  'vote',
  'open',
  'decision',
  'withdraw',
  'release',
  'sign-release',
] as const;
export type Action = (typeof ACTIONS)[number];

export interface RecoverArguments {
  readonly settlementId: Uuid;
  /** Nodes by chain id. */
  readonly rpc: ReadonlyMap<number, readonly string[]>;
  readonly coordinator: { readonly chainId: number; readonly coordinator: string } | undefined;
  /** File that says where the contracts are. */
  readonly addresses: string | undefined;
  /** File with the terms. */
  readonly terms: string | undefined;
  readonly fromBlock: ReadonlyMap<number, number>;
  readonly action: Action | undefined;
  readonly chainId: number | undefined;
  readonly keyFile: string | undefined;
  readonly outcome: 'pay' | 'refund' | undefined;
  readonly signatures: string | undefined;
  /** Wei; a message that costs more is not sent. */
  readonly maximumFeeWei: bigint | undefined;
  readonly json: boolean;
}

const OPTIONS = {
  rpc: { type: 'string', multiple: true },
  coordinator: { type: 'string' },
  addresses: { type: 'string' },
  terms: { type: 'string' },
  'from-block': { type: 'string', multiple: true },
  do: { type: 'string' },
  chain: { type: 'string' },
  'key-file': { type: 'string' },
  outcome: { type: 'string' },
  signatures: { type: 'string' },
  'max-fee': { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** Options that act; `keystone inspect` only looks. */
const ACTING = ['do', 'chain', 'key-file', 'outcome', 'signatures', 'max-fee'] as const;

/** @throws UsageError */
export function readRecoverArguments(args: readonly string[], onlyLooks: boolean): RecoverArguments {
  const { values, positionals } = parse(args);
  const acting = ACTING.find((name) => values[name] !== undefined);
  if (onlyLooks && acting !== undefined) throw new UsageError(`inspect only looks; --${acting} belongs to recover`);
  const [settlement = '', ...more] = positionals;
  const settlementId = settlement.toLowerCase();
  if (!isUuid(settlementId) || more.length > 0) throw new UsageError('one settlement id (a UUID) is wanted');
  const action = values.do === undefined ? undefined : oneOf(ACTIONS, values.do, '--do');
  const outcome =
    values.outcome === undefined ? undefined : oneOf(['pay', 'refund'] as const, values.outcome, '--outcome');
  if (action === undefined && (values['key-file'] ?? values.outcome ?? values.signatures) !== undefined) {
    throw new UsageError('--key-file, --outcome and --signatures belong to --do');
  }
  if (isRelease(action) !== (outcome !== undefined)) {
    throw new UsageError('--outcome pay|refund goes with --do release and --do sign-release, and only with them');
  }
  if (action === 'sign-release' && values['key-file'] === undefined)
    throw new UsageError('sign-release wants --key-file');
  return {
    settlementId,
    rpc: readRpc(values.rpc ?? []),
    coordinator: values.coordinator === undefined ? undefined : readCoordinator(values.coordinator),
    addresses: values.addresses,
    terms: values.terms,
    fromBlock: new Map(
      (values['from-block'] ?? []).map((text) => perChain(text, '--from-block', /^[0-9]{1,15}$/, Number)),
    ),
    action,
    chainId: values.chain === undefined ? undefined : readChainId(values.chain),
    keyFile: values['key-file'],
    outcome,
    signatures: values.signatures,
    maximumFeeWei: values['max-fee'] === undefined ? undefined : readWei(values['max-fee']),
    json: values.json ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function isRelease(action: Action | undefined): boolean {
  return action === 'release' || action === 'sign-release';
}

function oneOf<Value extends string>(allowed: readonly Value[], given: string, option: string): Value {
  const found = allowed.find((value) => value === given);
  if (found === undefined) throw new UsageError(`${option} is one of ${allowed.join(', ')}`);
  return found;
}

function readRpc(given: readonly string[]): ReadonlyMap<number, readonly string[]> {
  const rpc = new Map<number, string[]>();
  for (const text of given) {
    const [chainId, url] = perChain(text, '--rpc', /^https?:\/\/.+$/, String);
    if (!URL.canParse(url)) throw new UsageError('--rpc wants <chain id>=URL, for example 43113=http://127.0.0.1:8546');
    const nodes = [...(rpc.get(chainId) ?? []), url];
    if (nodes.length > RECOVER_LIMITS.nodesPerChain) throw new UsageError('at most four nodes for one chain');
    rpc.set(chainId, nodes);
  }
  if (rpc.size === 0) throw new UsageError('at least one --rpc <chain id>=URL is wanted');
  if (rpc.size > RECOVER_LIMITS.chains) throw new UsageError(`at most ${RECOVER_LIMITS.chains} chains`);
  return rpc;
}

/** `<chain id>=<value>`; the message never repeats the value, which may hold an access key. */
function perChain<Value>(
  text: string,
  option: string,
  pattern: RegExp,
  read: (value: string) => Value,
): readonly [number, Value] {
  const [, chain = '', value = ''] = /^(?:eip155:)?([1-9][0-9]{0,14})=(.+)$/s.exec(text) ?? [];
  if (chain === '' || !pattern.test(value)) throw new UsageError(`${option} wants <chain id>=<value>`);
  return [Number(chain), read(value)];
}

function readCoordinator(text: string): { chainId: number; coordinator: string } {
  const [chainId, coordinator] = perChain(text, '--coordinator', /^0x[0-9a-fA-F]{40}$/, (value) => value.toLowerCase());
  return { chainId, coordinator };
}

function readChainId(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw new UsageError('--chain wants a chain id');
  return Number(text);
}

function readWei(text: string): bigint {
  if (!/^[0-9]{1,30}$/.test(text)) throw new UsageError('--max-fee wants wei');
  return BigInt(text);
}
