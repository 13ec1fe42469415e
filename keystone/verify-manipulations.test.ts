import { describe, expect, it } from '@jest/globals';
import { bytesToBase64url, base64urlToBytes } from './bytes.ts';
import type { JsonObject } from './json.ts';
import { verifyPack } from './pack.ts';
import { at, mutable, relink, resign } from './testing/forgery.ts';
import * as fixture from './testing/packs.ts';

const payment = fixture.paymentPack();
const trusted_keys = fixture.trusted();

async function refutedBy(text: string): Promise<string[]> {
  const report = await verifyPack(text, { trusted_keys });
  const names = report.checks.filter((check) => check.status === 'refuted').map((check) => check.name);
  expect([report.verdict, report.exit_code]).toEqual(['refuted', 1]);
  return names;
}

function x402(pack: JsonObject, ...path: string[]): JsonObject {
  return at(pack, 'protocols', 'x402', ...path);
}

/** Somebody with the signing key makes each change; all 46 published checks still pass. */
const FORGERIES: readonly (readonly [string, string, () => string])[] = [
  [
    'alg none in the header',
    '[x402] decision JWS alg is EdDSA',
    () =>
      stringify(relink(mutable(payment), { header: (kid) => ({ alg: 'none', kid, typ: 'keystone-decision+jws' }) })),
  ],
  [
    'another key id in the header',
    '[x402] decision key is pinned',
    () =>
      stringify(
        relink(mutable(payment), { header: () => ({ alg: 'EdDSA', kid: 'v0-key', typ: 'keystone-decision+jws' }) }),
      ),
  ],
  [
    'a signature made for another kind of document',
    '[x402] decision JWS typ',
    () => stringify(relink(mutable(payment), { header: (kid) => ({ alg: 'EdDSA', kid, typ: 'JWT' }) })),
  ],
  [
    'the verdict DENY',
    '[x402] decision verdict is ALLOW',
    () => forged((pack) => set(x402(pack, 'decision_object'), 'verdict', 'DENY')),
  ],
  [
    'an attestation of REVERSED',
    'settlement_result is SETTLED',
    () => forged((pack) => set(at(pack, 'settlement', 'attestation'), 'settlement_result', 'REVERSED')),
  ],
  [
    'an attestation of another amount',
    'attestation amount is the settled one',
    () => forged((pack) => set(at(pack, 'settlement', 'attestation', 'settlement_amount'), 'amount_minor', '1')),
  ],
  [
    'an attestation of another asset',
    'attestation asset is the settled one',
    () => forged((pack) => set(at(pack, 'settlement', 'attestation', 'settlement_amount'), 'asset_id', 'USDC.6')),
  ],
  [
    'a decision after the block',
    '[x402] decision time precedes the settlement block',
    () => forged((pack) => set(x402(pack, 'decision_object'), 'decided_at_ms', fixture.DECIDED_AT_MS + 999_999)),
  ],
  [
    'a decision at the very second of the block',
    '[x402] decision time precedes the settlement block',
    () =>
      forged((pack) =>
        set(x402(pack, 'decision_object'), 'decided_at_ms', Number(at(pack, 'settlement_block')['timestamp_s']) * 1000),
      ),
  ],
  [
    'compose_ts_ms back-dated to 1',
    '[x402] decision is not later than compose_ts_ms',
    () => forged((pack) => set(pack, 'compose_ts_ms', 1)),
  ],
  [
    'a forged block time',
    'settlement_block is the transfer’s',
    () => forged((pack) => set(at(pack, 'settlement_block'), 'timestamp_s', 4_000_000_000)),
  ],
  [
    'a trust query reference that is junk',
    '[x402] trust_query_ref recomputes',
    () => {
      const pack = relink(mutable(payment));
      set(x402(pack), 'trust_query_ref', `sha256:${'ab'.repeat(32)}`);
      return stringify(resign(pack));
    },
  ],
  [
    'a member name twice',
    'pack is strict JSON',
    () => stringify(mutable(payment)).replace('"tx":', '"tx":"0x00","tx":'),
  ],
  [
    'the number 1 signed where the pack shows true',
    'pack has the shape of keystone-pack/v1',
    () => {
      const pack = mutable(payment);
      set(x402(pack, 'decision_object'), 'valid_from_ms', true);
      return stringify(
        relink(pack, { payload: (canonical) => canonical.replace('"valid_from_ms":true', '"valid_from_ms":1') }),
      );
    },
  ],
  [
    'a payload that is not canonical',
    '[x402] decision JWS payload is canonical',
    () => stringify(relink(mutable(payment), { payload: (canonical) => ` ${canonical}` })),
  ],
  [
    "an attacker's own key throughout",
    '[x402] decision key is pinned',
    () => {
      const pack = mutable(payment);
      const key = fixture.testKey('9');
      set(at(pack, 'passport_object'), 'signing_kid', key.kid);
      return stringify(relink(pack, { key }));
    },
  ],
  [
    'another agent’s passport in mpp',
    "[mpp] passport_ref is this pack's passport",
    () => {
      const pack = mutable(payment);
      set(at(pack, 'protocols', 'mpp'), 'passport_ref', `sha256:${'cd'.repeat(32)}`);
      return stringify(relink(pack, { ownPassports: true }));
    },
  ],
  [
    'another amount in the mandate',
    '[x402] mandate amounts, assets and recipients are the settled ones',
    () => forged((pack) => set(at(pack, 'protocols', 'x402', 'mandate_object', 'delivers', 0), 'amount_minor', '2')),
  ],
  [
    'another amount in the decision',
    "[x402] decision amount, asset and recipient are its first leg's",
    () => forged((pack) => set(x402(pack, 'decision_object'), 'amount_minor', '2')),
  ],
  [
    'another recipient in the decision',
    "[x402] decision amount, asset and recipient are its first leg's",
    () => forged((pack) => set(x402(pack, 'decision_object'), 'recipient', fixture.FEE_WALLET)),
  ],
  [
    'a decision whose validity ended before the payment',
    '[x402] decision was valid when it was acted on',
    () => forged((pack) => set(x402(pack, 'decision_object'), 'valid_until_ms', fixture.DECIDED_AT_MS)),
  ],
  [
    'a passport that was not valid yet',
    '[x402] passport was valid at the decision',
    () => forged((pack) => set(at(pack, 'passport_object'), 'validity_window', '2027-01-01/2028-01-01')),
  ],
  [
    'an outcome other than COMMITTED',
    '[x402] execution outcome is COMMITTED',
    () => forged((pack) => set(x402(pack, 'execution_object'), 'outcome', 'REVERSED')),
  ],
];

