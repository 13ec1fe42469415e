import { describe, expect, it } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AbiCoder, keccak256 as ethersKeccak } from 'ethers';
import { sha256 } from '@noble/hashes/sha256';
import { base64ToBytes, base64urlToBytes, bytesToHex } from './bytes.ts';
import { canonicalText } from './canonical.ts';
import { verifyChainFile } from './chain-file.ts';
import { PACK_LIMITS, isJsonObject, parseJson } from './json.ts';
import * as lite from './lite.ts';
import { ref } from './ref.ts';
import { hashTerms, partyHash, uuidToBytes32 } from './terms.ts';
import * as fixture from './testing/packs.ts';

const VECTORS = join(import.meta.dirname, '..', 'test', 'vectors');
const read = (...path: string[]): string => readFileSync(join(VECTORS, ...path), 'utf8');

interface RefVector {
  readonly set: string;
  readonly id: string;
  readonly preimage: Record<string, never>;
  readonly expected: string;
}
const vectors = (JSON.parse(read('refs.json')) as { vectors: RefVector[] }).vectors;

/** The builder of each published set that this issue covers; other sets go through ref() alone. */
const BUILDERS: Readonly<Record<string, (preimage: never) => lite.Link<unknown>>> = {
  agent_passport_lite_v1: lite.passportLink,
  payment_mandate_lite_v1: lite.mandateLink,
  spend_guardrail_lite_v1: lite.decisionLink,
  execution_ref_v1: lite.executionLink,
  composite_trust_query_lite_v1: lite.trustQueryLink,
};

describe('published references', () => {
  it.each(vectors.map((vector) => [`${vector.set} ${vector.id}`, vector] as const))(
    '%s reproduces',
    (_name, vector) => {
      expect(ref(vector.preimage)).toBe(vector.expected);
      const build = BUILDERS[vector.set];
      if (build !== undefined) {
        expect(build(vector.preimage as never).ref).toBe(vector.expected);
      }
    },
  );

  it('policies and bindings reproduce through their builders', () => {
    for (const vector of vectors.filter(({ set }) => set === 'policy_binding_v1')) {
      const link =
        'policy_ref' in vector.preimage
          ? lite.policyBoundLink(vector.preimage as never)
          : lite.policyLink(vector.preimage);
      expect(link.ref).toBe(vector.expected);
    }
  });

  it('settlement attestations reproduce, and an unknown canon_version is refused before hashing', () => {
    const found = vectors.filter(({ set, id }) => set === 'settlement_attestation_v1' && id !== '007-row2');
    for (const { preimage, expected } of found) {
      const attestation: lite.LiteSettlementAttestation = preimage as never;
      if (attestation.canon_version === 'jcs-rfc8785-v1') {
        expect(lite.settlementAttestationLink(attestation).ref).toBe(expected);
      } else {
        expect(() => lite.settlementAttestationLink(attestation)).toThrow('UNKNOWN_VALUE: canon_version');
      }
    }
    expect(found).toHaveLength(3);
  });
});

