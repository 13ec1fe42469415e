import type { Treatment } from './faults.ts';
import type { MessageName, Packet } from './packet.ts';
import type { Call, ChainAccess, InboundState } from './relay-chain.ts';

/** One packet on its way: what is to be sent for it next, and what came of it. */

const LIMITS = {
  /** Transactions of one round on one chain. */
  calls: 120,
  /** ms until a refused delivery is tried again; doubles up to the maximum. */
  retry: { firstMs: 500, maximumMs: 30_000, doublings: 10 },
} as const;

/** A packet as `packets` and the control endpoint show it. */
export interface PacketView {
  readonly guid: string;
  readonly settlement_id: string | null;
  readonly message: MessageName | null;
  readonly from_chain: number;
  readonly to_chain: number;
  /** Of its channel, beginning with 1. */
  readonly nonce: number;
  readonly state: InboundState;
  readonly sent: { readonly block: number; readonly transaction: string };
  /** Deliveries that were refused, starved ones included. */
  readonly refused: number;
  /** Repetitions that the endpoint refused, as it has to. */
  readonly repeated: number;
  /** Id of the fault that holds it back. */
  readonly held_by: string | null;
  readonly last_refusal: string | null;
}

export interface Entry {
  readonly packet: Packet;
  readonly from: ChainAccess;
  readonly to: ChainAccess;
  readonly sent: PacketView['sent'];
  readonly firstSeenMs: number;
  state: InboundState;
  refused: number;
  starved: number;
  repeated: number;
  retryAtMs: number;
  lastRefusal: string | null;
}

export function newEntry(packet: Packet, from: ChainAccess, to: ChainAccess, sent: PacketView['sent']): Entry {
  const counters = { refused: 0, starved: 0, repeated: 0, retryAtMs: 0, lastRefusal: null };
  return { packet, from, to, sent, firstSeenMs: Date.now(), state: 'sent', ...counters };
}

export interface Delivery {
  readonly entry: Entry;
  readonly call: Call;
  readonly purpose: 'verify' | 'execute' | 'starve' | 'repeat';
}

/** The transactions of one round on one chain: first everything that is to be verified, then what is to be executed. */
export function plan(due: readonly Entry[], treatmentOf: (entry: Entry) => Treatment, nowMs: number): Delivery[] {
  const treated = due
    .filter(({ state }) => state !== 'delivered')
    .map((entry) => ({ entry, treatment: treatmentOf(entry) }));
  const verifications = treated
    .filter(({ entry, treatment }) => entry.state === 'sent' && treatment.verify)
    .slice(0, LIMITS.calls)
    .map(({ entry }): Delivery => ({ entry, call: entry.to.verifyCall(entry.packet), purpose: 'verify' }));
  const verified = new Set(verifications.map(({ entry }) => entry));
  // The endpoint executes nothing beyond a nonce that is not verified.
  const gaps = treated.filter(({ entry }) => entry.state === 'sent' && !verified.has(entry));
  const executable = treated.filter(
    ({ entry, treatment }) =>
      treatment.execute &&
      nowMs >= entry.firstSeenMs + treatment.notBeforeMs &&
      nowMs >= entry.retryAtMs &&
      !gaps.some((gap) => channelOf(gap.entry) === channelOf(entry) && gap.entry.packet.nonce <= entry.packet.nonce),
  );
  const executions = executable
    .toSorted((left, right) => left.treatment.order - right.treatment.order)
    .flatMap(({ entry, treatment }) => executionsOf(entry, treatment));
  return [...verifications, ...executions].slice(0, LIMITS.calls);
}

function executionsOf(entry: Entry, treatment: Treatment): Delivery[] {
  const { packet, to } = entry;
  const { starved } = treatment;
  if (starved !== null && entry.starved < starved.times) {
    return [{ entry, call: to.receiveCall(packet, starved.gas), purpose: 'starve' }];
  }
  const execute: Delivery = { entry, call: to.receiveCall(packet, packet.receiveGas), purpose: 'execute' };
  const repetitions = Array.from({ length: treatment.duplicates }, (): Delivery[] => [
    { entry, call: to.verifyCall(packet), purpose: 'repeat' },
    { entry, call: execute.call, purpose: 'repeat' },
  ]);
  return [execute, ...repetitions.flat()];
}

const channelOf = ({ packet }: Entry): string =>
  `${packet.sourceEndpointId}:${packet.sender}:${packet.destinationEndpointId}:${packet.receiver}`;

/** Writes down how a transaction went. */
export async function settle(
  { entry, purpose, call }: Delivery,
  succeeded: boolean,
  log: (line: string) => void,
): Promise<void> {
  const name = `${entry.packet.content?.name ?? 'message'} of ${entry.packet.content?.settlementId ?? entry.packet.guid}`;
  if (purpose === 'starve') entry.starved += 1;
  if (purpose === 'repeat') {
    // A repetition that succeeds would be a message that counts twice.
    if (succeeded) log(`${name}: the endpoint ACCEPTED a repetition`);
    else entry.repeated += 1;
    return;
  }
  if (purpose === 'verify') {
    if (succeeded && entry.state === 'sent') entry.state = 'verified';
    return;
  }
  if (succeeded) {
    entry.state = 'delivered';
    log(`${name} delivered to chain ${entry.to.chain.chainId}`);
    return;
  }
  entry.refused += 1;
  entry.lastRefusal = (await entry.to.refusal(entry.packet, entry.packet.receiveGas)) ?? 'too little gas';
  log(`${name} refused on chain ${entry.to.chain.chainId} (${entry.lastRefusal}, gas limit ${call.gasLimit})`);
  if (purpose === 'starve') return;
  entry.retryAtMs =
    Date.now() +
    Math.min(LIMITS.retry.firstMs * 2 ** Math.min(entry.refused, LIMITS.retry.doublings), LIMITS.retry.maximumMs);
}

export function viewOf(entry: Entry, treatment: Treatment): PacketView {
  const { packet, from, to, sent, state, refused, repeated, lastRefusal } = entry;
  return {
    guid: packet.guid,
    settlement_id: packet.content?.settlementId ?? null,
    message: packet.content?.name ?? null,
    from_chain: from.chain.chainId,
    to_chain: to.chain.chainId,
    nonce: Number(packet.nonce),
    state,
    sent,
    refused,
    repeated,
    held_by: state === 'delivered' ? null : treatment.heldBy,
    last_refusal: lastRefusal,
  };
}
