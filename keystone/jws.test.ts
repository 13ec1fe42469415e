import { describe, expect, it } from '@jest/globals';
import { CompactSign, calculateJwkThumbprint, compactVerify, importJWK } from 'jose';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { base64ToBytes, base64urlToBytes, bytesToBase64url, hexToBytes } from './bytes.ts';
import { parseJws, signJws, verifyJws } from './jws.ts';
import {
  generateSigningKey,
  parseTrustedKeys,
  publicKeyBytes,
  publicKeyOf,
  signingKeyFromSeed,
  trustedKeysFile,
} from './keys.ts';

const VECTORS = join(import.meta.dirname, '..', 'test', 'vectors');
const SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
const key = signingKeyFromSeed(SEED);
const publicKey = publicKeyBytes(key);
const payload = { amount_minor: '1', z: [1, 2], a: { b: null } };
const jws = signJws(payload, 'test+jws', key);
const decode = (text: string): Uint8Array => base64urlToBytes(text) ?? new Uint8Array();
const jwkOf = (bytes: Uint8Array): { kty: string; crv: string; x: string } => ({
  kty: 'OKP',
  crv: 'Ed25519',
  x: bytesToBase64url(bytes),
});

function codeOf(text: string, options: { typ?: string; payload?: 'jcs' | 'any' } = {}): string {
  const verdict = verifyJws(text, { keyFor: () => publicKey, ...options });
  return verdict.ok ? 'ok' : verdict.code;
}

/** Signs any header and payload text with the test key, so that only the form is wrong. */
function signRaw(header: string, body: string): string {
  const encode = (text: string): string => bytesToBase64url(new TextEncoder().encode(text));
  const input = `${encode(header)}.${encode(body)}`;
  return `${input}.${bytesToBase64url(key.sign(new TextEncoder().encode(input)))}`;
}

