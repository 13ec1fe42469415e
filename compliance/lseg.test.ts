import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type LsegSandbox, SANDBOX_GROUP_ID, startLsegSandbox } from '../dev/sandboxes/lseg.ts';
import { startServer } from '../dev/sandboxes/loopback-server.ts';
import type { ScreeningLimits } from './limits.ts';
import { createLsegProvider, type LsegOptions } from './lseg.ts';
import { type ScreeningRequest, ScreeningUnavailable } from './provider.ts';

const API_KEY = 'b2c0c1a4-0000-4000-8000-000000000001';
const API_SECRET = 'c2VjcmV0LXRoYXQtbG9va3MtbGlrZS1iYXNlNjQ=';
const QUICK: Partial<ScreeningLimits> = {
  worldCheckScreenMs: 400,
  worldCheckReadMs: 400,
  worldCheckTotalMs: 5_000,
  worldCheckStatusPauseMs: 5,
  retryBaseMs: 1,
  breakerOpenMs: 60,
  breakerProbeWaitMs: 5,
};

interface ControlState {
  cases: number;
  calls: Record<string, number>;
}

let sandbox: LsegSandbox;
beforeEach(async () => {
  sandbox = await startLsegSandbox({ port: 0, apiKey: API_KEY, apiSecret: API_SECRET });
});
afterEach(() => sandbox.close());

async function control(settings?: Record<string, unknown>): Promise<ControlState> {
  const init = settings === undefined ? {} : { method: 'POST', body: JSON.stringify(settings) };
  const response = await fetch(`${sandbox.url}/__control`, init);
  expect(response.status).toBe(200);
  return (await response.json()) as ControlState;
}

function provider(changes: Partial<LsegOptions> = {}) {
  return createLsegProvider({
    baseUrl: sandbox.baseUrl,
    apiKey: API_KEY,
    apiSecret: API_SECRET,
    groupId: SANDBOX_GROUP_ID,
    simulated: true,
    requestsPerSecond: 1_000,
    ...changes,
    limits: { ...QUICK, ...changes.limits },
  });
}

let round = 0;
function request(name: string | undefined, changes: Partial<ScreeningRequest> = {}): ScreeningRequest {
  round += 1;
  const { signal } = new AbortController();
  const subject = name === undefined ? {} : { name };
  return { kind: 'entity', caseId: `settlement-1:seller:${round}`, ...subject, country: 'GBR', signal, ...changes };
}

describe('entity screening against the World-Check wire protocol', () => {
  it.each([
    ['Acme Securities', 'PASS', 'WC_CLEAR'],
    ['Société Générale & Söhne', 'PASS', 'WC_CLEAR'],
    ['Flagme Brothers Ltd', 'FLAGGED', 'WC_POSSIBLE_SANCTIONS'],
    ['The SANCTIONED Company', 'FAIL', 'WC_CONFIRMED_SANCTIONS'],
    ['Nordhavn Petrochemical Export A/S', 'FAIL', 'WC_CONFIRMED_SANCTIONS'],
    ['Borealis Meridian Trading House', 'FLAGGED', 'WC_STRONG_SANCTIONS'],
    ['Tamarind Coast Energy Corporation', 'FLAGGED', 'WC_PEP'],
    ['Ashgrove Lindqvist Holdings', 'PASS', 'WC_RULED_OUT'],
    ['Vestergate Recovery Partners', 'FLAGGED', 'WC_REVIEW'],
    ['Calder & Voss Shipping Ltd.', 'PASS', 'WC_LOW'],
  ])('%s: %s', async (name, status, reasonCode) => {
    const outcome = await provider().screen(request(name));
    expect(outcome).toMatchObject({ status, reasonCode, provider: 'lseg-world-check', simulated: true });
    expect(outcome.referenceId).toMatch(/^[0-9a-z]{25}$/);
    expect(JSON.stringify(outcome)).not.toContain(name);
  });

  it('reads group and case template once for many screenings', async () => {
    const entity = provider();
    await Promise.all(['Acme', 'Beta'].map((name) => entity.screen(request(name))));
    await entity.screen(request('Gamma'));
    const { calls } = await control();
    expect(calls).toMatchObject({ 'GET /v2/groups/:id': 1, 'GET /v2/groups/:id/caseTemplate': 1 });
    expect(calls['POST /v2/cases/screeningRequest']).toBe(3);
  });

  it('accepts a base address without the version path', async () => {
    const outcome = await provider({ baseUrl: sandbox.url }).screen(request('Acme'));
    expect(outcome.status).toBe('PASS');
  });

  it('flags what cannot be screened: no name, and a name that the gateway refuses', async () => {
    const expected = { status: 'FLAGGED', reasonCode: 'WC_NOT_SCREENABLE' };
    expect(await provider().screen(request(undefined))).toMatchObject(expected);
    expect(await provider().screen(request("O' AND Sons"))).toMatchObject(expected);
  });
});

