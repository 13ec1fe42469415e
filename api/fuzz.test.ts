import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { JsonValue } from '../keystone/json.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { RouteContract } from './route.ts';
import { createRoutes } from './routes.ts';
import { problemOut } from './schemas.ts';
import {
  exampleConfirmation,
  exampleSettlement,
  startTestApi,
  type TestAnswer,
  type TestApi,
  textAt,
} from './testing/test-api.ts';

/** Requests made from the table of routes: valid ones, ones with one thing broken, and hostile ones. fast-check prints the seed of a failure. */
const RUNS_PER_ROUTE = 25;
const contracts = createRoutes({} as ApiDependencies, () => false).map(({ contract }) => contract);

const hostileText = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\u0000',
    '\ud800',
    '__proto__',
    'constructor',
    '../../etc/passwd',
    "' OR 1=1 --",
    '%00',
    '%zz',
    'null',
    '١٢٣',
    '💥'.repeat(50),
  ),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.uuid(),
);
const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    0,
    1e308,
    1e-7,
    Number.MAX_SAFE_INTEGER + 2,
    [],
    {},
    [[]],
    [null],
    { a: null },
    'x'.repeat(9_000),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Every place of a value, as a list of steps. */
function places(value: JsonValue, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([name, member]) =>
      places(member, [...path, Array.isArray(value) ? Number(name) : name]),
    ),
  ];
}

function replaced(value: JsonValue, path: readonly (string | number)[], by: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return by;
  const copy = structuredClone(value) as Record<string | number, JsonValue>;
  copy[step] = replaced(copy[step] ?? null, rest, by) as JsonValue;
  return copy;
}

function bodyOf(contract: RouteContract): fc.Arbitrary<string | undefined> {
  if (contract.body === undefined) return fc.constantFrom(undefined, '{}', '[');
  const example = contract.example ?? {};
  const broken = fc
    .tuple(fc.constantFrom(...places(example)), hostileValue)
    .map(([path, value]) => JSON.stringify(replaced(example, path, value)) ?? 'null');
  const cut = fc.nat({ max: 200 }).map((length) => JSON.stringify(example).slice(0, length));
  const noise = fc.string({ unit: 'binary', maxLength: 100 });
  return fc.oneof(
    { weight: 6, arbitrary: broken },
    { weight: 1, arbitrary: cut },
    { weight: 1, arbitrary: noise },
    { weight: 1, arbitrary: fc.constant(JSON.stringify(example)) },
  );
}

const query = fc.oneof(
  fc.constant(''),
  fc
    .array(fc.tuple(fc.constantFrom('limit', 'offset', 'cursor', 'state', 'status', '__proto__'), hostileText), {
      maxLength: 3,
    })
    .map(
      (pairs) => `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join('&')}`,
    ),
  fc.constantFrom('?%zz', '?&&&', '?limit', '?cursor=%00', '?limit=%F0%28'),
);

function expectDeclared(contract: RouteContract, answer: TestAnswer): void {
  const what = `${answer.status} ${answer.text.slice(0, 300)}`;
  expect([what, answer.status < 500]).toEqual([what, true]);
  const declared = contract.responses[answer.status];
  if (declared === undefined) {
    expect([what, problemOut.safeParse(answer.body).success]).toEqual([what, true]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  } else if (declared.schema !== undefined) {
    expect([what, declared.schema.safeParse(answer.body).error?.issues]).toEqual([what, undefined]);
  }
}

describe('whatever is sent', () => {
  let api: TestApi;
  let token: string;
  let settlementId: string;
  let instructionId: string;
  let endpointId: string;

  beforeAll(async () => {
    api = await startTestApi({
      checkWebhookUrl: async () => ({ allowed: true }),
      webhookSender: { send: async () => ({ ok: true, durationMs: 1 }) },
    });
    const [a, b] = [await api.addPlatform(), await api.addPlatform('platform-b')];
    token = a.token;
    settlementId = textAt(
      await api.call('POST', '/v1/settlements', { token: b.token, body: exampleSettlement(a.slug) }),
      '/id',
    );
    await api.call('POST', `/v1/settlements/${settlementId}/confirm`, { token, body: exampleConfirmation() });
    const instruction = contracts.find(({ operationId }) => operationId === 'submitInstruction')?.example;
    instructionId = textAt(
      await api.call('POST', '/v1/instructions', {
        token,
        body: {
          ...(instruction as object),
          legs: exampleSettlement('x').legs.map(({ party_role: _role, ...leg }) => leg),
        },
      }),
      '/id',
    );
    endpointId = textAt(
      await api.call('POST', '/v1/platforms/me/webhooks', { token, body: { url: 'https://hooks.example.com/' } }),
      '/id',
    );
  }, 60_000);
  afterAll(() => api.stop());

  const parameter = (name: string): fc.Arbitrary<string> => {
    const known: Record<string, string> = {
      settlement_id: settlementId,
      instruction_id: instructionId,
      endpoint_id: endpointId,
      leg_index: '0',
    };
    return fc.oneof(
      { weight: 4, arbitrary: fc.constant(known[name] ?? '6f1d2c1e-6a0b-4f3e-9a54-0f6d1a5d0001') },
      { weight: 2, arbitrary: hostileText.map((text) => encodeURIComponent(text.toWellFormed()) || '%20') },
    );
  };
  function pathOf(contract: RouteContract): fc.Arbitrary<string> {
    const names = [...contract.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
    return fc
      .tuple(...names.map(parameter))
      .map((values) =>
        names.reduce((path, name, index) => path.replace(`{${name}}`, () => values[index] ?? ''), contract.path),
      );
  }

  it.each(contracts.map((contract) => [contract.operationId, contract] as const))(
    '%s answers with a problem document or a declared shape, never 5xx',
    async (_name, contract) => {
      await fc.assert(
        fc.asyncProperty(
          pathOf(contract),
          query,
          bodyOf(contract),
          fc.option(hostileText),
          async (path, search, body, key) => {
            const answer = await api.call(contract.method.toUpperCase(), path + search, {
              token,
              ...(body !== undefined && contract.method !== 'get' && { rawBody: body.toWellFormed() }),
              ...(key !== null && /^[\x20-\x7e]*$/.test(key) && { headers: { 'Idempotency-Key': key } }),
            });
            // A hostile parameter may have led to another address, which has shapes of its own.
            const elsewhere =
              new URL(api.url + path).pathname.split('/').length !== contract.path.split('/').length ||
              path.includes('..');
            if (elsewhere) expect(answer.status).toBeLessThan(500);
            else expectDeclared(contract, answer);
          },
        ),
        { numRuns: RUNS_PER_ROUTE },
      );
    },
    60_000,
  );
});
