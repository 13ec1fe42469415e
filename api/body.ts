import type { Request } from 'express';

import { type ErrorCode, KeystoneError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import {
  isJsonObject,
  JsonRejected,
  type JsonRejection,
  type JsonObject,
  type JsonValue,
  parseJson,
  pointer,
  setMember,
} from '../keystone/json.ts';
import { BODY_JSON_LIMITS } from './limits.ts';

/**
 * Reads a JSON body so that nothing of it is guessed: duplicate members, lone surrogates, NUL characters and numbers that a double cannot hold
 * are refused, quantities keep their digits, and a member that is null counts as absent (stock clients send every optional one).
 */
export async function readJsonBody(request: Request): Promise<JsonValue | undefined> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return undefined;
  checkMediaType(request, bytes);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new KeystoneError('malformed_json', 'The body is not valid UTF-8.', { cause: error });
  }
  return parseBody(text);
}

async function readBytes(request: Request): Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new KeystoneError('unsupported_media_type', 'A compressed body is not accepted.');
  }
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > LIMITS.maximumBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    total += chunk.length;
    if (total > LIMITS.maximumBodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const TOO_LARGE = `A body has at most ${LIMITS.maximumBodyBytes} bytes.`;

function tooLarge(): KeystoneError {
  return new KeystoneError('body_too_large', TOO_LARGE);
}

/** Longest place that an answer names: a pointer repeats the caller's own member names. */
const POINTER_LENGTH = 300;

const JSON_MEDIA_TYPE = /^application\/(?:[a-z0-9.+-]+\+)?json$/;

function checkMediaType(request: Request, bytes: Buffer): void {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  const mediaType = type.trim();
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  const utf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  if (utf8 && (mediaType === '' || JSON_MEDIA_TYPE.test(mediaType))) return;
  // `curl -d '{…}'` without a header, as the published examples have it, says this; a form never starts with a brace.
  if (mediaType === 'application/x-www-form-urlencoded' && /^\s*\{/.test(bytes.toString('latin1', 0, 64))) return;
  throw new KeystoneError('unsupported_media_type', 'The body must be application/json in UTF-8.');
}

/** The text of a body as a value; see `readJsonBody`. Throws `malformed_json`, `malformed_request` or `validation_failed`. */
export function parseBody(text: string): JsonValue {
  try {
    return withoutNulls(parseJson(quoteQuantities(text), { limits: BODY_JSON_LIMITS }), '');
  } catch (error) {
    if (!(error instanceof JsonRejected)) throw error;
    throw rejectionError(error);
  }
}

const NOT_JSON = { code: 'malformed_json', detail: 'The body is not valid JSON (RFC 8259, RFC 7493).' } as const;
const TOO_MANY = { code: 'malformed_request', detail: 'The body is nested too deeply or has too many parts.' } as const;
const OUT_OF_RANGE = { code: 'validation_failed', detail: 'A value of the body is out of range.' } as const;

const REJECTIONS: Readonly<Record<JsonRejection, { readonly code: ErrorCode; readonly detail: string }>> = {
  INVALID_JSON: NOT_JSON,
  REJECT_DUPLICATE_MEMBER: NOT_JSON,
  LONE_SURROGATE: NOT_JSON,
  NOT_JSON_DATA: NOT_JSON,
  LIMIT_BYTES: { code: 'body_too_large', detail: TOO_LARGE },
  LIMIT_DEPTH: TOO_MANY,
  LIMIT_MEMBERS: TOO_MANY,
  LIMIT_ITEMS: TOO_MANY,
  LIMIT_NODES: TOO_MANY,
  UNSAFE_INTEGER: OUT_OF_RANGE,
  NOT_AN_INTEGER: OUT_OF_RANGE,
  LIMIT_STRING: OUT_OF_RANGE,
};

function rejectionError(rejected: JsonRejected): KeystoneError {
  const { code, detail } = REJECTIONS[rejected.code];
  const sentence = rejected.message.slice(rejected.message.indexOf(': ') + 2);
  return new KeystoneError(code, detail, {
    fields: [{ pointer: rejected.path.slice(0, POINTER_LENGTH), detail: `${sentence}.` }],
    cause: rejected,
  });
}

/** A string or a number token. An unterminated string takes the rest, so that a scan stays linear. */
const TOKEN = /"(?:[^"\\]|\\.)*(?:"|$)|-?[0-9][0-9.eE+-]*/gs;
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** Members whose numbers are taken digit by digit: token ids are up to 256 bits wide. */
const EXACT_MEMBERS: readonly string[] = ['"quantity"', '"token_id"'];

/**
 * Puts the number after a member called `quantity` or `token_id` in quotes before anything parses it: as a double, 0.1 + 17 more digits
 * would lose them. Only a complete JSON number is quoted, so that no malformed text becomes valid.
 */
export function quoteQuantities(text: string): string {
  let memberEnd = -1;
  return text.replace(TOKEN, (token: string, offset: number) => {
    if (token.startsWith('"')) {
      memberEnd = EXACT_MEMBERS.includes(token) ? offset + token.length : -1;
      return token;
    }
    const follows = memberEnd >= 0 && /^\s*:\s*$/.test(text.slice(memberEnd, offset));
    memberEnd = -1;
    return follows && NUMBER.test(token) ? `"${plainDecimal(token)}"` : token;
  });
}

/** Largest exponent that is written out; beyond it no quantity is valid anyway. */
const MAXIMUM_EXPONENT = 100;

/** `1.5e3` → `1500`, exactly; a number without exponent stays as it is. */
function plainDecimal(literal: string): string {
  const [mantissa = '', exponentText] = literal.toLowerCase().split('e');
  if (exponentText === undefined) return literal;
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > MAXIMUM_EXPONENT) return literal;
  const sign = mantissa.startsWith('-') ? '-' : '';
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const point = whole.length + exponent;
  const digits = (whole + fraction).padEnd(point, '0');
  const left = point > 0 ? digits.slice(0, point) : '0';
  const right = point > 0 ? digits.slice(point) : '0'.repeat(-point) + digits;
  return `${sign}${left.replace(/^0+(?=[0-9])/, '')}${right === '' ? '' : `.${right}`}`;
}

function withoutNulls(value: JsonValue, path: string): JsonValue {
  if (typeof value === 'string') return withoutNul(value, path);
  if (Array.isArray(value)) return value.map((item, index) => withoutNulls(item, pointer(path, index)));
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const [name, member] of Object.entries(value)) {
    const here = pointer(path, withoutNul(name, path));
    if (member !== null) setMember(result, name, withoutNulls(member, here));
  }
  return result;
}

/** PostgreSQL has no text with U+0000; storing it would fail after everything was checked. */
function withoutNul(text: string, path: string): string {
  if (!text.includes('\u0000')) return text;
  throw new KeystoneError('validation_failed', 'A text holds the character U+0000.', {
    fields: [{ pointer: path, detail: 'The character U+0000 is not accepted.' }],
  });
}
