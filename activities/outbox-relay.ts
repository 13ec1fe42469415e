import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import {
  defineSearchAttributeKey,
  type SearchAttributePair,
  TypedSearchAttributes,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '@temporalio/common';

import { completeOutboxRow, deferOutboxRow, leaseOutboxHeads, type OutboxRow } from '../db/outbox.ts';
import type { Database } from '../db/pool.ts';
import { readSettlementWork, type SettlementWork } from '../db/settlement-work.ts';
import { settlementWorkflowId } from '../domain/ids.ts';
import { isTerminal } from '../domain/settlement-state.ts';
import {
  SEARCH_ATTRIBUTES,
  SETTLEMENT_SIGNALS,
  SETTLEMENT_WORKFLOW,
  type SettlementInput,
} from '../domain/workflow-contract.ts';

const searchKeys = {
  state: defineSearchAttributeKey('SettlementState', SEARCH_ATTRIBUTES.SettlementState),
  platforms: defineSearchAttributeKey('SettlementPlatforms', SEARCH_ATTRIBUTES.SettlementPlatforms),
  template: defineSearchAttributeKey('SettlementTemplate', SEARCH_ATTRIBUTES.SettlementTemplate),
  tradeReference: defineSearchAttributeKey('SettlementTradeReference', SEARCH_ATTRIBUTES.SettlementTradeReference),
  needsAttention: defineSearchAttributeKey('SettlementNeedsAttention', SEARCH_ATTRIBUTES.SettlementNeedsAttention),
} as const;

import { createBell } from './bell.ts';
import type { ActivityLog } from './log.ts';
import { followOutbox } from './outbox-notifications.ts';

export const RELAY_LIMITS = {
  batch: 50,
  leaseSeconds: 15,
  /** A notification may be lost with its connection; polling finds what it told of. */
  pollIntervalMs: 1_000,
  callTimeoutMs: 5_000,
  maximumBackoffSeconds: 30,
  summaryBytes: 380,
} as const;

interface RelayDependencies {
  readonly database: Database;
  readonly client: Client;
  readonly taskQueue: string;
  readonly log: ActivityLog;
}

export interface OutboxRelay {
  /** Relays what is due; answers how many rows left. */
  runOnce(): Promise<number>;
  /** Runs until `signal` aborts; a notification from Postgres shortens the wait between two looks. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Tells Temporal what Postgres has decided, per settlement in order. Every message starts the workflow if it is not there, so that a
 * lost start, a lost signal or a Temporal that lost its data is mended by the next message.
 */
export function createOutboxRelay(dependencies: RelayDependencies): OutboxRelay {
  const { database, log } = dependencies;

  async function relay(row: OutboxRow): Promise<void> {
    try {
      const work = await database.statement((transaction) => readSettlementWork(transaction, row.settlement_id));
      if (work === undefined) throw new Error('the settlement of an outbox row does not exist');
      await deliver(dependencies, row, work);
      await database.statement((transaction) => completeOutboxRow(transaction, row.id));
    } catch (error) {
      const delay = Math.min(2 ** Math.min(row.attempts, 10), RELAY_LIMITS.maximumBackoffSeconds);
      log.warn(
        { outbox_id: row.id, settlement_id: row.settlement_id, attempts: row.attempts, err: error },
        'a message was not relayed',
      );
      const text = error instanceof Error ? error.message : 'unknown error';
      await database.statement((transaction) => deferOutboxRow(transaction, row.id, text, delay));
    }
  }

  async function runOnce(): Promise<number> {
    const rows = await database.statement((transaction) =>
      leaseOutboxHeads(transaction, 'temporal', { limit: RELAY_LIMITS.batch, leaseSeconds: RELAY_LIMITS.leaseSeconds }),
    );
    await Promise.all(rows.map(relay));
    return rows.length;
  }

  return {
    runOnce,
    async run(signal) {
      const bell = createBell();
      const following = followOutbox({ database, log }, 'temporal', () => bell.ring(), signal);
      while (!signal.aborted) {
        const sent = await runOnce().catch((error: unknown) => {
          log.warn({ err: error }, 'the outbox could not be read');
          return 0;
        });
        if (sent === 0) await bell.wait(RELAY_LIMITS.pollIntervalMs, signal);
      }
      await following;
    },
  };
}

async function deliver(dependencies: RelayDependencies, row: OutboxRow, work: SettlementWork): Promise<void> {
  const { client, taskQueue } = dependencies;
  const workflowId = settlementWorkflowId(work.id);
  const input: SettlementInput = {
    settlementId: work.id,
    deadlineMs: work.timeout_at.getTime(),
    awaitingConfirmation: work.state === 'AWAITING_CONFIRMATION',
    title: titleOf(work),
  };
  const options = {
    workflowId,
    taskQueue,
    args: [input] as [SettlementInput],
    workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    staticSummary: input.title,
    staticDetails: detailsOf(work),
    typedSearchAttributes: new TypedSearchAttributes(searchAttributesOf(work)),
    ...(row.request_id !== null && { memo: { request_id: row.request_id } }),
  };
  await client.withDeadline(Date.now() + RELAY_LIMITS.callTimeoutMs, async () => {
    try {
      if (row.kind === 'start') await client.workflow.start(SETTLEMENT_WORKFLOW, options);
      else if (!isTerminal(work.state))
        await client.workflow.signalWithStart(SETTLEMENT_WORKFLOW, { ...options, ...signalOf(row) });
      // A settlement that has ended needs waking only if its workflow still runs.
      else await wakeIfRunning(client, workflowId, row);
    } catch (error) {
      // It has run to its end: there is nobody left to tell.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  });
}

async function wakeIfRunning(client: Client, workflowId: string, row: OutboxRow): Promise<void> {
  const handle = client.workflow.getHandle(workflowId);
  const { signal, signalArgs } = signalOf(row);
  try {
    await handle.signal(signal, ...signalArgs);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'WorkflowNotFoundError') throw error;
  }
}

function signalOf(row: OutboxRow): { signal: string; signalArgs: unknown[] } {
  switch (row.kind) {
    case 'confirmation':
      return { signal: SETTLEMENT_SIGNALS.confirmation, signalArgs: [] };
    case 'decision':
      return { signal: SETTLEMENT_SIGNALS.decision, signalArgs: [] };
    case 'chain_facts':
      return { signal: SETTLEMENT_SIGNALS.chainFacts, signalArgs: [row.payload] };
    default:
      throw new Error(`an outbox row of the unknown kind ${row.kind}`);
  }
}

/** `dvp-standard: 500 of 0x12…ab against 125000 of 0x34…cd, platform-a → platform-b`: no personal data. */
function titleOf(work: SettlementWork): string {
  const legs = work.legs.map(
    (leg) => `${leg.quantity} of ${leg.token_address.slice(0, 6)}…${leg.token_address.slice(-4)}`,
  );
  const platforms = [...new Set(work.parties.map((party) => party.platform_slug))];
  return `${work.template_slug}: ${legs.join(' against ')} (${platforms.join(', ')})`.slice(
    0,
    RELAY_LIMITS.summaryBytes,
  );
}

function detailsOf(work: SettlementWork): string {
  const legs = work.legs.map(
    (leg) =>
      `| ${leg.leg_index} | ${leg.leg_type} | ${leg.quantity} | \`${leg.token_address}\` | ${leg.chain_id} | ${leg.payer_role} → ${leg.payee_role} |`,
  );
  const parties = work.parties.map((party) => `* ${party.role}: ${party.platform_slug}`);
  return [
    `Settlement \`${work.id}\``,
    ...(work.trade_reference === null ? [] : [`Trade reference \`${work.trade_reference}\``]),
    '',
    ...parties,
    '',
    '| leg | type | quantity | token | chain | from → to |',
    '|---|---|---|---|---|---|',
    ...legs,
  ].join('\n');
}

function searchAttributesOf(work: SettlementWork): SearchAttributePair[] {
  const pairs: SearchAttributePair[] = [
    { key: searchKeys.state, value: work.state },
    { key: searchKeys.platforms, value: [...new Set(work.parties.map((party) => party.platform_slug))] },
    { key: searchKeys.template, value: work.template_slug },
    { key: searchKeys.needsAttention, value: false },
  ];
  if (work.trade_reference !== null) pairs.push({ key: searchKeys.tradeReference, value: work.trade_reference });
  return pairs;
}