describe('lite builders refuse before hashing', () => {
  const execution = vectors.find(({ id }) => id === 'ex-allow-skipped')?.preimage as never as lite.LiteExecution;
  const decision = vectors.find(({ id }) => id === 'sg-deny-P')?.preimage as never as lite.LiteDecision;
  const passport = vectors.find(({ id }) => id === 'ap-001')?.preimage as never as lite.LitePassport;
  it.each<[string, () => unknown, string]>([
    ['an empty string', () => lite.passportLink({ ...passport, issuer: '' }), 'EMPTY_STRING: issuer'],
    ['an extra member', () => lite.passportLink({ ...passport, extra: 'x' } as never), 'MEMBERS'],
    ['an absent member', () => lite.passportLink({ agent_id: 'a' } as never), 'MEMBERS'],
    ['a null member', () => lite.passportLink({ ...passport, scope: null } as never), 'EMPTY_STRING: scope'],
    [
      'a numeric cap',
      () => lite.mandateLink({ payer: 'p', cap: 5, period: 'm', revocation_state: 'active' } as never),
      'EMPTY_STRING: cap',
    ],
    [
      'an unknown verdict',
      () => lite.decisionLink({ ...decision, verdict: 'allow' } as never),
      'UNKNOWN_VALUE: verdict',
    ],
    ['a malformed reference', () => lite.decisionLink({ ...decision, agent_ref: 'sha256:AB' }), 'NOT_A_REF: agent_ref'],
    ['a bare hash', () => lite.decisionLink({ ...decision, agent_ref: 'ab'.repeat(32) }), 'NOT_A_REF: agent_ref'],
    [
      'an unknown outcome',
      () => lite.executionLink({ ...execution, outcome: 'DONE' } as never),
      'UNKNOWN_VALUE: outcome',
    ],
    [
      'a time as text',
      () => lite.executionLink({ ...execution, executed_at_ms: '2026-01-01T00:00:00Z' } as never),
      'NOT_EPOCH_MS',
    ],
    ['a fractional time', () => lite.executionLink({ ...execution, executed_at_ms: 1.5 }), 'NOT_EPOCH_MS'],
    [
      'an empty list of subjects',
      () => lite.trustQueryLink({ subject_refs: [], trust_outcome: 'TRUSTED' }),
      'EMPTY_LIST',
    ],
    [
      'an unknown trust outcome',
      () => lite.trustQueryLink({ subject_refs: ['a'], trust_outcome: 'OK' } as never),
      'UNKNOWN_VALUE',
    ],
    ['an empty policy', () => lite.policyLink({}), 'MEMBERS: policy'],
  ])('%s', (_what, build, message) => {
    expect(build).toThrow(message);
  });
});

describe('chain files', () => {
  const files = readdirSync(join(VECTORS, 'keystone-chain')).filter((name) => name !== 'passport_vectors.json');
  const golden = files.filter((name) => name.includes('golden'));

  it('twelve are published', () => {
    expect(files).toHaveLength(12);
  });

  it.each(golden)('%s is ok', (name) => {
    expect(verifyChainFile(read('keystone-chain', name)).verdict).toBe('ok');
  });

  it.each([
    ['broken-execution.json', { first_broken: 'execution_ref' }],
    ['delegation-broken-delegate.json', { failed_assertion: { index: 1, kind: 'field_equals' } }],
    ['delegation-broken-expired.json', { failed_assertion: { index: 4, kind: 'time_within' } }],
    ['delegation-broken-scope.json', { failed_assertion: { index: 3, kind: 'scope_subset' } }],
    ['journey-broken.json', { failed_assertion: { index: 7, kind: 'journey' } }],
    ['revocation-broken-after.json', { failed_assertion: { kind: 'not_revoked' } }],
    ['revocation-broken-revoker.json', { failed_assertion: { kind: 'field_equals' } }],
    ['revocation-multihop.json', { failed_assertion: { kind: 'not_revoked' } }],
  ])('%s is broken at the right place', (name, where) => {
    expect(verifyChainFile(read('keystone-chain', name))).toMatchObject({ verdict: 'broken', ...where });
  });

  it('the cap is the last link that binds two others', () => {
    expect(verifyChainFile(read('keystone-chain', 'keystone-golden.json'))).toMatchObject({ cap: 'trust_query_ref' });
  });

  const chain = (links: unknown, assertions?: unknown): string =>
    JSON.stringify({ schema: 'algovoi-keystone-chain/v2', canon: 'jcs-rfc8785-v1', chain: links, assertions });
  it.each([
    [
      'a forward name',
      chain([
        { name: 'a', preimage: { x: '@b' } },
        { name: 'b', preimage: {} },
      ]),
    ],
    ['a dangling name', chain([{ name: 'a', preimage: { x: ['@nobody'] } }])],
    ['its own name', chain([{ name: 'a', preimage: { x: '@a' } }])],
    [
      'a name used twice',
      chain([
        { name: 'a', preimage: {} },
        { name: 'a', preimage: {} },
      ]),
    ],
    ['an empty chain', chain([])],
    ['an unknown assertion', chain([{ name: 'a', preimage: {} }], [{ kind: 'trust_me' }])],
    ['an assertion about nobody', chain([{ name: 'a', preimage: {} }], [{ kind: 'field_equals', a: 'a.x', b: 'z.x' }])],
    ['another schema', '{"schema":"x","canon":"jcs-rfc8785-v1","chain":[{"name":"a","preimage":{}}]}'],
    ['a duplicate member', '{"schema":"algovoi-keystone-chain/v1","schema":"algovoi-keystone-chain/v1"}'],
    ['text that is not JSON', 'chain'],
  ])('%s is bad input', (_what, text) => {
    expect(verifyChainFile(text).verdict).toBe('bad_input');
  });

  it.each([
    ['a dimension that is absent inside', { max_amount: 5 }, {}],
    ['a dimension that nobody knows', { colour: 'red' }, { colour: 'red' }],
    ['a longer word instead of a longer path', { resource: 'pay/out' }, { resource: 'pay/outer' }],
    ['one capability more', { capabilities: ['a'] }, { capabilities: ['a', 'b'] }],
  ])('a scope is wider with %s', (_what, outer, inner) => {
    const links = [
      { name: 'outer', preimage: { scope: outer } },
      { name: 'inner', preimage: { scope: inner } },
    ];
    const verdict = verifyChainFile(chain(links, [{ kind: 'scope_subset', inner: 'inner', outer: 'outer' }]));
    expect(verdict).toMatchObject({ verdict: 'broken', failed_assertion: { kind: 'scope_subset' } });
  });
});

