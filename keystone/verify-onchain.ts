/**
 * Reads the chain again. Nothing that the pack says about a log is believed: the log that must be there is computed from
 * the pack's decisions and terms, byte for byte, and looked for at the place that the pack names.
 */

import { expectedLog } from './abi.ts';
import { evmChainNumber } from './caip.ts';
import {
  type ChainBlock,
  type ChainLog,
  type ChainReader,
  ChainUnavailable,
  guarded,
  isExactly,
} from './chain-reader.ts';
import { checkContracts } from './onchain-contracts.ts';
import { type Expectation, feesOf, netAmount, settlementExpectations } from './onchain-expectations.ts';
import { type Movement, TRANSFER_EVENT, isMovement, movementEvent } from './onchain-tokens.ts';
import type { LegTerm, LogPoint, Pack } from './pack-types.ts';
import { allPoints, settlementEvidence } from './pack-view.ts';
import type { Findings } from './report.ts';
import { shown } from './shown.ts';
import { latestTimeMs } from './verify-order.ts';

/** Readers by CAIP-2 chain id. */
export type ChainReaders = Readonly<Record<string, ChainReader>>;

/** Checks against every chain that a reader was given for; says which could not be asked. */
export async function checkOnChain(pack: Pack, readers: ChainReaders | undefined, findings: Findings): Promise<void> {
  const isSettlement = pack.kind === 'settlement';
  const points = isSettlement ? allPoints(settlementEvidence(pack)) : transferPoints(pack);
  const chains = [...new Set(points.map((point) => point.chain_id))];
  for (const chain of chains) {
    const reader = readers?.[chain];
    if (reader === undefined) {
      findings.open(`on chain: ${chain} read again`, 'no RPC address was given for this chain');
      if (readers !== undefined) {
        findings.missing.push(`an RPC address for ${chain}`);
      }
      continue;
    }
    await asked(`on chain: ${chain} read again`, findings, async () => {
      await checkChainOf(pack, chain, points, guarded(reader), findings);
    });
  }
}

/** A chain that cannot be asked refutes nothing; it leaves the question open, and the verdict incomplete. */
async function asked(name: string, findings: Findings, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ChainUnavailable)) {
      throw error;
    }
    findings.open(name, `the chain could not be asked: ${shown(error.message)}`);
    findings.missing.push(`an answer from the chain (${name})`);
  }
}

function transferPoints(pack: Pack): LogPoint[] {
  const { transfer } = pack.onchain_verification;
  return transfer === undefined ? [] : [transfer];
}

async function checkChainOf(
  pack: Pack,
  chain: string,
  points: readonly LogPoint[],
  reader: ChainReader,
  findings: Findings,
): Promise<void> {
  const expected = evmChainNumber(chain);
  if (expected === undefined) {
    findings.open(`on chain: ${chain} read again`, 'this version re-scans EVM chains only');
    findings.missing.push(`a re-scan of ${chain}`);
    return;
  }
  const actual = await reader.chainId();
  if (!findings.equal(`on chain: ${chain} is the chain asked`, String(expected), String(actual), 'eth_chainId')) {
    return;
  }
  const own = points.filter((point) => point.chain_id === chain);
  await checkBlocks(pack, chain, own, reader, findings);
  if (pack.kind === 'payment') {
    await checkPaymentTransfer(pack, own, reader, findings);
    return;
  }
  for (const expectation of settlementExpectations(pack)) {
    if (expectation.point.chain_id === chain) {
      await asked(expectation.name, findings, async () => checkExpectation(expectation, reader, findings));
    }
  }
  await checkTokens(pack, chain, reader, findings);
  await asked(`on chain: contracts of ${chain} answer`, findings, async () =>
    checkContracts(pack, chain, reader, findings),
  );
}

/** Some nodes answer the question for their finalised block with an error: then finality stays open, and nothing else. */
async function finalisedBlock(reader: ChainReader): Promise<ChainBlock | undefined> {
  try {
    return await reader.getBlock('finalized');
  } catch (error) {
    if (error instanceof ChainUnavailable) {
      return undefined;
    }
    throw error;
  }
}

