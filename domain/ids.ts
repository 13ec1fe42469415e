/** A UUID in its canonical lower-case text form. */
export type Uuid = string;

const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(value: string): value is Uuid {
  return UUID_PATTERN.test(value);
}

/** UUID → bytes32: 16 UUID bytes then 16 zero bytes (seed 002, design §5). */
export function uuidToBytes32(id: Uuid): `0x${string}` {
  if (!isUuid(id)) throw new TypeError('uuidToBytes32 wants a lower-case UUID');
  return `0x${id.replaceAll('-', '')}${'0'.repeat(32)}`;
}

/** The inverse of `uuidToBytes32`; undefined when the low 16 bytes are not zero, since then no UUID of ours stands behind it. */
export function bytes32ToUuid(value: string): Uuid | undefined {
  const hex = value.toLowerCase().replace(/^0x/, '');
  if (!/^[0-9a-f]{32}0{32}$/.test(hex)) return undefined;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

export const TRADE_REFERENCE_PREFIX = 'KS-';

/** The workflow of a settlement; its id is derived, so that a second start of the same settlement is refused by the server. */
export function settlementWorkflowId(settlementId: Uuid): string {
  return `settlement-${settlementId}`;
}

/** The workflow that retries one event towards one endpoint. */
export function deliveryWorkflowId(eventId: string, endpointId: Uuid): string {
  return `delivery-${eventId}-${endpointId}`;
}
