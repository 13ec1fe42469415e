/**
 * Verifies a proof pack. `compatible` is exactly the published verifier's checks; `strict`, the default, adds everything
 * that those let through, and reads the chain again when it is given a reader for it.
 */

import { type JsonObject, JsonRejected, PACK_LIMITS, isJsonObject, parseJson } from './json.ts';
import { type SignatureCheck, createSignatureCheck } from './jws.ts';
import { type TrustedKeysFile, trustedKeysFile } from './keys.ts';
import type { Pack } from './pack-types.ts';
import { packShapeProblems } from './pack-shape.ts';
import { EXIT_CODES, type Findings, type VerificationMode, type VerificationReport } from './report.ts';
import { type Verdict, createFindings, verdictOf } from './report.ts';
import { shown } from './shown.ts';
import { storyOf } from './timeline.ts';
import { checkChains } from './verify-chains.ts';
import { chainNames, checkCompatible, parseCompatible } from './verify-compatible.ts';
import { type ChainReaders, checkOnChain } from './verify-onchain.ts';
import { checkSettlement } from './verify-settlement.ts';
import { checkSignatures } from './verify-signatures.ts';

export type { Check, CheckStatus, Verdict, VerificationMode, VerificationReport } from './report.ts';
export type { ChainBlock, ChainLog, ChainReader, ChainReceipt, ChainTransaction } from './chain-reader.ts';
export type { ChainReaders } from './verify-onchain.ts';

export interface VerificationOptions {
  readonly mode?: VerificationMode;
  /** pinned keys, and pinned contracts if the file has them; strict verification without them is `incomplete` */
  readonly trusted_keys?: TrustedKeysFile;
  /** by CAIP-2 chain id. Given at all, every chain of the pack must be among them, else the verdict is `incomplete`. */
  readonly readers?: ChainReaders;
}

/** What both verifiers read before anything else: without these members the file is something else. */
const PACK_MEMBERS = ['protocols', 'settlement', 'passport_object', 'settlement_block', 'tx', 'compose_ts_ms'] as const;

/**
 * @param text the pack file as it is: parsing it before would already have lost duplicate members
 * @throws {TypeError} only when the pinned keys themselves are malformed; a bad pack is a verdict, not an exception
 */
export async function verifyPack(text: string, options: VerificationOptions = {}): Promise<VerificationReport> {
  const mode = options.mode ?? 'strict';
  if (options.trusted_keys !== undefined) {
    trustedKeysFile(options.trusted_keys.keys, options.trusted_keys.contracts);
  }
  const findings = createFindings();
  const check = createSignatureCheck();
  const read = identify(text);
  if (typeof read === 'string') {
    return notAPack(mode, read);
  }
  if (read.problem !== undefined) {
    findings.holds('pack is strict JSON', false, 'no text that two parsers would read differently', read.problem);
    return report(mode, read.pack, findings);
  }
  attempt('pack can be read as the published verifier reads it', findings, () => {
    checkCompatible(read.pack, check, findings);
  });
  const pack = mode === 'strict' ? await checkStrict(text, options, check, findings) : undefined;
  const story = pack?.kind === 'settlement' ? { story: storyOf(pack) } : {};
  return { ...report(mode, read.pack, findings), ...story };
}

/**
 * Tells a pack from another file. A pack with an unsafe integer or half a character is a pack, and a refuted one.
 * @returns a sentence when it is no pack
 */
function identify(text: string): { readonly pack: JsonObject; readonly problem?: string } | string {
  const lenient = readAs(() => parseCompatible(text));
  // Beyond the size limit nothing is parsed at all, by nobody's parser.
  const isParsable = lenient.code !== 'LIMIT_BYTES' && lenient.code !== 'INVALID_JSON';
  const read = lenient.problem !== undefined && isParsable ? readAs(() => JSON.parse(text) as unknown) : lenient;
  if (read.pack === undefined) {
    return lenient.problem ?? 'the text is not a JSON object';
  }
  const { pack } = read;
  const missing = PACK_MEMBERS.filter((name) => !Object.hasOwn(pack, name));
  if (missing.length > 0 || !isJsonObject(pack['protocols'])) {
    return `it lacks ${missing.join(', ') || 'protocols'}`;
  }
  return lenient.problem === undefined ? { pack } : { pack, problem: lenient.problem };
}

