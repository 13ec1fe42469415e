/** Who signed: pinned keys only. The key that a pack carries is compared with the pinned one and never used. */

import { bytesEqual, bytesToBase64 } from './bytes.ts';
import { canonicalBytes } from './canonical.ts';
import { type JsonObject, type JsonLimits, PACK_LIMITS } from './json.ts';
import { ALLOWED_ALGORITHMS, type SignatureCheck, parseJws, verifyJws } from './jws.ts';
import { type TrustedKey, type TrustedKeysFile, publicKeyBytes } from './keys.ts';
import { DECISION_TYP, PACK_TYP } from './pack-types.ts';
import type { DecisionSignature, Pack } from './pack-types.ts';
import { packRef, packSignaturePayload } from './compose.ts';
import type { Findings } from './report.ts';

interface Signed {
  /** `[x402] decision` or `pack` */
  readonly label: string;
  readonly signature: DecisionSignature;
  readonly typ: string;
  /** what the payload must be, byte for byte in RFC 8785 form */
  readonly payload: JsonObject;
  /** ms since epoch, for the key's period */
  readonly signedAtMs: number;
  readonly limits: JsonLimits;
}

/** Checks every decision's signature and the pack's. Without pinned keys they stay open and the verdict incomplete. */
export function checkSignatures(
  pack: Pack,
  names: readonly string[],
  keys: TrustedKeysFile | undefined,
  check: SignatureCheck,
  findings: Findings,
): void {
  if (keys === undefined) {
    findings.missing.push('pinned keys: without them nobody knows whose signatures these are');
  }
  for (const name of names) {
    const chain = pack.protocols[name];
    if (chain === undefined) {
      continue;
    }
    checkSignature(
      {
        label: `[${name}] decision`,
        signature: chain.decision_signature,
        typ: DECISION_TYP,
        payload: chain.decision_object as unknown as JsonObject,
        signedAtMs: chain.decision_object.decided_at_ms,
        limits: PACK_LIMITS,
      },
      pack.passport_object.signing_kid,
      keys,
      check,
      findings,
    );
  }
  checkSignature(
    {
      label: 'pack_signature',
      signature: pack.pack_signature,
      typ: PACK_TYP,
      payload: packSignaturePayload(packRef(pack)),
      signedAtMs: pack.settlement_block.timestamp_s * 1000,
      limits: PACK_LIMITS,
    },
    undefined,
    keys,
    check,
    findings,
  );
}

function checkSignature(
  signed: Signed,
  passportKid: string | undefined,
  keys: TrustedKeysFile | undefined,
  check: SignatureCheck,
  findings: Findings,
): void {
  const { label } = signed;
  const parsed = parseJws(signed.signature.jws);
  if ('code' in parsed) {
    findings.holds(`${label} JWS is well formed`, false, parsed.detail, parsed.code);
    return;
  }
  const { header } = parsed;
  findings.holds(`${label} JWS alg is EdDSA`, ALLOWED_ALGORITHMS.includes(header.alg), 'alg allow-list', header.alg);
  findings.equal(`${label} JWS typ`, signed.typ, header.typ, 'a signature over another kind of document is refused');
  if (passportKid !== undefined) {
    findings.equal(`${label} key is the passport's`, passportKid, header.kid, 'passport_object.signing_kid');
  }
  findings.holds(
    `${label} JWS payload is canonical`,
    bytesEqual(parsed.payload, canonicalBytes(signed.payload, signed.limits)),
    'the signed bytes are the RFC 8785 form of what the pack shows',
  );
  const pinned = keys?.keys.find((key) => key.kid === header.kid);
  if (keys === undefined) {
    findings.open(`${label} signature verifies under a pinned key`, 'no pinned keys were given');
    return;
  }
  if (pinned === undefined) {
    findings.holds(`${label} key is pinned`, false, 'the header names no pinned key', header.kid ?? '(no kid)');
    return;
  }
  checkPinned(signed, pinned, check, findings);
}

function checkPinned(signed: Signed, pinned: TrustedKey, check: SignatureCheck, findings: Findings): void {
  const { label } = signed;
  const key = publicKeyBytes(pinned);
  findings.holds(`${label} key is pinned`, true, `${pinned.name} (${pinned.kid})`);
  findings.equal(
    `${label} authority_pubkey_b64 is the pinned key`,
    bytesToBase64(key),
    signed.signature.authority_pubkey_b64,
    'the key in the pack is only compared',
  );
  const verdict = verifyJws(signed.signature.jws, { keyFor: () => key, payload: 'any', check });
  findings.holds(
    `${label} signature verifies under a pinned key`,
    verdict.ok,
    verdict.ok ? 'Ed25519' : verdict.detail,
    verdict.ok ? undefined : verdict.code,
  );
  const { not_before_ms: notBefore = 0, not_after_ms: notAfter = Number.MAX_SAFE_INTEGER } = pinned;
  findings.holds(
    `${label} key was valid at the time`,
    signed.signedAtMs >= notBefore && signed.signedAtMs <= notAfter,
    'the pinned key’s not_before_ms and not_after_ms',
    signed.signedAtMs,
  );
}
