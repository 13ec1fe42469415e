import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { equalSecrets } from './constant-time.ts';
import { type CatalogueWallet, CONTROL_WALLETS, SANDBOX_WALLETS } from './catalogue.ts';
import { type Control, createControl } from './control.ts';
import { jsonOf, type ReceivedRequest, type Reply, startServer } from './loopback-server.ts';

/** The vendor's default life of a token. */
const TOKEN_LIFETIME_S = 24 * 60 * 60;
/** Tokens kept at a time; the oldest goes first, which only makes its holder ask again. */
const MAX_TOKENS = 10_000;
/** Bloom-filter version that the sandbox reports. */
const LIST_VERSION = 'sandbox-2026-01';
const KNOWN_CONFIGS: ReadonlySet<string> = new Set(['co-sandbox', 'co-defi', 'co-vasp', 'co-institution']);
const DEFAULT_CONFIG = 'co-vasp';
export const CIPHEROWL_AUDIENCE = 'svc.cipherowl.ai';

export interface CipherOwlSandboxOptions {
  port: number;
  host?: string;
  clientId: string;
  clientSecret: string;
  /** Audience that a token request must name. */
  audience?: string;
  tokenLifetimeS?: number;
  /** ms since epoch. */
  now?: () => number;
}

export interface CipherOwlSandbox {
  /** Origin, which is what `CIPHEROWL_BASE_URL` wants; the control API is at `/__control`. */
  url: string;
  close: () => Promise<void>;
}

const tokenRequest = z.object({
  client_id: z.string(),
  client_secret: z.string(),
  audience: z.string(),
  grant_type: z.literal('client_credentials'),
});

/** google.rpc.Status. */
function rpcError(status: number, code: number, message: string): Reply {
  return { status, json: { code, message, details: [] } };
}
const UNAUTHENTICATED = rpcError(401, 16, 'unauthenticated');
const WRONG_PATH = rpcError(403, 7, 'permission denied');

function createTokens(options: CipherOwlSandboxOptions, now: () => number) {
  const expiries = new Map<string, number>();
  const lifetimeS = options.tokenLifetimeS ?? TOKEN_LIFETIME_S;
  return {
    issue(request: ReceivedRequest): Reply {
      // JSON only, as the vendor: a form body must not work here and fail there.
      const json = (request.headers['content-type'] ?? '').startsWith('application/json');
      const parsed = tokenRequest.safeParse(json ? jsonOf(request.body) : undefined);
      if (!parsed.success) return rpcError(400, 3, 'invalid token request');
      const { client_id, client_secret, audience } = parsed.data;
      const rightId = equalSecrets(client_id, options.clientId);
      const rightSecret = equalSecrets(client_secret, options.clientSecret);
      const rightAudience = audience === (options.audience ?? CIPHEROWL_AUDIENCE);
      if (!rightId || !rightSecret || !rightAudience) return UNAUTHENTICATED;
      const token = randomBytes(32).toString('base64url');
      expiries.set(token, now() + lifetimeS * 1_000);
      const [oldest] = expiries.keys();
      if (expiries.size > MAX_TOKENS && oldest !== undefined) expiries.delete(oldest);
      return { status: 200, json: { access_token: token, expires_in: lifetimeS, token_type: 'Bearer', scope: '' } };
    },
    isValid(request: ReceivedRequest): boolean {
      const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
      return scheme === 'Bearer' && (expiries.get(token) ?? 0) > now();
    },
  };
}

/** EVM network names resolve to the family key. */
function familyOf(chain: string): 'evm' | 'tron' | undefined {
  if (['evm', 'ethereum', 'base', 'polygon', 'avalanche', 'arbitrum', 'optimism'].includes(chain)) return 'evm';
  return chain === 'tron' ? 'tron' : undefined;
}

/** What is known of a wallet: `known` false means no risk; `wallet` undefined with `known` means risk without a reason. */
function lookUp(
  control: Control,
  family: 'evm' | 'tron',
  address: string,
): { known: boolean; wallet?: CatalogueWallet } {
  const key = family === 'evm' ? address.toLowerCase() : address;
  const listed = control.wallets.get(key);
  const wallet = listed === undefined || listed === 'none' ? SANDBOX_WALLETS[family][key] : CONTROL_WALLETS[listed];
  const known = listed !== undefined || wallet !== undefined;
  return wallet === undefined ? { known } : { known, wallet };
}

