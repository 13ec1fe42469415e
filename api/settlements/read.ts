import { listSettlementEvents, listSettlements, readProof, readSettlement } from '../../db/settlements.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { isSettlementState } from '../../domain/settlement-state.ts';
import { type ApiDependencies, readerOf } from '../dependencies.ts';
import { envelope, NOTHING, pageOf, positionCursor, readSequenceCursor, sequenceCursor } from '../paging.ts';
import { notFound } from '../problems.ts';
import type { Handler } from '../route.ts';
import type * as contract from './contract.ts';
import { showEvent, showSettlement } from './views.ts';

export function listSettlementsHandler({ database }: ApiDependencies): Handler<typeof contract.listSettlements> {
  return async ({ caller, principal, query }) => {
    const page = pageOf(query);
    const { state } = query;
    const known = state === undefined || isSettlementState(state);
    const listed = known
      ? await database.transaction(principal, (transaction) =>
          listSettlements(transaction, { ...page, state, reader: readerOf(caller) }),
        )
      : NOTHING;
    return { status: 200, body: envelope(query, listed, showSettlement, positionCursor) };
  };
}

export function getSettlementHandler({ database }: ApiDependencies): Handler<typeof contract.getSettlement> {
  return async ({ caller, principal, params }) => {
    const settlement = await database.transaction(principal, (transaction) =>
      readSettlement(transaction, params.settlement_id, readerOf(caller)),
    );
    if (settlement === undefined) throw notFound();
    return { status: 200, body: showSettlement(settlement) };
  };
}

export function listSettlementEventsHandler({
  database,
}: ApiDependencies): Handler<typeof contract.listSettlementEvents> {
  return async ({ principal, params, query }) => {
    const page = pageOf({ limit: query.limit, offset: query.offset });
    const afterSequence = query.cursor === undefined ? undefined : readSequenceCursor(query.cursor);
    const listed = await database.transaction(principal, (transaction) =>
      listSettlementEvents(transaction, params.settlement_id, { ...page, afterSequence }),
    );
    if (listed === undefined) throw notFound();
    return { status: 200, body: envelope(query, listed, showEvent, sequenceCursor) };
  };
}

export function getProofHandler({ database }: ApiDependencies): Handler<typeof contract.getProof> {
  return async ({ principal, params }) => {
    const pack = await database.transaction(principal, (transaction) => readProof(transaction, params.settlement_id));
    if (pack === undefined) throw notFound();
    if (pack === null) throw new KeystoneError('proof_not_ready', 'There is a proof once the settlement is finalised.');
    return { status: 200, text: pack };
  };
}

/** Asked by stock clients for both halves of a repo, which no template of ours makes. */
export function getRelatedHandler({ database }: ApiDependencies): Handler<typeof contract.getRelated> {
  return async ({ caller, principal, params }) => {
    const settlement = await database.transaction(principal, (transaction) =>
      readSettlement(transaction, params.settlement_id, readerOf(caller)),
    );
    if (settlement === undefined) throw notFound();
    return { status: 200, body: { opening: null, closing: null } };
  };
}
