import { recordAudit } from '../../db/audit.ts';
import {
  cancelPendingInstruction,
  INSTRUCTION_STATUSES,
  listInstructions,
  readInstruction,
} from '../../db/instructions.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { actorOf, type ApiDependencies } from '../dependencies.ts';
import { envelope, NOTHING, pageOf, positionCursor } from '../paging.ts';
import { notFound } from '../problems.ts';
import type { Handler } from '../route.ts';
import type * as contract from './contract.ts';
import { showInstruction } from './views.ts';

export function listInstructionsHandler({ database }: ApiDependencies): Handler<typeof contract.listInstructions> {
  return async ({ principal, query }) => {
    const page = pageOf(query);
    const status = INSTRUCTION_STATUSES.find((known) => known === query.status);
    const known = query.status === undefined || status !== undefined;
    const listed = known
      ? await database.transaction(principal, (transaction) => listInstructions(transaction, { ...page, status }))
      : NOTHING;
    return { status: 200, body: envelope(query, listed, showInstruction, positionCursor) };
  };
}

export function getInstructionHandler({ database }: ApiDependencies): Handler<typeof contract.getInstruction> {
  return async ({ principal, params }) => {
    const instruction = await database.transaction(principal, (transaction) =>
      readInstruction(transaction, params.instruction_id),
    );
    if (instruction === undefined) throw notFound();
    return { status: 200, body: showInstruction(instruction) };
  };
}

/** `DELETE /v1/instructions/{id}`: only one that waits; a match and a cancellation at the same time exclude each other by the row's lock. */
export function cancelInstructionHandler({ database }: ApiDependencies): Handler<typeof contract.cancelInstruction> {
  return ({ caller, principal, params, requestId }) =>
    database.transaction(principal, async (transaction) => {
      const cancelled = await cancelPendingInstruction(transaction, params.instruction_id);
      const instruction = await readInstruction(transaction, params.instruction_id);
      if (instruction === undefined) throw notFound();
      if (!cancelled) throw new KeystoneError('instruction_not_cancellable', 'Instruction is not cancellable');
      await recordAudit(transaction, {
        environmentId: caller.environmentId,
        actor: actorOf(caller),
        action: 'instruction.cancel',
        resourceType: 'instruction',
        resourceId: instruction.id,
        requestId,
      });
      return { status: 200, body: showInstruction(instruction) };
    });
}