const BAND_SCORES = { Severe: 95, High: 75, Medium: 45, Low: 15 } as const;
/** Value in USD of each exposure; above the threshold of the policy for indirect sanctions. */
const EXPOSURE_USD = 25_000;

function riskScore(wallet: CatalogueWallet | undefined): Record<string, unknown> {
  const breakdown = (wallet?.exposures ?? []).map((exposure) => ({
    ...exposure,
    usdValue: EXPOSURE_USD,
    riskContribution: 1,
  }));
  const riskBand = wallet === undefined ? 'Low Risk' : `${wallet.band} Risk`;
  const score = wallet === undefined ? 0 : BAND_SCORES[wallet.band];
  return { riskProfile: 'default', riskScore: score, riskBand, breakdown, timestamp: new Date().toISOString() };
}

function riskBreakdown(wallet: CatalogueWallet | undefined): Record<string, unknown> {
  const exposures = wallet?.exposures ?? [];
  const risks = exposures.map(({ category, direction, hops }) => ({
    type: direction === 'DIRECT' ? 'DIRECT' : 'INDIRECT',
    category,
    direction: direction === 'SEND' ? 'SEND' : 'RECEIVE',
    percentage: 100 / exposures.length,
    hops,
    totalUsdValue: EXPOSURE_USD,
  }));
  return { risks, timestamp: new Date().toISOString() };
}

const ADDRESS_PATH =
  /^\/api\/(screen\/v1|reason\/v2)\/chains\/([a-z]+)\/addresses\/([A-Za-z0-9]+)(\/risk-score|\/risk-breakdown)?$/;

function answerAddress(control: Control, request: ReceivedRequest): Reply {
  const match = ADDRESS_PATH.exec(request.path);
  if (match === null || request.method !== 'GET') return WRONG_PATH;
  const [, service, chain = '', address = '', what = ''] = match;
  const family = familyOf(chain);
  if (family === undefined) return rpcError(400, 3, 'chain is not supported');
  const config = request.query.get('config') ?? DEFAULT_CONFIG;
  if (!KNOWN_CONFIGS.has(config)) return rpcError(400, 3, 'config is not known');
  const { known, wallet } = lookUp(control, family, address);
  // The family key is echoed, and the address as it was asked for.
  const echo = { config, chain: family, address, simulated: true };
  if (service === 'screen/v1' && what === '') {
    return { status: 200, json: { ...echo, foundRisk: known, version: LIST_VERSION, explanations: {} } };
  }
  if (service === 'reason/v2' && what === '/risk-score')
    return { status: 200, json: { ...echo, ...riskScore(wallet) } };
  if (service === 'reason/v2' && what === '/risk-breakdown') {
    return { status: 200, json: { ...echo, ...riskBreakdown(wallet) } };
  }
  return WRONG_PATH;
}

/** Starts a CipherOwl sandbox: token, screen and reasons over the vendor's published sandbox wallets and the control list. */
export async function startCipherOwlSandbox(options: CipherOwlSandboxOptions): Promise<CipherOwlSandbox> {
  const tokens = createTokens(options, options.now ?? Date.now);
  const control = createControl(() => ({}));
  const server = await startServer(
    options,
    control.around((request) => {
      if (request.method === 'POST' && request.path === '/oauth/token') return tokens.issue(request);
      if (!tokens.isValid(request)) return UNAUTHENTICATED;
      if (request.method === 'GET' && request.path === '/api/chain-capabilities/v1') {
        const tiers = { screening: true, reporting: true, research: true };
        const capabilities = { evm: { chainClass: 'evm', ...tiers }, tron: { chainClass: 'tron', ...tiers } };
        return { status: 200, json: { capabilities } };
      }
      return answerAddress(control, request);
    }),
  );
  return { url: server.url, close: server.close };
}
