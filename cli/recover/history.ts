import { decodeLog } from '../../chain/decode-logs.ts';
import type { Opening } from '../../chain/escrow.ts';
import type { Block, ChainLog, IndexedChain } from '../../chain/provider.ts';
import { RpcError } from '../../chain/rpc.ts';
import { bytes32ToUuid, type Uuid, uuidToBytes32 } from '../../domain/ids.ts';
import type { ChainEventRow } from '../../db/chain-events.ts';
import { MAXIMUM_LIFETIME_MS, RECOVER_LIMITS } from './limits.ts';
import { EXIT, RecoverError } from './outcome.ts';

/** What the logs of a settlement say on one chain. */
export interface ChainHistory {
  /** Oldest first. */
  readonly events: readonly ChainEventRow[];
  /** By leg. Public since the leg was paid in. */
  readonly openings: ReadonlyMap<number, LegOpening>;
}

export interface LegOpening {
  readonly payer: Opening;
  readonly payee: Opening;
}

/**
 * Reads the settlement's logs backwards from the newest block: to `fromBlock`, else to its creation, else to the time before which it cannot have been
 * created. A node that refuses a range is asked for less. @throws RecoverError when the search becomes too long.
 */
export async function readHistory(
  chain: IndexedChain,
  settlement: { id: Uuid; deadlineMs: number | undefined },
  head: Block,
  fromBlock: number | undefined,
): Promise<ChainHistory> {
  const logs: ChainLog[] = [];
  const oldestMs = settlement.deadlineMs === undefined ? 0 : settlement.deadlineMs - MAXIMUM_LIFETIME_MS;
  let toBlock = head.number;
  let size: number = RECOVER_LIMITS.logBlocks;
  for (let query = 0; query < RECOVER_LIMITS.logQueries; query += 1) {
    const first = Math.max(fromBlock ?? 0, toBlock - size + 1);
    const found = await logsOf(chain, settlement.id, first, toBlock);
    if (found === undefined) {
      if (size === 1) throw new RecoverError(EXIT.chainMissing, `The node of chain ${chain.chainId} answers no logs.`);
      size = Math.max(1, Math.floor(size / 2));
      continue;
    }
    logs.unshift(...found);
    if (logs.length > RECOVER_LIMITS.events) throw new RecoverError(EXIT.notFound, 'The settlement has too many logs.');
    const events = logs.flatMap((log) => decodeLog(chain, log, 0) ?? []);
    const isComplete = first <= (fromBlock ?? 0) || events.some((event) => event.name === 'SettlementCreated');
    if (isComplete || (await chain.block(first))!.timestampMs < oldestMs)
      return { events, openings: openingsOf(events) };
    toBlock = first - 1;
  }
  throw new RecoverError(
    EXIT.notFound,
    `Chain ${chain.chainId} is too long to search through: say where to begin with --from-block ${chain.chainId}=<block>.`,
  );
}

/** Every event of ours that names a settlement has it as its first indexed argument. Undefined when the node wants a smaller range. */
async function logsOf(
  chain: IndexedChain,
  id: Uuid,
  fromBlock: number,
  toBlock: number,
): Promise<ChainLog[] | undefined> {
  const gate = chain.kind === 'coordinator' ? chain.coordinator : chain.gateway;
  const query = { addresses: [chain.escrow, gate], topics: [null, uuidToBytes32(id)], fromBlock, toBlock };
  return chain.logs(query).catch((error: unknown) => {
    if (error instanceof RpcError) return undefined;
    throw error;
  });
}

/** The payer of a leg is whoever deposited it; the rest stands in LegOpened. */
function openingsOf(events: readonly ChainEventRow[]): ReadonlyMap<number, LegOpening> {
  const openings = new Map<number, LegOpening>();
  for (const opened of events.filter((event) => event.name === 'LegOpened')) {
    const { legIndex, payerId, payeeId, payee } = opened.arguments;
    const deposited = events.find((event) => event.name === 'LegDeposited' && event.arguments['legIndex'] === legIndex);
    const [payerUuid, payeeUuid] = [bytes32ToUuid(String(payerId)), bytes32ToUuid(String(payeeId))];
    if (deposited === undefined || payerUuid === undefined || payeeUuid === undefined) continue;
    openings.set(Number(legIndex), {
      payer: { participantId: payerUuid, wallet: String(deposited.arguments['depositor']) },
      payee: { participantId: payeeUuid, wallet: String(payee) },
    });
  }
  return openings;
}
