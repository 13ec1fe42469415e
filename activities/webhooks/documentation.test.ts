import { readFileSync } from 'node:fs';

import { beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import { OTHER_EVENT_TYPES, STATE_EVENT_TYPES } from '../../domain/webhook-events.ts';
import { WEBHOOK_LIMITS } from './limits.ts';
import { messageBody } from './message.ts';
import { generateWebhookSecret, signatureHeaders } from './signature.ts';

const page = readFileSync(new URL('../../docs/reference/webhooks.md', import.meta.url), 'utf8');

function example(label: string): string {
  const found = new RegExp(`\`\`\`${label}\\n([\\s\\S]*?)\\n\`\`\``).exec(page)?.[1];
  if (found === undefined) throw new Error(`the page has no example ${label}`);
  return found;
}

interface Message {
  event: string;
  id: string;
  timestamp: string;
  data: Record<string, string | number> & { settlement_id: string; sequence: number; timestamp: string };
}

const message = JSON.parse(example('json message')) as Message;
const secret = example('text secret').trim();
const headers = Object.fromEntries(
  example('http headers')
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
);

describe('the page about webhooks', () => {
  it('shows a message as it is really made', () => {
    const { settlement_id, state, previous_state, settlement_type, sequence, timestamp, ...payload } = message.data;
    expect(previous_state).toBe('EXECUTING_SWAP');
    const made = messageBody({
      event_id: message.id.replace('evt_', ''),
      settlement_id,
      settlement_type: String(settlement_type),
      sequence,
      type: message.event,
      from_state: 'EXECUTING_SWAP',
      to_state: 'FINALIZED',
      payload,
      created_at: new Date(timestamp),
      environment_ids: [],
      endpoints: [],
    });
    expect(state).toBe('FINALIZED');
    expect(made).toBe(JSON.stringify(message));
  });

  it('shows the headers that belong to it', () => {
    const made = signatureHeaders({
      secrets: [secret],
      messageId: message.id,
      timestampSeconds: Date.parse(message.timestamp) / 1_000,
      body: JSON.stringify(message),
    });
    expect(headers).toEqual({ 'content-type': 'application/json', ...made });
  });

  it('lists exactly the events that exist', () => {
    const catalogue = page.slice(page.indexOf('## Catalogue'), page.indexOf('An endpoint subscribes'));
    const listed = [...catalogue.matchAll(/^\| `([a-z_.]+)` \|/gm)].map((match) => String(match[1]));
    expect(new Set(listed)).toEqual(new Set<string>([...STATE_EVENT_TYPES, ...OTHER_EVENT_TYPES]));
  });

  it('states the limits that are in force', () => {
    expect(page).toContain(`waits ${WEBHOOK_LIMITS.firstAttemptMs / 1_000} s for your answer`);
    expect(page).toContain(`each attempt waiting ${WEBHOOK_LIMITS.retryAttemptMs / 1_000} s`);
    expect(page).toContain(`At most ${WEBHOOK_LIMITS.answerBytes / 1_024} kB`);
    expect(page).toContain(
      `base64 of ${WEBHOOK_LIMITS.secretMinimumBytes} to ${WEBHOOK_LIMITS.secretMaximumBytes} bytes`,
    );
  });
});

describe('its verification in JavaScript', () => {
  type Verify = (body: string, headers: Record<string, string>, secret: string, nowSeconds?: number) => boolean;
  let verify: Verify;
  const body = JSON.stringify(message);
  const sentAt = Date.parse(message.timestamp) / 1_000;

  beforeAll(async () => {
    // The page's own text, loaded as a module, as a reader would.
    const address = `data:text/javascript,${encodeURIComponent(example('js verify'))}`;
    ({ verify } = (await import(address)) as { verify: Verify });
  });

  it('accepts the example, and each of two signatures of a rotation', () => {
    expect(verify(body, headers, secret, sentAt)).toBe(true);
    const [current, previous] = [generateWebhookSecret(), generateWebhookSecret()];
    const timestampSeconds = Math.floor(Date.now() / 1_000);
    const rotated = signatureHeaders({ secrets: [current, previous], messageId: 'evt_1', timestampSeconds, body });
    expect(verify(body, rotated, current)).toBe(true);
    expect(verify(body, rotated, previous)).toBe(true);
    expect(() => new Webhook(previous).verify(body, rotated)).not.toThrow();
  });

  it('refuses another body, secret, id, and an old timestamp', () => {
    expect(verify(`${body} `, headers, secret, sentAt)).toBe(false);
    expect(verify(body, headers, generateWebhookSecret(), sentAt)).toBe(false);
    expect(verify(body, { ...headers, 'webhook-id': 'evt_2' }, secret, sentAt)).toBe(false);
    expect(verify(body, headers, secret, sentAt + 301)).toBe(false);
  });
});
