import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SANDBOX_WALLETS } from '../dev/sandboxes/catalogue.ts';
import { type CipherOwlSandbox, startCipherOwlSandbox } from '../dev/sandboxes/cipherowl.ts';
import { startServer } from '../dev/sandboxes/loopback-server.ts';
import { type CipherOwlOptions, createCipherOwlProvider } from './cipherowl.ts';
import type { ScreeningRequest } from './provider.ts';

const CREDENTIALS = { clientId: 'sandbox-client', clientSecret: 'sandbox-client-secret', audience: 'svc.cipherowl.ai' };
const CLEAN = '0x0000000000000000000000000000000000000001';
const MIXED_CASE = '0x098B716B8Aaf21512996dC57EB0615e2383E2f96';

let sandbox: CipherOwlSandbox;
beforeEach(async () => {
  sandbox = await startCipherOwlSandbox({ port: 0, ...CREDENTIALS });
});
afterEach(() => sandbox.close());

async function control(settings?: Record<string, unknown>): Promise<{ calls: Record<string, number> }> {
  const init = settings === undefined ? {} : { method: 'POST', body: JSON.stringify(settings) };
  const response = await fetch(`${sandbox.url}/__control`, init);
  expect(response.status).toBe(200);
  return (await response.json()) as { calls: Record<string, number> };
}

function provider(changes: Partial<CipherOwlOptions> = {}) {
  return createCipherOwlProvider({
    baseUrl: sandbox.url,
    ...CREDENTIALS,
    config: 'co-sandbox',
    simulated: true,
    requestsPerSecond: 1_000,
    ...changes,
    limits: { cipherOwlScreenMs: 500, cipherOwlReasonMs: 500, retryBaseMs: 1, ...changes.limits },
  });
}

function request(address: string, caseId = 'settlement-1:seller:1'): ScreeningRequest {
  return { kind: 'wallet', caseId, wallet: { address, chainId: 11_155_111 }, signal: new AbortController().signal };
}

describe('wallet screening against the CipherOwl wire protocol', () => {
  it('passes a wallet without risk and refers to config and list version', async () => {
    const outcome = await provider().screen(request(CLEAN));
    expect(outcome).toMatchObject({ status: 'PASS', reasonCode: 'CO_CLEAR', provider: 'cipherowl', simulated: true });
    expect(outcome.referenceId).toMatch(/^co-sandbox:sandbox-2026-01:[0-9a-f]{32}$/);
    expect(JSON.stringify(outcome)).not.toContain(CLEAN.slice(2));
  });

  it.each(Object.keys(SANDBOX_WALLETS.evm))('never passes the published sandbox wallet %s', async (address) => {
    const outcome = await provider().screen(request(address));
    const indirect = ['0x93df2c9c8786242b8fdca3f96b3914b8b4a9f704', '0xab346efef1ffe377cdad686abeab62e83df1099f'];
    expect(outcome.status).toBe(indirect.includes(address) ? 'FLAGGED' : 'FAIL');
  });

  it.each([
    ['Severe', 'FAIL', 'CO_DIRECT_SANCTIONS'],
    ['SevereIndirect', 'FLAGGED', 'CO_SEVERE'],
    ['High', 'FLAGGED', 'CO_HIGH'],
    ['Medium', 'FLAGGED', 'CO_MEDIUM'],
    ['Low', 'FLAGGED', 'CO_UNEXPLAINED'],
    ['Unexplained', 'FLAGGED', 'CO_UNEXPLAINED'],
  ])('a wallet listed as %s by the control API is %s', async (risk, status, reasonCode) => {
    await control({ wallets: { [MIXED_CASE]: risk } });
    expect(await provider().screen(request(MIXED_CASE))).toMatchObject({ status, reasonCode });
    await control({ wallets: { [MIXED_CASE]: 'none' } });
    expect((await provider().screen(request(MIXED_CASE))).status).toBe('PASS');
  });

  it('repeats the same reference for the same check and gives another one to another check', async () => {
    const wallet = provider();
    const first = await wallet.screen(request(CLEAN));
    expect((await wallet.screen(request(CLEAN))).referenceId).toBe(first.referenceId);
    expect((await wallet.screen(request(CLEAN, 'settlement-1:seller:2'))).referenceId).not.toBe(first.referenceId);
  });

  it('asks for a token once, and once more when it is refused', async () => {
    const wallet = provider();
    await Promise.all([wallet.screen(request(CLEAN)), wallet.screen(request(CLEAN))]);
    await wallet.screen(request(CLEAN));
    expect((await control()).calls['POST /oauth/token']).toBe(1);
    await control({ fail_next: 1, fail_status: 401, match: '/api/screen' });
    expect((await wallet.screen(request(CLEAN))).status).toBe('PASS');
    expect((await control()).calls['POST /oauth/token']).toBe(2);
  });
});

describe('when CipherOwl cannot answer', () => {
  it('an outage is unavailable, never a pass', async () => {
    await control({ outage: true });
    await expect(provider().screen(request(CLEAN))).rejects.toMatchObject({
      name: 'ScreeningUnavailable',
      reason: 'PROVIDER_ERROR',
    });
  });

  it('risk without obtainable reasons is flagged, neither passed nor failed', async () => {
    await control({ fail_next: 100, match: '/api/reason', wallets: { [MIXED_CASE]: 'Severe' } });
    const outcome = await provider().screen(request(MIXED_CASE));
    expect(outcome).toMatchObject({ status: 'FLAGGED', reasonCode: 'CO_REASON_UNAVAILABLE' });
  });

  it('wrong credentials are unauthorised', async () => {
    const wrong = provider({ clientSecret: 'not-the-secret' }).screen(request(CLEAN));
    await expect(wrong).rejects.toMatchObject({ reason: 'UNAUTHORIZED' });
  });

  const good = { config: 'co-sandbox', chain: 'evm', address: CLEAN, foundRisk: false, version: '7', simulated: true };
  it.each([
    ['foundRisk left out', { ...good, foundRisk: undefined }],
    ['foundRisk as text', { ...good, foundRisk: 'false' }],
    ['another config echoed', { ...good, config: 'co-vasp' }],
    ['another address echoed', { ...good, address: MIXED_CASE }],
    ['another chain echoed', { ...good, chain: 'tron' }],
    ['no list version', { ...good, version: '' }],
  ])('malformed answers never pass: %s', async (_what, answer) => {
    const token = { access_token: 'token', expires_in: 86_400 };
    const broken = await startServer({ port: 0 }, (received) => ({
      status: 200,
      json: received.path === '/oauth/token' ? token : answer,
    }));
    try {
      const screening = provider({ baseUrl: broken.url }).screen(request(CLEAN));
      await expect(screening).rejects.toMatchObject({ reason: 'MALFORMED_ANSWER' });
    } finally {
      await broken.close();
    }
  });

  it('refuses a wallet that it could not screen before asking anybody', async () => {
    await expect(provider().screen(request('0x1234'))).rejects.toBeInstanceOf(TypeError);
    expect((await control()).calls).toEqual({});
  });

  it('refuses the sandbox configuration as a real one', () => {
    expect(() => provider({ simulated: false })).toThrow(TypeError);
  });
});
