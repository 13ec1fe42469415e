import { z } from 'zod';

import { KeystoneError } from '../domain/errors.ts';
import type { Database } from '../db/pool.ts';
import { API_LIMITS } from './limits.ts';
import type { Handler, RouteContract } from './route.ts';

const statusOut = z.looseObject({ status: z.string() }).meta({ id: 'Status' });

export const healthz = {
  operationId: 'healthz',
  tag: 'operation',
  method: 'get',
  path: '/healthz',
  summary: 'Whether the process runs.',
  access: 'public',
  responses: { 200: { description: 'It runs.', schema: statusOut } },
  errors: [],
} as const satisfies RouteContract;

export const readyz = {
  operationId: 'readyz',
  tag: 'operation',
  method: 'get',
  path: '/readyz',
  summary: 'Whether the process can serve: its database answers and it is not stopping.',
  access: 'public',
  responses: { 200: { description: 'It can.', schema: statusOut } },
  errors: ['database_unavailable'],
} as const satisfies RouteContract;

export const openapi = {
  operationId: 'openapi',
  tag: 'operation',
  method: 'get',
  path: '/openapi.json',
  summary: 'This document.',
  access: 'public',
  responses: {
    200: {
      description: 'OpenAPI 3.1.',
      schema: z.looseObject({ openapi: z.string() }).meta({ id: 'OpenApiDocument' }),
    },
  },
  errors: [],
} as const satisfies RouteContract;

export function healthzHandler(): Handler<typeof healthz> {
  return async () => ({ status: 200, body: { status: 'ok' } });
}

/** Temporal is not asked: the API answers correctly while it is down. */
export function readyzHandler(database: Database, isDraining: () => boolean): Handler<typeof readyz> {
  return async () => {
    if (isDraining()) throw new KeystoneError('database_unavailable', 'The process is stopping.');
    await within(
      API_LIMITS.readinessMs,
      database.transaction({ kind: 'worker' }, (transaction) => transaction.query('SELECT 1')),
    );
    return { status: 200, body: { status: 'ready' } };
  };
}

async function within<Result>(milliseconds: number, work: Promise<Result>): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new KeystoneError('database_unavailable', 'The database does not answer in time.')),
    milliseconds,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
