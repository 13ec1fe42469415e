import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

/** Choices that follow from a seed, so that a failure can be repeated. */
export interface Dice {
  /** 0 inclusive to `limit` exclusive. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
}

/** @param words The seed, and what the choices are about. */
export function createDice(...words: readonly (string | number)[]): Dice {
  let pool = createHash('sha256').update(words.join('\0')).digest();
  let used = 0;
  const next = (): number => {
    if (used + 4 > pool.length) {
      pool = createHash('sha256').update(Buffer.from(pool)).digest();
      used = 0;
    }
    used += 4;
    return pool.readUInt32BE(used - 4) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (items) => {
      const item = items[below(items.length)];
      if (item === undefined) throw new Error('nothing to choose from');
      return item;
    },
  };
}

/** The seed of this run: from the environment, or the time. */
export function seedOfRun(): number {
  return Number(process.env['KEYSTONE_SEED'] ?? Date.now() % 2 ** 31);
}
