import { describe, expect, it } from '@jest/globals';

import { createEndpointGate } from './endpoint-gate.ts';
import { WEBHOOK_LIMITS } from './limits.ts';

const limits = {
  ...WEBHOOK_LIMITS,
  attemptsInFlight: 10,
  attemptsPerEndpoint: 4,
  hesitantAttemptsPerEndpoint: 1,
  unprovenAttemptsInFlight: 3,
  silentAttemptsInFlight: 2,
};
const QUICK = { durationMs: 1, answered: true };
const SLOW = { durationMs: WEBHOOK_LIMITS.quickAnswerMs, answered: true };
const SILENT = { ...SLOW, answered: false };
const REFUSED = { ...QUICK, answered: false };

describe('the endpoint gate', () => {
  it('lets endpoints that never answered hold only their share of the places', () => {
    const gate = createEndpointGate(limits);
    const rooms = gate.allot(['a', 'b', 'c', 'd', 'e']);
    expect(rooms).toHaveLength(3);
    for (const { endpointId } of rooms) gate.enter(endpointId);
    expect(gate.allot(['d', 'e'])).toEqual([]);
  });

  it('opens all places to an endpoint that answered quickly, and closes them when it gets slow', () => {
    const gate = createEndpointGate(limits);
    gate.enter('a');
    gate.leave('a', QUICK);
    expect(gate.allot(['a'])).toEqual([{ endpointId: 'a', room: 4 }]);
    gate.enter('a');
    gate.leave('a', SLOW);
    expect(gate.allot(['a'])).toEqual([{ endpointId: 'a', room: 1 }]);
  });

  it('keeps its counts when an endpoint changes while attempts are in flight', () => {
    const gate = createEndpointGate(limits);
    gate.enter('a');
    gate.leave('a', QUICK);
    for (let count = 0; count < 3; count += 1) gate.enter('a');
    gate.leave('a', SLOW);
    // Two of the three shared places are now held by `a`.
    expect(gate.allot(['b', 'c', 'd'])).toHaveLength(1);
    gate.leave('a', QUICK);
    gate.leave('a', QUICK);
    expect(gate.allot(['b', 'c', 'd', 'e'])).toHaveLength(3);
  });

  it('keeps a late answer out of the line of those that never answer', () => {
    const gate = createEndpointGate(limits);
    for (const name of ['dead-1', 'dead-2', 'dead-3']) {
      gate.enter(name);
      gate.leave(name, SILENT);
    }
    gate.enter('late');
    gate.leave('late', SLOW);
    expect(gate.allot(['dead-1', 'dead-2', 'dead-3', 'late'])).toEqual([
      { endpointId: 'dead-1', room: 1 },
      { endpointId: 'dead-2', room: 1 },
      { endpointId: 'late', room: 1 },
    ]);
  });

  it('does not mind a receiver that refuses quickly, since it holds no place for long', () => {
    const gate = createEndpointGate(limits);
    gate.enter('a');
    gate.leave('a', REFUSED);
    expect(gate.allot(['a'])).toEqual([{ endpointId: 'a', room: 4 }]);
  });

  it('serves slow endpoints in turns', () => {
    const gate = createEndpointGate({ ...limits, unprovenAttemptsInFlight: 1 });
    const order: string[] = [];
    for (let round = 0; round < 6; round += 1) {
      for (const { endpointId } of gate.allot(['a', 'b', 'c'])) {
        order.push(endpointId);
        gate.enter(endpointId);
        gate.leave(endpointId, SLOW);
      }
    }
    expect(order).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  it('never allots more than the free places', () => {
    const gate = createEndpointGate(limits);
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) {
      gate.enter(name);
      gate.leave(name, QUICK);
    }
    const total = gate.allot(names).reduce((sum, { room }) => sum + room, 0);
    expect(total).toBe(10);
  });
});
