import type { Request, Response } from 'express';
import type { z } from 'zod';

import type { Principal } from '../db/pool.ts';
import { type FieldProblem, KeystoneError } from '../domain/errors.ts';
import { pointer } from '../keystone/json.ts';
import type { Authenticate } from './authentication.ts';
import { readJsonBody } from './body.ts';
import { chooseIdempotencyKey, readIdempotencyHeader } from './idempotency.ts';
import { notFound } from './problems.ts';
import type { Answer, Caller, Route, RouteContract } from './route.ts';

/** One request: who is it, may it, what does it say; then the handler. Each step refuses before the next one costs anything. */
export async function serve(
  route: Route,
  authenticate: Authenticate,
  request: Request,
  context: { readonly requestId: string; readonly onCaller: (caller: Caller) => void },
): Promise<Answer> {
  const { contract } = route;
  const caller = contract.access === 'public' ? undefined : await authenticate(request.headers.authorization);
  if (caller !== undefined) {
    context.onCaller(caller);
    authorize(contract, caller);
  }
  const params = parseParams(contract, request);
  const query = parseQuery(contract, request);
  const rawBody = contract.body === undefined ? undefined : await readJsonBody(request);
  const body = parseBodyOf(contract, rawBody);
  return route.handle({
    caller,
    principal: principalOf(caller),
    params,
    query,
    body,
    rawBody,
    idempotencyKey: idempotencyKeyOf(contract, request, body),
    requestId: context.requestId,
  });
}

function authorize(contract: RouteContract, caller: Caller): void {
  if (contract.scope !== undefined && !caller.scopes.has(contract.scope)) {
    throw new KeystoneError('insufficient_scope', `The scope ${contract.scope} is needed.`);
  }
  if (contract.access === 'environment' && caller.kind === 'operator') {
    throw new KeystoneError(
      'client_unknown',
      'This operation is for clients of a platform; an operator belongs to none.',
    );
  }
}

/** A route without a caller never touches a tenant's rows: without a tenant, their policies fail. */
function principalOf(caller: Caller | undefined): Principal {
  if (caller === undefined) return { kind: 'worker' };
  return caller.kind === 'operator' ? { kind: 'operator' } : { kind: 'tenant', environmentId: caller.environmentId };
}

function parseParams(contract: RouteContract, request: Request): unknown {
  if (contract.params === undefined) return undefined;
  const parsed = contract.params.safeParse({ ...request.params });
  // What cannot be an id names nothing.
  if (!parsed.success) throw notFound();
  return parsed.data;
}

function parseQuery(contract: RouteContract, request: Request): unknown {
  if (contract.query === undefined) return undefined;
  const start = request.originalUrl.indexOf('?');
  const entries = start < 0 ? [] : [...new URLSearchParams(request.originalUrl.slice(start + 1))];
  const repeated = entries.find(([name], index) => entries.findIndex(([other]) => other === name) !== index);
  if (repeated !== undefined) throw invalid([{ pointer: `?${repeated[0]}`, detail: 'Given more than once.' }]);
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  // Stock clients send `state=` for "any state": like null in a body, an empty value means absent.
  for (const [name, value] of entries) if (value !== '') values[name] = value;
  const parsed = contract.query.safeParse({ ...values });
  if (parsed.success) return parsed.data;
  throw invalid(problemsOf(parsed.error, (path) => `?${path.join('.')}`));
}

function parseBodyOf(contract: RouteContract, rawBody: unknown): unknown {
  if (contract.body === undefined) return undefined;
  if (rawBody === undefined && contract.bodyOptional !== true) {
    throw new KeystoneError('malformed_json', 'A JSON body is needed.');
  }
  const parsed = contract.body.safeParse(rawBody ?? {});
  if (parsed.success) return parsed.data;
  throw invalid(
    problemsOf(parsed.error, (path) => path.reduce<string>((text, step) => pointer(text, String(step)), '')),
  );
}

function invalid(fields: readonly FieldProblem[]): KeystoneError {
  const [first] = fields;
  const place = first === undefined || first.pointer === '' ? '' : `${first.pointer}: `;
  return new KeystoneError(
    'validation_failed',
    `The request does not validate. ${place}${first?.detail ?? ''}`.trim(),
    { fields },
  );
}

/** Longest piece of the caller's own text that an answer repeats. */
const QUOTED_LENGTH = 100;
const REPORTED_PROBLEMS = 20;

function problemsOf(error: z.ZodError, place: (path: readonly PropertyKey[]) => string): FieldProblem[] {
  const fields = error.issues.flatMap((issue): FieldProblem[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        pointer: place([...issue.path, key.slice(0, QUOTED_LENGTH)]),
        detail: 'Unknown field.',
      }));
    }
    return [{ pointer: place(issue.path), detail: `${issue.message}.` }];
  });
  return fields.slice(0, REPORTED_PROBLEMS);
}

function idempotencyKeyOf(contract: RouteContract, request: Request, body: unknown): string | undefined {
  if (contract.idempotent !== true) return undefined;
  const inBody = (body as { idempotency_key?: string } | undefined)?.idempotency_key;
  return chooseIdempotencyKey(readIdempotencyHeader(request.get('idempotency-key')), inBody);
}

/** Writes an answer. `text` goes out as it is: the bytes of a proof are what was signed. */
export function send(response: Response, answer: Answer): void {
  response.status(answer.status);
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  if (answer.text === undefined && answer.body === undefined) {
    response.end();
    return;
  }
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.end(answer.text ?? JSON.stringify(answer.body));
}
