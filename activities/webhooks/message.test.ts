import { describe, expect, it } from '@jest/globals';

import type { EventToTell } from '../../db/webhook-deliveries.ts';
import { WEBHOOK_LIMITS } from './limits.ts';
import { messageBody } from './message.ts';

const event: EventToTell = {
  event_id: '7d0f4c1e-52a8-4c0b-9f8e-3f0f5f1b2c3d',
  settlement_id: '0b9f2a64-6d0c-4f0a-8a57-1a2b3c4d5e6f',
  settlement_type: 'cross_platform',
  sequence: 5,
  type: 'settlement.state.awaiting_deposits',
  from_state: 'COMPLIANCE_CLEARED',
  to_state: 'AWAITING_DEPOSITS',
  payload: {},
  created_at: new Date('2026-11-21T12:00:00.000Z'),
  environment_ids: [],
  endpoints: [],
};
const dataOf = (body: string) => (JSON.parse(body) as { data: Record<string, unknown> }).data;

describe('a message body', () => {
  it('is not overruled by the payload of its event', () => {
    const data = dataOf(
      messageBody({ ...event, payload: { settlement_id: 'other', state: 'FINALIZED', sequence: 99, note: 1 } }),
    );
    expect(data).toMatchObject({
      settlement_id: event.settlement_id,
      state: 'AWAITING_DEPOSITS',
      sequence: 5,
      note: 1,
    });
  });

  it('leaves deposit instructions out rather than growing beyond its limit', () => {
    const huge = [{ transactions: 'x'.repeat(WEBHOOK_LIMITS.messageBytes) }];
    expect(dataOf(messageBody(event, huge))).not.toHaveProperty('deposits');
    expect(dataOf(messageBody(event, [{ transactions: 'x' }]))).toHaveProperty('deposits');
  });
});