describe('published passports (Falcon signatures are out of scope)', () => {
  const file = JSON.parse(read('keystone-chain', 'passport_vectors.json')) as {
    kid: string;
    issuer_public_key_b64: string;
    cases: { name: string; credential: string; expect: { verified: boolean } }[];
  };

  it('the key id is the first 16 digits of the SHA-256 of the public key', () => {
    const key = base64ToBytes(file.issuer_public_key_b64) ?? new Uint8Array();
    expect(bytesToHex(sha256(key)).slice(0, 16)).toBe(file.kid);
  });

  it.each(file.cases.map((entry) => [entry.name, entry] as const))(
    '%s: strict JSON with a canonical payload',
    (_name, entry) => {
      const bytes = base64urlToBytes(entry.credential);
      const envelope = parseJson(new TextDecoder().decode(bytes), { limits: PACK_LIMITS });
      if (!isJsonObject(envelope) || !isJsonObject(envelope['payload'])) {
        throw new Error('not an envelope');
      }
      expect(envelope['alg']).toBe('Falcon-1024');
      expect(canonicalText(envelope['payload'])).toBe(JSON.stringify(envelope['payload']));
    },
  );
});

describe('contract hashes agree with an ABI library', () => {
  const coder = AbiCoder.defaultAbiCoder();

  it('terms hash', () => {
    const { terms } = fixture;
    const leg = 'tuple(uint64,address,address,uint8,uint256,bytes32,uint256,uint8,uint8,tuple(address,uint256)[])[]';
    const encoded = coder.encode(
      ['uint8', 'address', 'uint64', `tuple(bytes32,bytes32,uint64,bytes32[],${leg})`],
      [
        1,
        fixture.COORDINATOR,
        11155111,
        [
          terms.settlement_id,
          terms.attester_set,
          terms.deadline_s,
          terms.party_hashes,
          terms.legs.map((entry) => [
            11155111,
            entry.escrow,
            entry.token,
            entry.token_standard,
            entry.token_id,
            entry.partition,
            entry.amount_minor,
            entry.payer,
            entry.payee,
            entry.fees.map((fee) => [fee.recipient, fee.amount_minor]),
          ]),
        ],
      ],
    );
    expect(hashTerms(fixture.COORDINATOR, fixture.HOME_CHAIN, terms)).toBe(ethersKeccak(encoded));
  });

  it('party hash and settlement id', () => {
    const id = uuidToBytes32(fixture.SETTLEMENT_ID);
    expect(id).toBe(`0x${fixture.SETTLEMENT_ID.replaceAll('-', '')}${'0'.repeat(32)}`);
    const expected = ethersKeccak(coder.encode(['bytes32', 'address'], [id, fixture.SELLER_WALLET]));
    expect(partyHash(id, fixture.SELLER_WALLET)).toBe(expected);
  });
});
