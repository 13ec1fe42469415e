import type { UrlVerdict } from '../activities/webhooks/address-policy.ts';
import type { WebhookSender } from '../activities/webhooks/send.ts';
import type { Database } from '../db/pool.ts';
import type { ChainConfiguration } from '../domain/configuration.ts';
import type { TokenStandard } from '../domain/legs.ts';
import type { TemplateFees } from '../domain/template-fees.ts';
import type { Caller } from './route.ts';

/** What the handlers work with. Everything that leaves the process has a time limit of its own. */
export interface ApiDependencies {
  readonly database: Database;
  readonly chains: readonly ChainConfiguration[];
  /** What configured templates take; most take nothing. */
  readonly templateFees: TemplateFees;
  /**
   * Decimals that a token states on its own chain; 0 for an ERC-721, which has none. Throws `instrument_unknown`, `token_standard_differs` or
   * `chain_unavailable`.
   */
  readonly tokenDecimals: (chainId: number, address: string, standard: TokenStandard) => Promise<number>;
  readonly checkWebhookUrl: (url: string) => Promise<UrlVerdict>;
  readonly webhookSender: WebhookSender;
  /** ms since epoch */
  readonly now: () => number;
}

/** Whose deed an event is, for every involved platform to read; it names the platform, not the credentials used. */
export function triggeredBy(caller: Caller): string {
  return caller.kind === 'platform' ? `platform:${caller.platformSlug}` : 'operator';
}

/** Whose deed it was, for the audit log. */
export function actorOf(caller: Caller): string {
  return `${caller.kind}:${caller.clientId}`;
}

export function environmentOf(caller: Caller): string | null {
  return caller.kind === 'platform' ? caller.environmentId : null;
}

/** Under which rules of visibility a caller reads. */
export function readerOf(caller: Caller): 'tenant' | 'operator' {
  return caller.kind === 'platform' ? 'tenant' : 'operator';
}
