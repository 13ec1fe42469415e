import { createHmac } from 'node:crypto';

/**
 * Request signing of World-Check One (v2 and v3). Source: the vendor's security page with its known-answer vector,
 * and several public clients. It departs from HTTP signature drafts: the body itself is part of the signed text, and
 * the query string is not, so a query parameter is not protected.
 */
export interface SignableRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD';
  /** Path of the URL as sent, without the query string. */
  path: string;
  /** Host of the URL as called, with a port that is not the scheme's own: what ends up in the `Host` header. */
  host: string;
  /** RFC 1123 date in GMT, the same text as in the `Date` header. */
  date: string;
  /** Exactly the bytes that are sent; undefined when there is no body. */
  body?: string;
}

export const JSON_CONTENT_TYPE = 'application/json';

/** The text under the signature: lines joined by a single LF, the raw body last, no LF at the end. */
export function signedText(request: SignableRequest): string {
  const lines = [
    `(request-target): ${request.method.toLowerCase()} ${request.path}`,
    `host: ${request.host}`,
    `date: ${request.date}`,
  ];
  // A POST without a body signs three lines; naming content headers that are not sent gets a 401.
  if (request.body !== undefined) {
    lines.push(
      `content-type: ${JSON_CONTENT_TYPE}`,
      // UTF-8 bytes, not characters: `é` would break every signature otherwise.
      `content-length: ${Buffer.byteLength(request.body, 'utf8')}`,
      request.body,
    );
  }
  return lines.join('\n');
}

/** HMAC-SHA256 in base64. The secret looks like base64 and is used as the plain text that it is. */
export function signatureOf(request: SignableRequest, apiSecret: string): string {
  return createHmac('sha256', apiSecret).update(signedText(request), 'utf8').digest('base64');
}

/** Value of the `Authorization` header. */
export function authorizationOf(request: SignableRequest, apiKey: string, apiSecret: string): string {
  const headers =
    request.body === undefined
      ? '(request-target) host date'
      : '(request-target) host date content-type content-length';
  const signature = signatureOf(request, apiSecret);
  return `Signature keyId="${apiKey}",algorithm="hmac-sha256",headers="${headers}",signature="${signature}"`;
}
