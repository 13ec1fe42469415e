import { describe, expect, it } from '@jest/globals';
import { sha256 } from 'ethers';
import { canonicalize } from 'json-canonicalize';
import { base64urlToBytes } from './bytes.ts';
import type { JsonObject } from './json.ts';
import { verifyPack } from './pack.ts';
import { at, mutable, relink, resign } from './testing/forgery.ts';
import * as fixture from './testing/packs.ts';

const settlement = fixture.settlementPack();
const trusted_keys = fixture.trusted();

async function refutedBy(text: string): Promise<string[]> {
  const report = await verifyPack(text, { trusted_keys });
  const names = report.checks.filter((check) => check.status === 'refuted').map((check) => check.name);
  expect([report.verdict, report.exit_code]).toEqual(['refuted', 1]);
  return names;
}

function seller(pack: JsonObject, ...path: string[]): JsonObject {
  return at(pack, 'protocols', 'dvp:seller', ...path);
}

function set(object: JsonObject, name: string, value: string | number | boolean): void {
  object[name] = value;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function stringify(pack: JsonObject): string {
  return JSON.stringify(pack);
}

describe('a forged settlement', () => {
  const cases: readonly (readonly [string, string, (pack: JsonObject) => void])[] = [
    [
      'terms that hash to something else',
      'terms_hash recomputes',
      (pack) => set(at(pack, 'onchain_verification', 'terms'), 'deadline_s', 1_790_009_999),
    ],
    [
      'a decision under other terms',
      '[dvp:seller] decision terms_hash',
      (pack) => set(seller(pack, 'decision_object'), 'terms_hash', `0x${'77'.repeat(32)}`),
    ],
    [
      'a settled leg with another recipient',
      'settled_payment_ref recomputes',
      (pack) => set(at(pack, 'settled_legs', 'legs', 0), 'payee', fixture.FEE_WALLET),
    ],
    [
      'a settled leg of another escrow',
      'settled legs are the legs of the terms',
      (pack) => set(at(pack, 'settled_legs', 'legs', 0), 'escrow', fixture.COORDINATOR),
    ],
    [
      'a Fail among the attestations',
      'every party was cleared before the decision was anchored',
      (pack) => set(at(pack, 'onchain_verification', 'attestations', 1), 'status', 3),
    ],
    [
      'an attestation that came after the anchor',
      'every party was cleared before the decision was anchored',
      (pack) => set(at(pack, 'onchain_verification', 'attestations', 1), 'block_number', 102),
    ],
    [
      'a wallet that opens no party hash',
      'wallets open their party hashes',
      (pack) => set(at(pack, 'onchain_verification', 'openings', 0), 'wallet', fixture.FEE_WALLET),
    ],
    [
      'a wallet whose participant has no entity check',
      'wallets open their party hashes',
      (pack) => {
        const terms = at(pack, 'onchain_verification', 'terms');
        terms['party_hashes'] = fixture.terms.party_hashes.map((hash, index) =>
          index === 0 ? fixture.terms.attester_set : hash,
        );
      },
    ],
    [
      'a deposit before the anchor',
      'stages happened in order',
      (pack) => set(at(pack, 'onchain_verification', 'deposits', 0), 'block_number', 100),
    ],
    [
      'an anchor in a block before the decision',
      'decisions precede the block that anchors them',
      (pack) => set(at(pack, 'onchain_verification', 'anchor'), 'block_timestamp_s', 1_789_999_999),
    ],
    [
      'a deposit recorded elsewhere',
      'settled legs name the recorded deposits',
      (pack) => set(at(pack, 'onchain_verification', 'deposits', 0), 'log_index', 7),
    ],
    [
      'a coordinator of another address',
      'settled legs name the coordinator',
      (pack) => set(at(pack, 'onchain_verification'), 'coordinator', fixture.ESCROW),
    ],
    [
      'the chain of another role',
      '[dvp:seller] mandate and decision are of this chain and this settlement',
      (pack) => set(seller(pack, 'decision_object'), 'chain_name', 'dvp:buyer'),
    ],
    [
      'the decision of another settlement',
      '[dvp:seller] mandate and decision are of this chain and this settlement',
      (pack) => set(seller(pack, 'decision_object'), 'settlement_id', fixture.PAYMENT_ID),
    ],
    [
      'a decision of other legs',
      '[dvp:seller] decision legs are the settled ones',
      (pack) => set(at(pack, 'protocols', 'dvp:seller', 'decision_object', 'legs', 0), 'payer', fixture.FEE_WALLET),
    ],
    [
      'a policy under other terms',
      '[dvp:seller] policy terms_hash',
      (pack) => set(seller(pack, 'policy_object'), 'terms_hash', `0x${'77'.repeat(32)}`),
    ],
    [
      'a decision for another chain',
      '[dvp:seller] decision chain',
      (pack) => set(seller(pack, 'decision_object'), 'chain', 'eip155:1'),
    ],
    [
      'a mandate from after its decision',
      '[dvp:seller] mandate precedes the decision',
      (pack) => set(seller(pack, 'mandate_object'), 'confirmed_at_ms', fixture.DECIDED_AT_MS + 1),
    ],
    [
      'an execution in another block',
      '[dvp:seller] execution names the settlement block',
      (pack) => set(seller(pack, 'execution_object', 'settlement'), 'block_number', 104),
    ],
    [
      'a passport that names another key',
      "[dvp:seller] decision key is the passport's",
      (pack) => set(at(pack, 'passport_object'), 'signing_kid', fixture.testKey('9').kid),
    ],
    [
      'a chain of no known name',
      'chain names are known',
      (pack) => {
        const protocols = at(pack, 'protocols');
        protocols['dvp:'] = protocols['dvp:seller'] ?? null;
      },
    ],
    ['another format', 'pack format', (pack) => set(pack, 'format', 'keystone-pack/v2')],
    ['another canon_version', 'pack canon_version', (pack) => set(pack, 'canon_version', 'jcs-rfc8785-v2')],
    [
      'an attestation of another canon_version',
      'attestation canon_version',
      (pack) => set(at(pack, 'settlement', 'attestation'), 'canon_version', 'jcs-rfc8785-v2'),
    ],
    [
      'an attestation for another chain',
      'attestation chain is the settlement’s',
      (pack) => set(at(pack, 'settlement', 'attestation'), 'settlement_chain', 'eip155:1'),
    ],
    [
      'an attestation of another time',
      'attestation time is the settlement block’s',
      (pack) => set(at(pack, 'settlement', 'attestation'), 'settlement_timestamp_ms', 1),
    ],
    [
      'the terms of another settlement',
      'terms are of this settlement',
      (pack) => set(at(pack, 'onchain_verification', 'terms'), 'settlement_id', `0x${'77'.repeat(32)}`),
    ],
    [
      'an asset that is not its token',
      'settled assets are their tokens',
      (pack) => set(at(pack, 'settled_legs', 'legs', 0), 'asset', `eip155:1/erc20:${fixture.CASH}`),
    ],
    [
      'a payout recorded elsewhere',
      'settled legs name the recorded payouts',
      (pack) => set(at(pack, 'onchain_verification', 'payouts', 1), 'log_index', 7),
    ],
    ['another transaction', 'tx is the recorded execution', (pack) => set(pack, 'tx', `0x${'77'.repeat(32)}`)],
    [
      'a settlement block that is not the execution’s',
      'settlement_block is the execution’s',
      (pack) => set(at(pack, 'settlement_block'), 'number', 104),
    ],
    [
      'a deposit in a block before the decision',
      'decisions precede every deposit',
      (pack) => set(at(pack, 'onchain_verification', 'deposits', 1), 'block_timestamp_s', 1_789_999_999),
    ],
    [
      'a missing deposit',
      'settled legs name the recorded deposits',
      (pack) => {
        const evidence = at(pack, 'onchain_verification');
        evidence['deposits'] = Array.isArray(evidence['deposits']) ? evidence['deposits'].slice(1) : null;
      },
    ],
    [
      'a payout that follows its finalisation',
      'stages happened in order',
      (pack) => set(at(pack, 'onchain_verification', 'finalised'), 'log_index', 3),
    ],
    [
      'an unknown canon_version',
      '[dvp:seller] objects name their type and jcs-rfc8785-v1',
      (pack) => set(seller(pack, 'policy_object'), 'canon_version', 'jcs-rfc8785-v2'),
    ],
    [
      'a member that the format does not have',
      'pack has the shape of keystone-pack/v1',
      (pack) => set(at(pack, 'settled_legs'), 'note', 'x'),
    ],
    [
      'an address in EIP-55 spelling',
      'pack has the shape of keystone-pack/v1',
      (pack) => set(at(pack, 'onchain_verification'), 'registry', fixture.REGISTRY.toUpperCase().replace('0X', '0x')),
    ],
  ];

  it.each(cases)('with %s is refuted by "%s"', async (_what, name, change) => {
    const pack = mutable(settlement);
    change(pack);
    expect(await refutedBy(stringify(relink(pack)))).toContain(name);
  });

  it('with another digest than that of its decisions is refuted by name', async () => {
    const pack = mutable(settlement);
    set(at(pack, 'onchain_verification'), 'decision_set_digest', `0x${'00'.repeat(32)}`);
    expect(await refutedBy(stringify(resign(pack)))).toEqual(['decision set digest recomputes']);
  });

  it('signed by a key outside of its pinned period is refuted by name', async () => {
    const [key] = trusted_keys.keys;
    const expired = { version: 1, keys: [{ ...key, not_after_ms: fixture.DECIDED_AT_MS - 1 }] } as typeof trusted_keys;
    const report = await verifyPack(stringify(mutable(settlement)), { trusted_keys: expired });
    const names = report.checks.filter((check) => check.status === 'refuted').map((check) => check.name);
    expect(names).toContain('[dvp:seller] decision key was valid at the time');
    expect(names).toContain('pack_signature key was valid at the time');
  });

  it('whose trust query is shown otherwise than it was hashed is refuted by name', async () => {
    const pack = relink(mutable(settlement));
    set(seller(pack, 'trust_query'), 'trust_outcome', 'PROVISIONAL');
    expect(await refutedBy(stringify(resign(pack)))).toEqual(['[dvp:seller] trust_query is the query that was hashed']);
  });

  it('signs the pack without its signature and inclusion proof, and nothing less', () => {
    const { pack_signature, ...unsigned } = mutable(settlement);
    const [, body = ''] = textOf((pack_signature as JsonObject)['jws']).split('.');
    const payload: unknown = JSON.parse(new TextDecoder().decode(base64urlToBytes(body)));
    const digest = sha256(new TextEncoder().encode(canonicalize(unsigned)));
    const pack_ref = digest.replace('0x', 'sha256:');
    expect(payload).toEqual({ canon_version: 'jcs-rfc8785-v1', type: 'keystone_pack', pack_ref });
  });

  it('is refuted when the signature over the pack is missing', async () => {
    const { pack_signature: _signature, ...unsigned } = mutable(settlement);
    expect(await refutedBy(stringify(unsigned))).toContain('pack has the shape of keystone-pack/v1');
  });
});