/** The pack's blocks are blocks of the chain, final, of the stated time, and later than every decision. */
async function checkBlocks(
  pack: Pack,
  chain: string,
  points: readonly LogPoint[],
  reader: ChainReader,
  findings: Findings,
): Promise<void> {
  const final = await finalisedBlock(reader);
  const decidedMs = Math.max(...Object.values(pack.protocols).map((entry) => entry.decision_object.decided_at_ms));
  const evidence = pack.onchain_verification;
  const early = [evidence.created, ...(evidence.attestations ?? [])].filter((point) => point?.chain_id === chain);
  const beforeDecision = new Set(early.map((point) => point?.block_number));
  const seen = new Map<number, LogPoint>(points.map((point) => [point.block_number, point]));
  const wrong: string[] = [];
  const unfinal: number[] = [];
  const tooEarly: number[] = [];
  for (const [number, point] of seen) {
    const block = await reader.getBlock(number);
    const sameBlock = points.filter((other) => other.block_number === number);
    const isRight =
      block?.hash.toLowerCase() === point.block_hash &&
      sameBlock.every(
        (other) => other.block_hash === point.block_hash && other.block_timestamp_s === block.timestamp_s,
      );
    if (!isRight) {
      wrong.push(String(number));
    }
    if (final === undefined || number > final.number) {
      unfinal.push(number);
    }
    const { chain_id: home } = pack.onchain_verification;
    const latestMs = latestTimeMs({ chain_id: chain, block_timestamp_s: block?.timestamp_s ?? 0 }, home);
    if (!beforeDecision.has(number) && block !== undefined && decidedMs >= latestMs) {
      tooEarly.push(number);
    }
  }
  findings.holds(
    `on chain: blocks of ${chain} are as recorded`,
    wrong.length === 0,
    'hash and time of each block',
    wrong,
  );
  if (final === undefined) {
    findings.open(`on chain: blocks of ${chain} are final`, 'the node knows no finalised block');
    findings.missing.push(`finality of ${chain}`);
  } else {
    findings.holds(
      `on chain: blocks of ${chain} are final`,
      unfinal.length === 0,
      `finalised: ${final.number}`,
      unfinal,
    );
  }
  findings.holds(
    `on chain: decisions precede the blocks of ${chain}`,
    tooEarly.length === 0,
    'decided_at_ms < time of every block from the anchor on',
    tooEarly,
  );
}

async function checkExpectation(expectation: Expectation, reader: ChainReader, findings: Findings): Promise<void> {
  const { name, point, anyOf, detail } = expectation;
  const receipt = await reader.getTransactionReceipt(point.tx);
  if (receipt === undefined) {
    findings.holds(name, false, 'the chain has no such transaction', point.tx);
    return;
  }
  const isPlaced =
    receipt.succeeded &&
    receipt.blockNumber === point.block_number &&
    receipt.blockHash.toLowerCase() === point.block_hash;
  const log = receipt.logs.find((candidate) => candidate.logIndex === point.log_index);
  const isThere = log !== undefined && anyOf.some((expected) => isExactly(log, expected));
  findings.holds(name, isPlaced && isThere, detail, isPlaced ? log : { ...receipt, logs: receipt.logs.length });
}

