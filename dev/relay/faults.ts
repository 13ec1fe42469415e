import { createHash } from 'node:crypto';

import { z } from 'zod';

import { MESSAGE_NAMES, type Packet } from './packet.ts';

/** Rules by which the relay misbehaves on purpose. Whatever they do, packets stay on the chain: a rule that is lifted lets them go. */

const MAX_FAULTS = 100;
const MAX_TIMES = 20;
const MAX_WITHIN_MS = 3_600_000;
const DEFAULT_WITHIN_MS = 5_000;

/** Which packets a rule is about; what is left out matches everything. */
const selection = {
  id: z.string().min(1).max(64),
  /** UUID. */
  settlement_id: z.uuid().optional(),
  message: z.enum(MESSAGE_NAMES).optional(),
  from_chain: z.number().int().positive().optional(),
  to_chain: z.number().int().positive().optional(),
  /** Share of the matching packets that are hit, 0 to 1; which ones follows from the seed. */
  probability: z.number().min(0).max(1).default(1),
};

export const faultSchema = z.discriminatedUnion('kind', [
  /**
   * Not delivered while the rule stands. `execute`: verified but not executed, as when the executor is down; others get through. `verify`:
   * not even verified, as when the verifiers are down; LayerZero then executes nothing that was sent later on the same channel either.
   */
  z.strictObject({ kind: z.literal('drop'), ...selection, stage: z.enum(['verify', 'execute']).default('execute') }),
  /** Neither verified nor executed while the rule stands. Without a selection the relay stands still. */
  z.strictObject({ kind: z.literal('stop'), ...selection }),
  /** Executed not before `within_ms` after it was first seen. */
  z.strictObject({ kind: z.literal('delay'), ...selection, within_ms: withinMs() }),
  /** Executed at a random time of the next `within_ms`, and in a random order among those of one round. */
  z.strictObject({ kind: z.literal('reorder'), ...selection, within_ms: withinMs() }),
  /** Verified and executed again, `times` times more: the endpoint has to refuse that. */
  z.strictObject({ kind: z.literal('duplicate'), ...selection, times: times() }),
  /** The first `times` executions get too little gas: `gas`, or a random share of what the sender bought. */
  z.strictObject({
    kind: z.literal('starve'),
    ...selection,
    times: times(),
    gas: z.number().int().min(1).max(10_000_000).optional(),
  }),
]);
export type Fault = z.output<typeof faultSchema>;
/** As a test or a request writes it: what has a default may be left out. */
export type FaultInput = z.input<typeof faultSchema>;

export const faultsSchema = z
  .array(faultSchema)
  .max(MAX_FAULTS)
  .refine((faults) => new Set(faults.map(({ id }) => id)).size === faults.length, 'two faults have one id');

function withinMs() {
  return z.number().int().min(0).max(MAX_WITHIN_MS).default(DEFAULT_WITHIN_MS);
}

function times() {
  return z.number().int().min(1).max(MAX_TIMES).default(1);
}

/** What the rules do to one packet. */
export interface Treatment {
  readonly verify: boolean;
  readonly execute: boolean;
  /** Id of the rule that holds the packet back for good, or null. */
  readonly heldBy: string | null;
  /** ms after it was first seen. */
  readonly notBeforeMs: number;
  /** Position among those of one round; 0 without a rule, so that the order of sending is kept. */
  readonly order: number;
  readonly duplicates: number;
  readonly starved: { readonly times: number; readonly gas: bigint } | null;
}

export interface Direction {
  readonly fromChain: number;
  readonly toChain: number;
}

/** Follows from rules, packet and seed alone, so that a printed seed repeats a failure. */
export function treat(packet: Packet, direction: Direction, faults: readonly Fault[], seed: number): Treatment {
  let treatment: Treatment = {
    verify: true,
    execute: true,
    heldBy: null,
    notBeforeMs: 0,
    order: 0,
    duplicates: 0,
    starved: null,
  };
  for (const fault of faults) {
    if (!concerns(fault, packet, direction)) continue;
    const dice = (purpose: string): number => roll(seed, fault.id, packet.guid, purpose);
    if (dice('hit') >= fault.probability) continue;
    treatment = { ...treatment, ...applied(fault, treatment, packet, dice) };
  }
  return treatment;
}

function applied(
  fault: Fault,
  before: Treatment,
  packet: Packet,
  dice: (purpose: string) => number,
): Partial<Treatment> {
  switch (fault.kind) {
    case 'drop':
      return { execute: false, verify: before.verify && fault.stage === 'execute', heldBy: fault.id };
    case 'stop':
      return { execute: false, verify: false, heldBy: fault.id };
    case 'delay':
      return { notBeforeMs: Math.max(before.notBeforeMs, fault.within_ms) };
    case 'reorder':
      return { notBeforeMs: Math.max(before.notBeforeMs, dice('time') * fault.within_ms), order: dice('order') };
    case 'duplicate':
      return { duplicates: Math.max(before.duplicates, fault.times) };
    case 'starve': {
      const share = BigInt(Math.floor(dice('gas') * 900));
      const gas = fault.gas === undefined ? (packet.receiveGas * share) / 1000n : BigInt(fault.gas);
      return { starved: { times: fault.times, gas } };
    }
    default:
      return fault satisfies never;
  }
}

function concerns(fault: Fault, packet: Packet, { fromChain, toChain }: Direction): boolean {
  return (
    (fault.from_chain ?? fromChain) === fromChain &&
    (fault.to_chain ?? toChain) === toChain &&
    (fault.message === undefined || fault.message === packet.content?.name) &&
    (fault.settlement_id === undefined || fault.settlement_id === packet.content?.settlementId)
  );
}

/** 0 inclusive to 1 exclusive. */
function roll(seed: number, ...words: readonly string[]): number {
  const digest = createHash('sha256')
    .update([seed, ...words].join('\0'))
    .digest();
  return digest.readUInt32BE(0) / 2 ** 32;
}