function set(object: JsonObject, name: string, value: string | number | boolean): void {
  object[name] = value;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function stringify(pack: JsonObject): string {
  return JSON.stringify(pack);
}

function forged(change: (pack: JsonObject) => void): string {
  const pack = mutable(payment);
  change(pack);
  return stringify(relink(pack));
}

describe('what the published verifier lets through', () => {
  it.each(FORGERIES)('%s is refuted by "%s"', async (_what, name, forge) => {
    const text = forge();
    const compatible = await verifyPack(text, { mode: 'compatible' });
    expect([compatible.verdict, compatible.checks.length]).toEqual(['valid', 46]);
    expect(await refutedBy(text)).toContain(name);
  });

  it('the signature S + L is refused, though it solves the same equation', async () => {
    const pack = mutable(payment);
    const signature = at(pack, 'pack_signature');
    const [header = '', payload = '', mac = ''] = textOf(signature['jws']).split('.');
    const bytes = base64urlToBytes(mac) ?? new Uint8Array();
    let s = 0n;
    for (let index = 63; index >= 32; index -= 1) {
      s = (s << 8n) | BigInt(bytes[index] ?? 0);
    }
    s += 2n ** 252n + 27742317777372353535851937790883648493n;
    for (let index = 32; index < 64; index += 1) {
      bytes[index] = Number((s >> BigInt(8 * (index - 32))) & 0xffn);
    }
    signature['jws'] = `${header}.${payload}.${bytesToBase64url(bytes)}`;
    expect(await refutedBy(stringify(pack))).toEqual(['pack_signature signature verifies under a pinned key']);
  });
});