/** @returns the pack once its shape is known */
async function checkStrict(
  text: string,
  options: VerificationOptions,
  check: SignatureCheck,
  findings: Findings,
): Promise<Pack | undefined> {
  const strict = readAs(() => parseJson(text, { limits: PACK_LIMITS }));
  const isStrict = findings.holds(
    'pack is strict JSON',
    strict.pack !== undefined,
    'no duplicate members, safe integers, whole strings, within the limits',
    strict.problem,
  );
  if (!isStrict || strict.pack === undefined) {
    return undefined;
  }
  const problems = packShapeProblems(strict.pack);
  const isShaped = findings.holds(
    'pack has the shape of keystone-pack/v1',
    problems.length === 0,
    'every member known, every value of its type',
    problems.slice(0, 5),
  );
  if (!isShaped) {
    return undefined;
  }
  const pack = strict.pack as unknown as Pack;
  const names = chainNames(strict.pack['protocols'] as JsonObject);
  const groups: readonly [string, () => void][] = [
    ['chains', () => checkChains(pack, names, findings)],
    ['settlement', () => checkSettlement(pack, names, options.trusted_keys, findings)],
    ['signatures', () => checkSignatures(pack, names, options.trusted_keys, check, findings)],
  ];
  for (const [name, run] of groups) {
    attempt(`${name} can be checked`, findings, run);
  }
  try {
    await checkOnChain(pack, options.readers, findings);
  } catch (error) {
    unhashable('chains can be read again', findings, error);
  }
  return pack;
}

/** A value that passes its shape may still be unhashable (a preimage over the limits): that refutes, it does not crash. */
function attempt(name: string, findings: Findings, check: () => void): void {
  try {
    check();
  } catch (error) {
    unhashable(name, findings, error);
  }
}

function unhashable(name: string, findings: Findings, error: unknown): void {
  findings.holds(name, false, 'the pack holds a value that cannot be hashed', messageOf(error));
}

function readAs(parse: () => unknown): { pack?: JsonObject; problem?: string; code?: string } {
  try {
    const value = parse();
    return isJsonObject(value) ? { pack: value } : {};
  } catch (error) {
    if (error instanceof JsonRejected) {
      return { problem: error.message, code: error.code };
    }
    throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function notAPack(mode: VerificationMode, reason: string): VerificationReport {
  return {
    verdict: 'not_a_pack',
    exit_code: EXIT_CODES.not_a_pack,
    mode,
    summary: `not a proof pack: ${shown(reason)}`,
    chains: [],
    checks: [],
    not_checked: [],
  };
}

function report(mode: VerificationMode, pack: JsonObject, findings: Findings): VerificationReport {
  const verdict = verdictOf(findings);
  const subject = pack['settlement_id'] ?? pack['payment_id'];
  const protocols = pack['protocols'];
  return {
    verdict,
    exit_code: EXIT_CODES[verdict],
    mode,
    summary: summaryOf(verdict, mode, findings),
    ...(typeof subject === 'string' ? { subject: shown(subject) } : {}),
    ...(typeof pack['tx'] === 'string' ? { tx: shown(pack['tx']) } : {}),
    chains: isJsonObject(protocols) ? chainNames(protocols).map(shown) : [],
    checks: findings.list,
    not_checked: findings.list.filter((check) => check.status === 'not_checkable').map((check) => check.name),
  };
}

function summaryOf(verdict: Verdict, mode: VerificationMode, findings: Findings): string {
  const proved = findings.list.filter((check) => check.status === 'proved').length;
  const count = `${proved}/${findings.list.length} checks pass`;
  const [refuted] = findings.list.filter((check) => check.status === 'refuted');
  if (verdict === 'refuted') {
    return `refuted (${mode}): ${refuted?.name ?? 'unknown'}; ${count}`;
  }
  if (verdict === 'incomplete') {
    return `incomplete (${mode}): needs ${[...new Set(findings.missing)].join('; ')}; ${count}`;
  }
  return `valid (${mode}): ${count}`;
}