/** The token's own words for every deposit and payout of the chain. */
async function checkTokens(pack: Pack, chain: string, reader: ChainReader, findings: Findings): Promise<void> {
  const evidence = settlementEvidence(pack);
  // One Transfer cannot be the money of two payouts, though two equal ones look the same.
  const taken = new Set<string>();
  for (const leg of pack.settled_legs.legs.filter((candidate) => candidate.chain_id === chain)) {
    const escrow = leg.escrow ?? '';
    const deposit = evidence.deposits.find((entry) => entry.leg_index === leg.leg_index);
    const payout = evidence.payouts.find((entry) => entry.leg_index === leg.leg_index);
    if (deposit !== undefined) {
      const movement = { leg, from: leg.payer, to: escrow, amount: BigInt(leg.amount_minor) };
      await checkMovement(
        `on chain: leg ${leg.leg_index} token came in`,
        deposit.tx,
        movement,
        taken,
        reader,
        findings,
      );
    }
    if (leg.fees.length > 0 && evidence.fees_paid === undefined && payout !== undefined) {
      await checkFees(leg, payout.tx, evidence.terms.settlement_id, reader, findings);
    }
    const name = `on chain: leg ${leg.leg_index} moved its token`;
    if (payout?.kind === 'credited') {
      findings.open(name, 'the token refused the transfer; the payee holds a credit in the escrow');
    } else if (payout !== undefined) {
      const movement = { leg, from: escrow, to: leg.payee, amount: netAmount(leg) };
      await checkMovement(name, payout.tx, movement, taken, reader, findings);
    }
  }
  for (const fee of evidence.fees_paid?.filter((entry) => entry.chain_id === chain) ?? []) {
    const leg = pack.settled_legs.legs.find((candidate) => candidate.leg_index === fee.leg_index);
    const name = `on chain: leg ${fee.leg_index} fee ${fee.fee_index} moved its token`;
    if (leg !== undefined && fee.kind === 'released') {
      const movement = { leg, from: leg.escrow ?? '', to: fee.recipient, amount: BigInt(fee.amount_minor) };
      await checkMovement(name, fee.tx, movement, taken, reader, findings);
    } else {
      findings.open(name, 'the token refused the transfer; the recipient holds a credit in the escrow');
    }
  }
}

async function checkMovement(
  name: string,
  tx: string,
  movement: Movement,
  taken: Set<string>,
  reader: ChainReader,
  findings: Findings,
): Promise<void> {
  await asked(name, findings, async () => {
    const receipt = await reader.getTransactionReceipt(tx);
    const place = (log: ChainLog): string => `${tx} ${log.logIndex}`;
    const log = receipt?.logs.find((candidate) => isMovement(candidate, movement) && !taken.has(place(candidate)));
    if (log !== undefined) {
      taken.add(place(log));
    }
    findings.holds(
      name,
      log !== undefined,
      `${movementEvent(movement.leg)}: the exact amount from the one to the other`,
    );
  });
}

async function checkFees(
  leg: LegTerm,
  tx: string,
  settlementId: string,
  reader: ChainReader,
  findings: Findings,
): Promise<void> {
  const name = `on chain: leg ${leg.leg_index} fees paid`;
  await asked(name, findings, async () => {
    const logs = (await reader.getTransactionReceipt(tx))?.logs ?? [];
    const wanting = feesOf(leg, settlementId).filter(
      (forms) => !logs.some((log) => forms.some((form) => isExactly(log, form))),
    );
    findings.holds(name, wanting.length === 0, 'FeePaid, or PayoutCredited, for each fee of the terms', wanting);
  });
}

/** A payment: the token's Transfer to the recipient for the decided amount, at the named place. */
async function checkPaymentTransfer(
  pack: Pack,
  points: readonly LogPoint[],
  reader: ChainReader,
  findings: Findings,
): Promise<void> {
  const [leg] = pack.settled_legs.legs;
  const [point] = points;
  if (leg === undefined || point === undefined) {
    return;
  }
  const isNft = leg.token_standard === 'ERC-721';
  const moved = isNft ? [] : [BigInt(leg.amount_minor)];
  const indexed = [leg.payer, leg.payee, ...(isNft ? [BigInt(leg.token_id)] : [])];
  const expected = expectedLog(leg.token, TRANSFER_EVENT, indexed, moved);
  const name = 'on chain: the token moved to the recipient';
  await asked(name, findings, async () => {
    await checkExpectation(
      { name, point, anyOf: [expected], detail: `${TRANSFER_EVENT} at the named log` },
      reader,
      findings,
    );
    const transaction = await reader.getTransaction(point.tx);
    findings.equal(
      'on chain: the transaction is in the settlement block',
      pack.settlement_block.hash,
      transaction?.blockHash?.toLowerCase(),
      'eth_getTransactionByHash and the receipt agree',
    );
  });
}
