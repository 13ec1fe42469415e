/** What the chain alone costs: the time that an engine without any latency of its own would need. */
export interface Floor {
  readonly blockTimeMs: number;
  /** How many blocks the finalised block is behind the head. */
  readonly finalityBlocks: number;
  /** From the request to the announcement that deposits may come, average over when in a block's time the request comes. */
  readonly toDepositsMs: number;
  /** From the request to FINALIZED. */
  readonly toFinalMs: number;
}

/** Registration, attestation and opening: each waits for the block of the one before. */
const ENGINE_BLOCKS = 3;
/** Both deposits go into one block; the second one executes the swap. */
const DEPOSIT_BLOCKS = 1;

/** The first transaction waits half a block time on average, every further one a whole one, and the last block for its finality. */
export function chainFloor(blockTimeMs: number, finalityBlocks: number): Floor {
  const first = blockTimeMs / 2;
  const toDepositsMs = first + (ENGINE_BLOCKS - 1) * blockTimeMs;
  return {
    blockTimeMs,
    finalityBlocks,
    toDepositsMs,
    toFinalMs: toDepositsMs + (DEPOSIT_BLOCKS + finalityBlocks) * blockTimeMs,
  };
}
