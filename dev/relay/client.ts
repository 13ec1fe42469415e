import type { Fault, FaultInput } from './faults.ts';
import type { PacketView } from './relay.ts';

/** Client of the relay's control endpoint, for the demo and for tests of the running stack. */

const CALL_LIMIT_MS = 10_000;

export interface RelayAddress {
  readonly url: string;
  readonly token: string;
}

/** Packets of a settlement, oldest first; of all when none is named. @throws Error when the relay refuses. */
export async function readPackets(relay: RelayAddress, settlementId?: string): Promise<readonly PacketView[]> {
  const query = settlementId === undefined ? '' : `?settlement_id=${settlementId}`;
  const answer = (await ask(relay, `/packets${query}`)) as { packets: readonly PacketView[] };
  return answer.packets;
}

/** Replaces all faults. @throws Error when the relay refuses. */
export async function setFaults(relay: RelayAddress, faults: readonly FaultInput[]): Promise<readonly Fault[]> {
  const answer = (await ask(relay, '/faults', { faults })) as { faults: readonly Fault[] };
  return answer.faults;
}

async function ask(relay: RelayAddress, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${relay.url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${relay.token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
  });
  if (!response.ok) throw new Error(`the relay answered ${response.status} to ${path}`);
  return response.json();
}
