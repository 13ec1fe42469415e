import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';

import ipaddr from 'ipaddr.js';

import { KeystoneError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { WEBHOOK_LIMITS } from './limits.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type AddressRange = readonly [address: Address, bits: number];

/** Where webhooks may go besides public addresses. */
export interface WebhookAddressPolicy {
  /** Ranges that are allowed although they are not public; http is allowed only there. Empty in production. */
  readonly allowedPrivateRanges: readonly AddressRange[];
}

/**
 * Parses `WEBHOOK_ALLOWED_PRIVATE_RANGES`: CIDR ranges separated by commas, blanks ignored.
 * @throws KeystoneError configuration_invalid
 */
export function parseAllowedPrivateRanges(text: string): AddressRange[] {
  const parts = text.split(',').map((part) => part.trim());
  return parts
    .filter((part) => part !== '')
    .map((part) => {
      if (!ipaddr.isValidCIDR(part)) {
        throw new KeystoneError(
          'configuration_invalid',
          'WEBHOOK_ALLOWED_PRIVATE_RANGES holds something that is no CIDR.',
        );
      }
      return ipaddr.parseCIDR(part);
    });
}

/** `public` may be reached by https, `allowed` by http too, `refused` not at all. */
export type AddressVerdict = 'public' | 'allowed' | 'refused';

/** Global unicast IPv6. Outside it lies, among others, `::7f00:1`, which some systems still route to the IPv4 address inside it. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');

/** Judges a literal address. IPv4-mapped IPv6 counts as the IPv4 address that it reaches. */
export function judgeAddress(text: string, policy: WebhookAddressPolicy): AddressVerdict {
  if (!ipaddr.isValid(text)) return 'refused';
  const address = ipaddr.process(text);
  if (policy.allowedPrivateRanges.some((range) => contains(range, address))) return 'allowed';
  if (address.range() !== 'unicast') return 'refused';
  return address instanceof ipaddr.IPv6 && !address.match(GLOBAL_IPV6) ? 'refused' : 'public';
}

function contains([base, bits]: AddressRange, address: Address): boolean {
  // Comparing an IPv4 address with an IPv6 range throws.
  return base.kind() === address.kind() && address.match(base, bits);
}

/** The protocols under which an address of that verdict may be called. */
export function mayConnect(verdict: AddressVerdict, protocol: string): boolean {
  return verdict === 'allowed' || (verdict === 'public' && protocol === 'https:');
}

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Resolves a name to all its addresses; a test may hand in another one. Rejects when the name does not resolve. */
export type Resolve = (hostname: string) => Promise<ResolvedAddress[]>;

export const resolveBySystem: Resolve = (hostname) => systemLookup(hostname, { all: true });

/** The literal address that a URL's host is, without IPv6 brackets; undefined for a name. */
export function literalHost(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return isIP(host) === 0 ? undefined : host;
}

/** Parses a webhook address; undefined when it is malformed, too long, of another protocol, or carries credentials or a fragment. */
export function parseWebhookUrl(text: string): URL | undefined {
  if (text.length > LIMITS.maximumUrlLength || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const plain = url.username === '' && url.password === '' && url.hash === '';
  return plain && (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname !== '' ? url : undefined;
}

export type UrlVerdict = { readonly allowed: true } | { readonly allowed: false; readonly detail: string };

/**
 * The check when an endpoint is registered: https only, unless the host lies in an allowed private range, and no address that is not
 * public. A name is resolved for at most 2 s. An https name that does not resolve yet is accepted, since every delivery judges the
 * address that it really connects to; registration only tells the platform early.
 * `detail` is a public sentence; it is the same for every refused address, so that nobody maps our network with it.
 */
export async function checkWebhookUrl(
  text: string,
  policy: WebhookAddressPolicy,
  resolve: Resolve = resolveBySystem,
): Promise<UrlVerdict> {
  const url = parseWebhookUrl(text);
  if (url === undefined) {
    return refuse('The webhook address must be an https URL without credentials and fragment.');
  }
  const literal = literalHost(url);
  const addresses = literal === undefined ? await resolveInTime(url.hostname, resolve) : [literal];
  const verdicts = addresses.map((address) => judgeAddress(address, policy));
  if (verdicts.some((verdict) => mayConnect(verdict, url.protocol))) return { allowed: true };
  if (url.protocol === 'http:') return refuse('The webhook address must use https.');
  return verdicts.length === 0 && !isLocalName(url.hostname)
    ? { allowed: true }
    : refuse('The webhook address must be reachable on the public internet.');
}

/** A name that never means a host on the internet, whether or not it resolves on this machine (RFC 6761, RFC 6762, ICANN's .internal). */
function isLocalName(hostname: string): boolean {
  const labels = hostname.replace(/\.$/, '').split('.');
  return labels.length === 1 || ['localhost', 'local', 'internal'].includes(labels.at(-1) ?? '');
}

function refuse(detail: string): UrlVerdict {
  return { allowed: false, detail };
}

async function resolveInTime(hostname: string, resolve: Resolve): Promise<string[]> {
  const late = Promise.withResolvers<ResolvedAddress[]>();
  const timer = setTimeout(() => late.resolve([]), WEBHOOK_LIMITS.registrationLookupMs);
  try {
    const found = await Promise.race([resolve(hostname), late.promise]);
    return found.map(({ address }) => address);
  } catch {
    // Does not resolve: the caller treats it as a name that may exist later.
    return [];
  } finally {
    clearTimeout(timer);
  }
}
