import { describe, expect, it } from '@jest/globals';
import { authorizationOf, signatureOf, signedText } from './lseg-signature.ts';

const DATE = 'Tue, 07 Jun 2016 20:51:35 GMT';

describe('World-Check request signing', () => {
  it("reproduces the vendor's known answer, odd capital and mixed line ends included", () => {
    const body = '{\n "caseId": "my customer ID",\r\n "name": "John Doe",\r\n "providerTypes": ["WATCHLIST"]\r\n}';
    expect(Buffer.byteLength(body)).toBe(88);
    const request = {
      method: 'POST',
      path: '/screening/V3/cases',
      host: 'api.risk.lseg.com',
      date: DATE,
      body,
    } as const;
    expect(signatureOf(request, '1234')).toBe('zdD/rjgxGFhz9YSlZ7LHjNei/dy2K5QC8rhilcCq8ek=');
  });

  it('signs three lines when there is no body', () => {
    const request = { method: 'GET', path: '/screening/v3/groups', host: 'api.risk.lseg.com', date: DATE } as const;
    expect(signedText(request).split('\n')).toHaveLength(3);
    expect(signatureOf(request, 'test-secret')).toBe('00UjNpBbqVPZsoxuesetHkJHUpfpLwkhrkoj7TPF2kI=');
    expect(authorizationOf(request, 'key', 'test-secret')).toContain('headers="(request-target) host date",');
  });

  it('counts UTF-8 bytes, not characters', () => {
    const body = '{"name":"Société Générale"}';
    expect(Buffer.byteLength(body)).toBe(31);
    const host = 'api-worldcheck.refinitiv.com';
    const request = { method: 'POST', path: '/v2/cases/screeningRequest', host, date: DATE, body } as const;
    expect(signatureOf(request, 'test-secret')).toBe('1fL9r2bB0NEsumZnJ6gLeTvCwV4WmruglrFh1+js6IM=');
  });
});
