import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { Client, Connection } from '@temporalio/client';

import { REPOSITORY } from '../../dev/home.ts';
import type { StackChain } from '../../dev/stack-file.ts';
import type { EndToEndStack } from './stack.ts';

/** How a settlement looks to those who come afterwards: an auditor with the verifier, an operator with Temporal's history. */

const VERIFY_LIMIT_MS = 30_000;

export interface Verdict {
  readonly status: number | null;
  readonly output: string;
}

/** Runs the verifier of the command line over a pack, with a node for each of the chains. */
export function verifyPack(stack: EndToEndStack, pack: string, chains: readonly StackChain[]): Verdict {
  const nodes = chains.flatMap(({ chain_id, rpc_url }) => ['--rpc', `${chain_id}=${rpc_url}`]);
  const words = ['cli/keystone.mjs', 'verify', pack, '--keys', join(stack.home, 'trusted-keys.json'), ...nodes];
  const result = spawnSync('node', words, { cwd: REPOSITORY, encoding: 'utf8', timeout: VERIFY_LIMIT_MS });
  return { status: result.status, output: result.stdout + result.stderr };
}

/** The whole history, once the workflow has ended. */
export async function historyOf(stack: EndToEndStack, settlementId: string) {
  const connection = await Connection.connect({ address: stack.file.temporal.address });
  try {
    const handle = new Client({ connection }).workflow.getHandle(`settlement-${settlementId}`);
    await handle.result();
    const events = (await handle.fetchHistory()).events ?? [];
    return { events, tasks: events.filter((event) => event.workflowTaskCompletedEventAttributes).length };
  } finally {
    await connection.close();
  }
}