describe('signing', () => {
  it('the seed of RFC 8032 test 1 gives its public key and signature', () => {
    expect(bytesToBase64url(publicKey)).toBe('11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo');
    const signature =
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b';
    expect(key.sign(new Uint8Array())).toEqual(hexToBytes(signature));
  });

  it('an independent library verifies our signatures and computes our key id', async () => {
    const jwk = jwkOf(publicKey);
    const verified = await compactVerify(jws, await importJWK(jwk, 'EdDSA'), { algorithms: ['EdDSA'] });
    expect(verified.protectedHeader).toEqual({ alg: 'EdDSA', kid: key.kid, typ: 'test+jws' });
    expect(new TextDecoder().decode(verified.payload)).toBe('{"a":{"b":null},"amount_minor":"1","z":[1,2]}');
    expect(key.kid).toBe(await calculateJwkThumbprint(jwk));
    expect(key.kid).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  it('we verify the signatures of an independent library', async () => {
    const jwk = { ...jwkOf(publicKey), d: bytesToBase64url(hexToBytes(SEED)) };
    const foreign = await new CompactSign(new TextEncoder().encode('{"a":1}'))
      .setProtectedHeader({ alg: 'EdDSA', kid: key.kid })
      .sign(await importJWK(jwk, 'EdDSA'));
    expect(codeOf(foreign)).toBe('ok');
  });

  it('a key shows its public half only, however it is printed', () => {
    const secret = generateSigningKey();
    for (const shown of [JSON.stringify(secret), inspect(secret, { depth: 9, showHidden: true })]) {
      expect(shown).not.toContain(secret.exportSeed().slice(0, 16));
    }
    expect(signingKeyFromSeed(secret.exportSeed()).kid).toBe(secret.kid);
    expect(() => signingKeyFromSeed('abcd')).toThrow('64 hexadecimal digits');
  });
});

describe('verification refuses', () => {
  const [header = '', body = '', signature = ''] = jws.split('.');
  it.each([
    ['two parts', `${header}.${body}`, 'INVALID_JWS_FORMAT'],
    ['four parts', `${jws}.x`, 'INVALID_JWS_FORMAT'],
    ['padding', `${header}.${body}.${signature}==`, 'INVALID_JWS_FORMAT'],
    ['spare bits that are not zero', `${header}.${body}.${signature.slice(0, -1)}B`, 'INVALID_JWS_FORMAT'],
    ['the other base64 alphabet', `${header}.${body}.${signature.slice(0, -2)}+/`, 'INVALID_JWS_FORMAT'],
    ['white space', `${header}.${body}. ${signature}`, 'INVALID_JWS_FORMAT'],
    ['an empty text', '', 'INVALID_JWS_FORMAT'],
    ['a header that is no JSON', signRaw('x', '{}'), 'INVALID_JWS_FORMAT'],
    ['a header without alg', signRaw('{"kid":"k"}', '{}'), 'INVALID_JWS_FORMAT'],
    ['a header member twice', signRaw('{"alg":"none","alg":"EdDSA"}', '{}'), 'INVALID_JWS_FORMAT'],
    ['alg none', signRaw('{"alg":"none"}', '{}'), 'UNSUPPORTED_ALG'],
    ['alg HS256', signRaw('{"alg":"HS256"}', '{}'), 'UNSUPPORTED_ALG'],
    ['crit', signRaw('{"alg":"EdDSA","crit":["exp"],"exp":1}', '{}'), 'UNSUPPORTED_HEADER'],
    ['an embedded key', signRaw('{"alg":"EdDSA","jwk":{}}', '{}'), 'UNSUPPORTED_HEADER'],
    ['b64 false', signRaw('{"alg":"EdDSA","b64":false}', '{}'), 'UNSUPPORTED_HEADER'],
    ['a payload that is not canonical', signRaw('{"alg":"EdDSA"}', '{"b":1,"a":2}'), 'NON_CANONICAL_PAYLOAD'],
    ['a payload with white space', signRaw('{"alg":"EdDSA"}', '{"a": 1}'), 'NON_CANONICAL_PAYLOAD'],
    ['a payload member twice', signRaw('{"alg":"EdDSA"}', '{"a":1,"a":1}'), 'NON_CANONICAL_PAYLOAD'],
    [
      'another payload',
      `${header}.${bytesToBase64url(new TextEncoder().encode('{}'))}.${signature}`,
      'TAMPERED_SIGNATURE',
    ],
    ['a short signature', `${header}.${body}.${bytesToBase64url(decode(signature).slice(1))}`, 'TAMPERED_SIGNATURE'],
  ])('%s', (_what, text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it('another type of document', () => {
    expect(codeOf(jws, { typ: 'other+jws' })).toBe('UNEXPECTED_TYP');
  });

  it('a key that is not pinned', () => {
    expect(verifyJws(jws, { keyFor: () => undefined })).toMatchObject({ code: 'UNKNOWN_KID' });
  });

  it('every signature with one bit changed', () => {
    const bytes = decode(signature);
    for (let index = 0; index < bytes.length; index += 7) {
      const changed = Uint8Array.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(codeOf(`${header}.${body}.${bytesToBase64url(changed)}`)).toBe('TAMPERED_SIGNATURE');
    }
  });
});

describe('published JWS batteries', () => {
  interface Case {
    readonly jws: string;
    readonly verify: { readonly key_names: string[]; readonly select_by_kid: boolean };
    readonly expect_valid: boolean;
    readonly note: string;
  }
  type Jwk = { readonly kty: string; readonly x?: string; readonly kid?: string };
  const battery = JSON.parse(readFileSync(join(VECTORS, 'jws', 'jws_v0.json'), 'utf8')) as Record<string, unknown>;
  const keys = battery['keys'] as Record<string, Jwk>;
  const cases = Object.entries(battery)
    .filter(([name, value]) => name.startsWith('jws_') && Array.isArray(value))
    .flatMap(([name, value]) => (value as Case[]).map((entry) => [`${name}: ${entry.note}`, entry] as const));

  it.each(cases)('%s', (_name, entry) => {
    const held = entry.verify.key_names.map((name) => keys[name]).filter((jwk) => jwk?.kty === 'OKP');
    const verdict = verifyJws(entry.jws, {
      payload: 'any',
      keyFor: ({ kid }) => {
        const jwk = entry.verify.select_by_kid ? held.find((candidate) => candidate?.kid === kid) : held[0];
        return jwk?.x === undefined ? undefined : base64urlToBytes(jwk.x);
      },
    });
    // EdDSA verdicts reproduce; a valid signature of another algorithm is refused by name and not by accident.
    const parsed = parseJws(entry.jws);
    const isEdDsa = 'header' in parsed && parsed.header.alg === 'EdDSA';
    expect(verdict.ok).toBe(entry.expect_valid && isEdDsa);
    if (entry.expect_valid && !isEdDsa) {
      expect(verdict).toMatchObject({ code: 'UNSUPPORTED_ALG' });
    }
  });

  it('the signed head of the battery verifies under its own signer, typ included', () => {
    const manifest = JSON.parse(readFileSync(join(VECTORS, 'jws', 'jws_v0.manifest.json'), 'utf8')) as {
      head_jws: string;
      head_typ: string;
      signers: { jwk: { x: string } }[];
    };
    const signer = decode(manifest.signers[0]?.jwk.x ?? '');
    expect(verifyJws(manifest.head_jws, { keyFor: () => signer, typ: manifest.head_typ }).ok).toBe(true);
  });

  it('the worked example of RFC 8037 verifies, and the others are refused as unsupported', () => {
    const interop = JSON.parse(readFileSync(join(VECTORS, 'jws', 'jws_interop_v0.json'), 'utf8')) as {
      cases: { alg: string; compact: string; jwk: { x: string } | null }[];
    };
    for (const { alg, compact, jwk } of interop.cases) {
      const verdict = verifyJws(compact, { payload: 'any', keyFor: () => decode(jwk?.x ?? '') });
      expect([alg, verdict.ok ? 'ok' : verdict.code]).toEqual([alg, alg === 'EdDSA' ? 'ok' : 'UNSUPPORTED_ALG']);
    }
  });

  const receipts = (folder: string): [string, { jws: string | null; jwks: { keys: { x: string; kid: string }[] } }][] =>
    readdirSync(join(VECTORS, 'receipts', folder)).map((name) => [
      name,
      JSON.parse(readFileSync(join(VECTORS, 'receipts', folder, name), 'utf8')) as never,
    ]);
  const receiptCode = (receipt: ReturnType<typeof receipts>[number][1]): string => {
    const verdict = verifyJws(receipt.jws ?? '', {
      keyFor: ({ kid }) => base64urlToBytes(receipt.jwks.keys.find((jwk) => jwk.kid === kid)?.x ?? '='),
    });
    return verdict.ok ? 'ok' : verdict.code;
  };

  it.each(receipts('valid'))('receipt %s verifies, payload canonical', (_name, receipt) => {
    expect(receiptCode(receipt)).toBe('ok');
  });

  const SIGNATURE_LAYER: Readonly<Record<string, string>> = {
    'i01_tampered_signature.json': 'TAMPERED_SIGNATURE',
    'i02_unsupported_alg.json': 'UNSUPPORTED_ALG',
    'i05_missing_envelope.json': 'INVALID_JWS_FORMAT',
    'i06_non_canonical_payload.json': 'NON_CANONICAL_PAYLOAD',
    'i07_malformed_jws.json': 'INVALID_JWS_FORMAT',
  };
  it.each(receipts('invalid').filter(([name]) => name in SIGNATURE_LAYER))('receipt %s is refused', (name, receipt) => {
    expect(receiptCode(receipt)).toBe(SIGNATURE_LAYER[name]);
  });
});

describe('pinned keys', () => {
  const entry = { ...publicKeyOf(key), name: 'orchestrator' };

  it('a file round-trips', () => {
    const file = trustedKeysFile([{ ...entry, not_before_ms: 1, not_after_ms: 2 }]);
    expect(parseTrustedKeys(JSON.stringify(file))).toEqual(file);
  });

  it.each([
    ['a kid that is not the thumbprint', { ...entry, kid: 'v0-key' }],
    ['a key that is not 32 bytes', { ...entry, public_key_b64: 'AAAA' }],
    ['a misspelt member', { ...entry, notAfter: 1 }],
    ['no name', { kid: entry.kid, public_key_b64: entry.public_key_b64 }],
    ['a bound as text', { ...entry, not_after_ms: '2026-01-01' }],
  ])('%s is refused', (_what, bad) => {
    expect(() => parseTrustedKeys(JSON.stringify({ version: 1, keys: [bad] }))).toThrow();
  });

  it('a key listed twice, another version or a duplicate member is refused', () => {
    expect(() => trustedKeysFile([entry, entry])).toThrow('twice');
    expect(() => parseTrustedKeys('{"version":2,"keys":[]}')).toThrow('version');
    expect(() => parseTrustedKeys('{"version":1,"keys":[],"keys":[]}')).toThrow('DUPLICATE');
    expect(base64ToBytes('AA')).toBeUndefined();
  });
});
