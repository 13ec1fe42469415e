import { KeystoneError } from '../domain/errors.ts';
import { isUuid } from '../domain/ids.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Listed, ListPosition, Page } from '../db/settlements.ts';

export interface PageQuery {
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
  readonly cursor?: string | undefined;
}

const CREATED_KEY = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;

/** The page that a query asks for. Throws `validation_failed` for a cursor that is not one of ours. */
export function pageOf(query: PageQuery): Page {
  return {
    limit: query.limit ?? LIMITS.listDefault,
    offset: query.offset ?? 0,
    after: query.cursor === undefined ? undefined : readCursor(query.cursor),
  };
}

/** The list envelope; `positionOf` says where the last item stands. */
export function envelope<Item, Shown>(
  query: PageQuery,
  listed: Listed<Item>,
  show: (item: Item) => Shown,
  cursorOf: (item: Item) => string,
) {
  const last = listed.items.at(-1);
  return {
    items: listed.items.map(show),
    total: listed.total,
    limit: query.limit ?? LIMITS.listDefault,
    offset: query.cursor === undefined ? (query.offset ?? 0) : 0,
    next_cursor: listed.hasMore && last !== undefined ? cursorOf(last) : null,
    has_more: listed.hasMore,
  };
}

export function positionCursor(item: { readonly created_key: string; readonly id: string }): string {
  return Buffer.from(`${item.created_key}/${item.id}`).toString('base64url');
}

function readCursor(cursor: string): ListPosition {
  const [createdKey = '', id = '', ...rest] = Buffer.from(cursor, 'base64url').toString('latin1').split('/');
  const valid =
    rest.length === 0 && CREATED_KEY.test(createdKey) && !Number.isNaN(Date.parse(createdKey)) && isUuid(id);
  if (!valid) throw badCursor();
  return { createdKey, id };
}

/** Events are listed by their sequence. */
export function sequenceCursor(event: { readonly sequence: number }): string {
  return Buffer.from(`s/${event.sequence}`).toString('base64url');
}

export function readSequenceCursor(cursor: string): number {
  const match = /^s\/([0-9]{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  if (match === null) throw badCursor();
  return Number(match[1]);
}

function badCursor(): KeystoneError {
  return new KeystoneError('validation_failed', 'The cursor is not one that a list has given.', {
    fields: [{ pointer: '?cursor', detail: 'Take it from next_cursor of the page before.' }],
  });
}

/** A list without anything, for a filter that nothing can match. */
export const NOTHING: Listed<never> = { items: [], total: 0, hasMore: false };
