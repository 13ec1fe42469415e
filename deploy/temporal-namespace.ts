import { setTimeout as pause } from 'node:timers/promises';

import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import proto from '@temporalio/proto';

import { SEARCH_ATTRIBUTES } from '../domain/workflow-contract.ts';

/** What a Temporal server has to know before the first worker starts: the namespace and our search attributes. */

/** Milliseconds. */
const LIMITS = { callMs: 5_000, namespaceMs: 60_000, pollMs: 500 } as const;
const MILLISECONDS_PER_DAY = 86_400_000;
/** gRPC status codes. */
const GRPC = { notFound: 5, alreadyExists: 6 } as const;
const { IndexedValueType } = proto.temporal.api.enums.v1;

const ATTRIBUTE_CODES = {
  KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  KEYWORD_LIST: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
  BOOL: IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
} as const;

export interface TemporalTarget {
  /** host:port of the gRPC frontend. */
  readonly address: string;
  readonly namespace: string;
}

type Bounded = <Result>(call: () => Promise<Result>) => Promise<Result>;

async function withConnection<Result>(
  address: string,
  work: (connection: Connection, bounded: Bounded) => Promise<Result>,
): Promise<Result> {
  const connection = await Connection.connect({ address, connectTimeout: LIMITS.callMs });
  try {
    return await work(connection, (call) => connection.withDeadline(Date.now() + LIMITS.callMs, call));
  } finally {
    await connection.close();
  }
}

/**
 * Makes our search attributes known to a server that is not ours. Safe to repeat and to run twice at once. Answers what was missing.
 * @throws Error when the server cannot be reached or has an attribute of ours with another type.
 */
export function registerSearchAttributes({ address, namespace }: TemporalTarget): Promise<string[]> {
  return withConnection(address, async (connection, bounded) => {
    const known = await bounded(() => connection.operatorService.listSearchAttributes({ namespace }));
    const missing: Record<string, number> = {};
    for (const [name, type] of Object.entries(SEARCH_ATTRIBUTES)) {
      const present = known.customAttributes[name];
      if (present === undefined || present === null) missing[name] = ATTRIBUTE_CODES[type];
      else if (present !== ATTRIBUTE_CODES[type]) {
        throw new Error(`the Temporal namespace ${namespace} has the search attribute ${name} with another type`);
      }
    }
    if (Object.keys(missing).length > 0) {
      await bounded(() => connection.operatorService.addSearchAttributes({ namespace, searchAttributes: missing }));
    }
    return Object.keys(missing);
  });
}

/** Creates the namespace unless it is there, and waits until the server answers for it. `retentionDays` of closed workflows. */
export function ensureNamespace({ address, namespace }: TemporalTarget, retentionDays: number): Promise<void> {
  return withConnection(address, async (connection, bounded) => {
    const workflowExecutionRetentionPeriod = msToTs(retentionDays * MILLISECONDS_PER_DAY);
    await bounded(() =>
      connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod }),
    ).catch((error: { code?: number }) => {
      if (error.code !== GRPC.alreadyExists) throw error;
    });
    // The frontends learn of a new namespace a few seconds later; until then every call for it fails.
    const giveUpAt = Date.now() + LIMITS.namespaceMs;
    for (;;) {
      try {
        await bounded(() => connection.operatorService.listSearchAttributes({ namespace }));
        return;
      } catch (error) {
        if ((error as { code?: number }).code !== GRPC.notFound || Date.now() > giveUpAt) throw error;
        await pause(LIMITS.pollMs);
      }
    }
  });
}
