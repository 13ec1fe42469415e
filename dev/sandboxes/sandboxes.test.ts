import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CipherOwlSandbox, startCipherOwlSandbox } from './cipherowl.ts';
import { type LsegSandbox, SANDBOX_GROUP_ID, startLsegSandbox } from './lseg.ts';

const API_KEY = 'key';
const API_SECRET = 'c2VjcmV0LXNlY3JldC1zZWNyZXQ=';

let lseg: LsegSandbox;
let cipherowl: CipherOwlSandbox;
beforeEach(async () => {
  lseg = await startLsegSandbox({ port: 0, apiKey: API_KEY, apiSecret: API_SECRET });
  cipherowl = await startCipherOwlSandbox({ port: 0, clientId: 'client', clientSecret: 'secret' });
});
afterEach(async () => {
  await lseg.close();
  await cipherowl.close();
});

interface Attempt {
  method?: string;
  path?: string;
  signedPath?: string;
  body?: string;
  signedBody?: string;
  secret?: string | Buffer;
  key?: string;
  date?: string;
  signedHeaders?: string;
  contentType?: string;
}

/** Signs by the published rule, each part replaceable by a wrong one. */
async function attempt(wanted: Attempt): Promise<Response> {
  const method = wanted.method ?? 'POST';
  const path = wanted.path ?? '/v2/cases/screeningRequest';
  const url = new URL(lseg.url + path);
  const date = wanted.date ?? new Date().toUTCString();
  const body = wanted.signedBody ?? wanted.body;
  const contentType = wanted.contentType ?? 'application/json';
  let text = `(request-target): ${method.toLowerCase()} ${wanted.signedPath ?? path}\nhost: ${url.host}\ndate: ${date}`;
  let names = '(request-target) host date';
  if (body !== undefined) {
    text += `\ncontent-type: ${contentType}\ncontent-length: ${Buffer.byteLength(body)}\n${body}`;
    names += ' content-type content-length';
  }
  const signature = createHmac('sha256', wanted.secret ?? API_SECRET)
    .update(text)
    .digest('base64');
  const headerNames = wanted.signedHeaders ?? names;
  const authorization = `Signature keyId="${wanted.key ?? API_KEY}",algorithm="hmac-sha256",headers="${headerNames}",signature="${signature}"`;
  const headers = { date, authorization, ...(wanted.body === undefined ? {} : { 'content-type': contentType }) };
  return fetch(url, { method, headers, ...(wanted.body === undefined ? {} : { body: wanted.body }) });
}

const BODY = JSON.stringify({
  groupId: SANDBOX_GROUP_ID,
  entityType: 'ORGANISATION',
  name: 'Société Générale',
  caseId: 'case-1',
  providerTypes: ['WATCHLIST'],
});

describe('World-Check sandbox', () => {
  it('accepts what is signed by the rule', async () => {
    const response = await attempt({ body: BODY });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ caseId: 'case-1', results: [], simulated: true });
    const reference = { method: 'GET', path: '/v2/caseReferences?caseId=case-1', signedPath: '/v2/caseReferences' };
    expect((await attempt(reference)).status).toBe(200);
  });

  const aMinuteAgo = new Date(Date.now() - 120_000).toUTCString();
  it.each<[string, Attempt]>([
    ['a re-serialised body', { body: JSON.stringify(JSON.parse(BODY), null, 1), signedBody: BODY }],
    ['a stale date', { body: BODY, date: aMinuteAgo }],
    ['a date that is not GMT', { body: BODY, date: new Date().toISOString() }],
    ['a base64-decoded secret', { body: BODY, secret: Buffer.from(API_SECRET, 'base64') }],
    ['another key', { body: BODY, key: 'other' }],
    ['a signed query', { method: 'GET', path: '/v2/caseReferences?caseId=case-1' }],
    [
      'content headers named but absent',
      { method: 'GET', path: '/v2/groups', signedHeaders: '(request-target) host date content-type content-length' },
    ],
    ['a body that is not signed', { body: BODY, signedHeaders: '(request-target) host date' }],
  ])('refuses %s with the empty 401', async (_what, wanted) => {
    const response = await attempt(wanted);
    expect(response.status).toBe(401);
    expect(await response.text()).toBe('');
    expect(response.headers.get('authorization')).toMatch(/^WWW-Authenticate: Signature realm=/);
  });

  it('keeps a caseId unique, with errors as an array', async () => {
    expect((await attempt({ body: BODY })).status).toBe(200);
    const second = await attempt({ body: BODY });
    expect(second.status).toBe(400);
    expect(await second.json()).toEqual([expect.objectContaining({ error: 'CASE_ID_EXISTS' })]);
  });

  it('answers 415 to other media types and the gateway refusal to unknown bases', async () => {
    expect((await attempt({ body: BODY, contentType: 'text/plain' })).status).toBe(415);
    expect((await attempt({ body: BODY, path: '/v9/cases' })).status).toBe(403);
  });

  it('refuses a control body with a field that it does not know', async () => {
    const response = await fetch(`${lseg.url}/__control`, { method: 'POST', body: '{"outtage":true}' });
    expect(response.status).toBe(400);
  });
});

function askToken(body: string, type = 'application/json'): Promise<Response> {
  return fetch(`${cipherowl.url}/oauth/token`, { method: 'POST', headers: { 'content-type': type }, body });
}

describe('CipherOwl sandbox', () => {
  const credentials = { client_id: 'client', client_secret: 'secret', audience: 'svc.cipherowl.ai' };
  it('gives a token to the right client only', async () => {
    const grant = { grant_type: 'client_credentials' };
    const good = await askToken(JSON.stringify({ ...credentials, ...grant }));
    expect(await good.json()).toMatchObject({ expires_in: 86_400, token_type: 'Bearer' });
    const wrong = { ...credentials, client_secret: 'Secret' };
    expect((await askToken(JSON.stringify({ ...wrong, ...grant }))).status).toBe(401);
    expect((await askToken(JSON.stringify({ ...credentials, ...grant, audience: 'other' }))).status).toBe(401);
    const form = new URLSearchParams({ ...credentials, ...grant }).toString();
    expect((await askToken(form, 'application/x-www-form-urlencoded')).status).toBe(400);
  });

  it('answers nothing without a token, in the shape of google.rpc.Status', async () => {
    const url = `${cipherowl.url}/api/screen/v1/chains/evm/addresses/0x0000000000000000000000000000000000000001`;
    const response = await fetch(url, { headers: { authorization: 'Bearer nothing' } });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ code: 16, message: 'unauthenticated', details: [] });
  });
});
