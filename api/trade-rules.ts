import { type ChainConfiguration, coordinatorOf } from '../domain/configuration.ts';
import { type ErrorCode, KeystoneError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { DEFAULT_TEMPLATE_SLUG, type SettlementTemplate, templateById, templateBySlug } from '../domain/templates.ts';

/** The rules that both ways in share: template, roles, deadline, chains. Each refusal names its code and the place. */

export function refusal(code: ErrorCode, pointer: string, detail: string): KeystoneError {
  return new KeystoneError(code, detail, { fields: [{ pointer, detail }] });
}

/** Throws `template_unknown`, and `template_unavailable` when this installation has no attesters for it: its gate would never open. */
export function chooseTemplate(
  slug: string | undefined,
  id: string | undefined,
  chains: readonly ChainConfiguration[],
): SettlementTemplate {
  const pointer = id === undefined ? '/template_slug' : '/template_id';
  const template = id === undefined ? templateBySlug(slug ?? DEFAULT_TEMPLATE_SLUG) : templateById(id);
  if (template === undefined || (slug !== undefined && template.slug !== slug)) {
    throw refusal('template_unknown', pointer, 'There is no such settlement template.');
  }
  if (!isTemplateAvailable(template, chains)) {
    throw refusal('template_unavailable', pointer, 'The attester set of this template is not set up here.');
  }
  return template;
}

export function isTemplateAvailable(template: SettlementTemplate, chains: readonly ChainConfiguration[]): boolean {
  return Object.hasOwn(coordinatorOf(chains).attester_sets, template.attesterSet);
}

/** ms since epoch. Within 60 to 604800 seconds from now; `defaultSeconds` from now when the request names none. */
export function chooseDeadline(timeoutAt: string | undefined, defaultSeconds: number, nowMs: number): number {
  if (timeoutAt === undefined) return nowMs + defaultSeconds * 1_000;
  const deadlineMs = Date.parse(timeoutAt);
  const seconds = (deadlineMs - nowMs) / 1_000;
  if (Number.isNaN(seconds) || seconds < LIMITS.minimumTimeoutSeconds || seconds > LIMITS.maximumTimeoutSeconds) {
    throw refusal(
      'timeout_out_of_range',
      '/timeout_at',
      `The deadline must lie ${LIMITS.minimumTimeoutSeconds} to ${LIMITS.maximumTimeoutSeconds} seconds ahead.`,
    );
  }
  return deadlineMs;
}

export function checkChain(chainId: number | undefined, pointer: string, chains: readonly ChainConfiguration[]): void {
  if (chainId === undefined || chains.some((chain) => chain.chain_id === chainId)) return;
  throw refusal('chain_unknown', pointer, 'This chain is not one of those that settlements run on.');
}

export interface StatedRole {
  readonly role: string;
  readonly pointer: string;
}

/** The template's roles, each exactly once. */
export function checkRoles(template: SettlementTemplate, stated: readonly StatedRole[]): void {
  const seen = new Set<string>();
  for (const { role, pointer } of stated) {
    checkRole(template, role, pointer);
    if (seen.has(role)) throw refusal('role_duplicated', pointer, `The role ${role} is given twice.`);
    seen.add(role);
  }
  const missing = template.requiredRoles.find((role) => !seen.has(role));
  if (missing !== undefined) throw refusal('role_missing', '/parties', `Missing required role: ${missing}`);
}

export function checkRole(template: SettlementTemplate, role: string, pointer: string): void {
  if (template.requiredRoles.includes(role)) return;
  throw refusal('role_unknown', pointer, `The template's roles are ${template.requiredRoles.join(' and ')}.`);
}
