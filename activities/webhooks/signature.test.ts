import { createHmac } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import { generateWebhookSecret, isWebhookSecret, signatureHeaders } from './signature.ts';

const body = '{"event":"settlement.state.finalized","data":{"name":"Zoë – 500 KBOND"}}';

function sign(secrets: string[], text = body, timestampSeconds = Math.floor(Date.now() / 1_000)) {
  return signatureHeaders({ secrets, messageId: 'evt_1', timestampSeconds, body: text });
}

describe('webhook signatures', () => {
  it('are accepted by the Standard Webhooks library, and refused for another body, id or secret', () => {
    const secret = generateWebhookSecret();
    const headers = sign([secret]);
    expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
    expect(() => new Webhook(secret).verify(`${body} `, headers)).toThrow();
    expect(() => new Webhook(secret).verify(body, { ...headers, 'webhook-id': 'evt_2' })).toThrow();
    expect(() => new Webhook(generateWebhookSecret()).verify(body, headers)).toThrow();
  });

  it('are byte for byte those of the Standard Webhooks library', () => {
    const secret = generateWebhookSecret();
    const at = new Date(1_790_000_000_000);
    const expected = new Webhook(secret).sign('evt_1', at, body);
    expect(sign([secret], body, at.getTime() / 1_000)['webhook-signature']).toBe(expected);
  });

  it('carry the time of the attempt, so that an old attempt cannot be replayed', () => {
    const secret = generateWebhookSecret();
    const headers = sign([secret], body, Math.floor(Date.now() / 1_000) - 3_600);
    expect(() => new Webhook(secret).verify(body, headers)).toThrow(/too old/);
  });

  it('satisfy both the old and the new secret while a rotation overlaps', () => {
    const [current, previous] = [generateWebhookSecret(), generateWebhookSecret()];
    const headers = sign([current, previous]);
    expect(() => new Webhook(current).verify(body, headers)).not.toThrow();
    expect(() => new Webhook(previous).verify(body, headers)).not.toThrow();
    expect(headers['webhook-signature']?.split(' ')).toHaveLength(2);
  });

  it('X-Keystone-Signature is the hex HMAC of the raw body keyed with the whole secret string, prefix included', () => {
    const secret = generateWebhookSecret();
    const expected = createHmac('sha256', secret).update(Buffer.from(body)).digest('hex');
    expect(sign([secret, generateWebhookSecret()])['X-Keystone-Signature']).toBe(expected);
    expect(expected).toMatch(/^[0-9a-f]{64}$/);
  });

  it('are never made with a malformed secret, whose key could be empty and so known to everybody', () => {
    for (const secret of ['', 'whsec_', 'whsec_####', 'plain text', 'whsec_c2hvcnQ=', `${generateWebhookSecret()} `]) {
      expect(isWebhookSecret(secret)).toBe(false);
      expect(() => sign([secret])).toThrow(TypeError);
    }
    expect(() => sign([])).toThrow(TypeError);
  });
});

describe('generateWebhookSecret', () => {
  it('makes whsec_ and base64 of 32 bytes, each time another', () => {
    const secrets = new Set(Array.from({ length: 100 }, () => generateWebhookSecret()));
    expect(secrets.size).toBe(100);
    for (const secret of secrets) {
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
      expect(isWebhookSecret(secret)).toBe(true);
    }
  });
});