describe('a request that no repetition can mend', () => {
  it.each<[string, Partial<ScreeningRequest>]>([
    ['another kind', { kind: 'wallet' }],
    ['no caseId', { caseId: '' }],
    ['a country in two letters', { country: 'GB' }],
  ])('%s is a TypeError and no call', async (_what, changes) => {
    await expect(provider().screen(request('Acme', changes))).rejects.toBeInstanceOf(TypeError);
    expect((await control()).calls).toEqual({});
  });
});

describe('one case for one caseId', () => {
  it('finds the stored case when the answer was lost after storing', async () => {
    const entity = provider();
    await entity.screen(request('Acme'));
    await control({ drop_next: 1, match: 'POST /v2/cases/screeningRequest' });
    const outcome = await entity.screen(request('SANCTIONED Ltd'));
    expect(outcome).toMatchObject({ status: 'FAIL', reasonCode: 'WC_CONFIRMED_SANCTIONS' });
    expect(await control()).toMatchObject({ cases: 2, calls: { 'POST /v2/cases/screeningRequest': 2 } });
  });

  it('finds it when the provider stored it only after our time limit', async () => {
    const entity = provider({ limits: { worldCheckScreenMs: 250, worldCheckReadMs: 3_000 } });
    await entity.screen(request('Acme'));
    await control({ delay_ms: 500 });
    expect((await entity.screen(request('Flagme'))).status).toBe('FLAGGED');
    await control({ delay_ms: 0 });
    expect(await control()).toMatchObject({ cases: 2, calls: { 'POST /v2/cases/screeningRequest': 2 } });
  });

  it('finds it when the answer made no sense', async () => {
    const entity = provider();
    await control({ malformed_next: 1, match: 'POST /v2/cases/screeningRequest' });
    expect((await entity.screen(request('Flagme'))).status).toBe('FLAGGED');
    expect(await control()).toMatchObject({ cases: 1 });
  });

  it('gives the same reference when the same check is repeated', async () => {
    const check = request('Beta Capital');
    const first = await provider().screen(check);
    const second = await provider().screen(check);
    expect(second.referenceId).toBe(first.referenceId);
    expect(await control()).toMatchObject({ cases: 1 });
  });

  it('screens a case that was created but never screened, instead of taking it for clean', async () => {
    const check = request('SANCTIONED Ltd');
    const entity = provider();
    await createUnscreened(check.caseId, 'SANCTIONED Ltd');
    expect((await entity.screen(check)).status).toBe('FAIL');
    const { calls } = await control();
    expect(calls['POST /v2/cases/:id/screeningRequest']).toBe(1);
  });

  it('refuses the stored case of another name under the same caseId', async () => {
    const check = request('Acme Securities');
    await provider().screen(check);
    const other = provider().screen({ ...check, name: 'SANCTIONED Ltd' });
    await expect(other).rejects.toMatchObject({ reason: 'CONFIGURATION' });
  });

  it('creates one case when the same check runs twice at once', async () => {
    const check = request('Beta Capital');
    const [first, second] = await Promise.all([provider().screen(check), provider().screen(check)]);
    expect(first.referenceId).toBe(second.referenceId);
    expect(await control()).toMatchObject({ cases: 1 });
  });
});

/** Creates a case by the asynchronous call, signed like any other. */
async function createUnscreened(caseId: string, name: string): Promise<void> {
  const { authorizationOf } = await import('./lseg-signature.ts');
  const url = new URL(`${sandbox.baseUrl}/cases`);
  const body = JSON.stringify({
    groupId: SANDBOX_GROUP_ID,
    entityType: 'ORGANISATION',
    name,
    caseId,
    providerTypes: ['WATCHLIST'],
    secondaryFields: [{ typeId: 'SFCT_6', value: 'GBR' }],
  });
  const date = new Date().toUTCString();
  const signable = { method: 'POST', path: url.pathname, host: url.host, date, body } as const;
  const authorization = authorizationOf(signable, API_KEY, API_SECRET);
  const headers = { date, authorization, 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body });
  expect(response.status).toBe(201);
}

