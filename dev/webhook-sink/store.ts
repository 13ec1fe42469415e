import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { z } from 'zod';

/** Deliveries kept in memory for each slug; the oldest go first. */
export const MAX_DELIVERIES = 5_000;
/** Slugs that a sink keeps deliveries, secrets or behaviours for. */
export const MAX_SLUGS = 100;
/** The file is begun anew beyond this size, with what memory still holds. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

const receivedDelivery = z.object({
  /** Grows by one with each delivery of this sink; the cursor of `after`. */
  id: z.number().int(),
  slug: z.string(),
  received_at_ms: z.number(),
  headers: z.record(z.string(), z.string()),
  /** Parsed when it is JSON, else the text. */
  body: z.unknown(),
  /** The text as it came, for whoever wants to verify it again. */
  raw_body: z.string(),
  verified: z.object({ keystone: z.boolean(), standard: z.boolean() }),
  /** HTTP status that the sender got. */
  answered: z.number().int(),
});
export type ReceivedDelivery = z.infer<typeof receivedDelivery>;

export interface DeliveryStore {
  /** False for a new slug when there are too many: senders choose slugs, and each keeps its own deliveries. */
  hasRoomFor(slug: string): boolean;
  add(delivery: Omit<ReceivedDelivery, 'id'>): Promise<ReceivedDelivery>;
  /** Oldest first, after the given id, at most `limit`. */
  list(slug: string, filter: { settlementId?: string; after: number; limit: number }): ReceivedDelivery[];
}

function settlementOf(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return undefined;
  if ('settlement_id' in body) return body.settlement_id;
  const data: unknown = 'data' in body ? body.data : undefined;
  return typeof data === 'object' && data !== null && 'settlement_id' in data ? data.settlement_id : undefined;
}

async function loadFile(file: string): Promise<ReceivedDelivery[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const deliveries: ReceivedDelivery[] = [];
  for (const line of text.split('\n')) {
    try {
      const parsed = receivedDelivery.safeParse(JSON.parse(line));
      if (parsed.success) deliveries.push(parsed.data);
    } catch {
      // A kill in the middle of a write leaves half a line; what came before it is whole.
    }
  }
  return deliveries;
}

/** Deliveries in memory and, with a file, one JSON line each; a restart reads them back. */
export async function openDeliveryStore(file?: string): Promise<DeliveryStore> {
  const bySlug = new Map<string, ReceivedDelivery[]>();
  let lastId = 0;
  let writing: Promise<void> = Promise.resolve();

  function remember(delivery: ReceivedDelivery): void {
    const deliveries = bySlug.get(delivery.slug) ?? [];
    deliveries.push(delivery);
    if (deliveries.length > MAX_DELIVERIES) deliveries.shift();
    bySlug.set(delivery.slug, deliveries);
    lastId = Math.max(lastId, delivery.id);
  }

  async function write(target: string, line: string): Promise<void> {
    // The line begins with the break, so that half a line left by a kill does not swallow the next one.
    await appendFile(target, `\n${line}`, { mode: 0o600 });
    if ((await stat(target)).size <= MAX_FILE_BYTES) return;
    const kept = [...bySlug.values()].flat().toSorted((left, right) => left.id - right.id);
    await writeFile(target, kept.map((delivery) => JSON.stringify(delivery)).join('\n'), { mode: 0o600 });
  }

  if (file !== undefined) for (const delivery of await loadFile(file)) remember(delivery);

  return {
    hasRoomFor: (slug) => bySlug.has(slug) || bySlug.size < MAX_SLUGS,
    async add(fields) {
      const delivery = { ...fields, id: lastId + 1 };
      remember(delivery);
      if (file !== undefined) {
        const append = (): Promise<void> => write(file, JSON.stringify(delivery));
        // One write after the other, also after one that failed: that failure went to its own sender.
        writing = writing.then(append, append);
        await writing;
      }
      return delivery;
    },
    list(slug, { settlementId, after, limit }) {
      const deliveries = (bySlug.get(slug) ?? []).filter((delivery) => delivery.id > after);
      const wanted =
        settlementId === undefined
          ? deliveries
          : deliveries.filter((delivery) => settlementOf(delivery.body) === settlementId);
      return wanted.slice(0, limit);
    },
  };
}