describe('when World-Check cannot answer', () => {
  it('an outage is unavailable, never a pass, and heals', async () => {
    const entity = provider();
    await control({ outage: true });
    const failure = await entity.screen(request('Acme')).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ScreeningUnavailable);
    expect(failure).toMatchObject({ provider: 'lseg-world-check', reason: 'PROVIDER_ERROR' });
    await control({ outage: false });
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect((await entity.screen(request('Acme'))).status).toBe('PASS');
    expect(entity.health()).toMatchObject({ state: 'closed', lastFailureReason: 'PROVIDER_ERROR', simulated: true });
  });

  it('stops calling after five failures in a row and says when to come back', async () => {
    const entity = provider({ limits: { breakerOpenMs: 30_000 } });
    await control({ outage: true });
    await expect(entity.screen(request('Acme'))).rejects.toBeInstanceOf(ScreeningUnavailable);
    await expect(entity.screen(request('Acme'))).rejects.toBeInstanceOf(ScreeningUnavailable);
    const before = await control();
    expect(entity.health().state).toBe('open');
    const refused = entity.screen(request('Acme'));
    await expect(refused).rejects.toMatchObject({ reason: 'BREAKER_OPEN', retryAfterMs: expect.any(Number) });
    expect((await control()).calls).toEqual(before.calls);
  });

  it('a slow provider ends in a time-out within the limit', async () => {
    await control({ delay_ms: 2_000 });
    const started = performance.now();
    const slow = provider({ limits: { worldCheckReadMs: 50, attempts: 2 } }).screen(request('Acme'));
    await expect(slow).rejects.toMatchObject({ reason: 'TIMEOUT' });
    expect(performance.now() - started).toBeLessThan(1_000);
    await control({ delay_ms: 0 });
  });

  it('a caller that goes away ends the call', async () => {
    await control({ delay_ms: 2_000 });
    const caller = new AbortController();
    setTimeout(() => caller.abort(), 20);
    const cancelled = provider({ limits: { worldCheckReadMs: 5_000 } }).screen(
      request('Acme', { signal: caller.signal }),
    );
    await expect(cancelled).rejects.toMatchObject({ reason: 'CANCELLED' });
    await control({ delay_ms: 0 });
  });

  it('throttling is waited out when short', async () => {
    const entity = provider();
    await entity.screen(request('Acme'));
    await control({ fail_next: 1, fail_status: 429, match: 'screeningRequest' });
    expect((await entity.screen(request('Acme'))).status).toBe('PASS');
  });

  it('wrong credentials are unauthorised and say nothing secret', async () => {
    const wrong = provider({ apiSecret: 'another-secret-value' }).screen(request('Personal Name'));
    const failure: unknown = await wrong.catch((error: unknown) => error);
    expect(failure).toMatchObject({ reason: 'UNAUTHORIZED' });
    expect(`${String(failure)} ${JSON.stringify(failure)}`).not.toMatch(/another-secret|Personal|127\.0\.0\.1/);
  });

  it.each([
    ['an empty body', ''],
    ['HTML', '<html>maintenance</html>'],
    ['null', 'null'],
    ['a case without results', '{"caseId":"$ID","caseSystemId":"x"}'],
    [
      'results without categories',
      '{"caseId":"$ID","caseSystemId":"x","results":[{"resultId":"1","matchStrength":"WEAK"}]}',
    ],
    ['another case', '{"caseId":"other","caseSystemId":"x","results":[]}'],
  ])('malformed answers never pass: %s', async (_what, text) => {
    const check = request('Acme');
    const broken = await startServer({ port: 0 }, (received) => {
      if (received.path.endsWith('/caseTemplate')) {
        return { status: 200, json: { groupScreeningType: 'CASE_MANAGEMENT_AUDIT' } };
      }
      if (received.path.startsWith('/v2/groups/'))
        return { status: 200, json: { id: SANDBOX_GROUP_ID, status: 'ACTIVE' } };
      if (received.path === '/v2/caseReferences') return { status: 404, json: [] };
      return { status: 200, text: text.replace('$ID', check.caseId) };
    });
    try {
      const screening = provider({ baseUrl: broken.url }).screen(check);
      await expect(screening).rejects.toMatchObject({ reason: 'MALFORMED_ANSWER' });
    } finally {
      await broken.close();
    }
  });

  it('a sandbox never clears anybody where a real provider is configured', async () => {
    const mixedUp = provider({ simulated: false }).screen(request('Acme'));
    await expect(mixedUp).rejects.toMatchObject({ reason: 'CONFIGURATION' });
  });
});
