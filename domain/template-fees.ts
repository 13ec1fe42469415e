import { z } from 'zod';

import type { TemplateFee } from './fees.ts';
import { LIMITS } from './limits.ts';

/** Fees by the slug of the template that takes them. A template that is not named takes none. */
export type TemplateFees = Readonly<Record<string, TemplateFee>>;

export const NO_TEMPLATE_FEES: TemplateFees = {};

const MAXIMUM_TEMPLATES = 100;

const templateFee = z
  .strictObject({
    basis_points: z.number().int().min(1).max(LIMITS.maximumFeeBasisPoints),
    recipient: z
      .string()
      .regex(/^0x[0-9a-fA-F]{40}$/)
      .refine((address) => !/^0x0{40}$/.test(address), { message: 'is the zero address' }),
  })
  .transform((fee): TemplateFee => ({ basisPoints: fee.basis_points, recipient: fee.recipient.toLowerCase() }));

/**
 * The variable `TEMPLATE_FEES`: JSON `{"<slug>": {"basis_points": 25, "recipient": "0x…"}}`. That a slug is a template's, and that a recipient
 * is none of the contracts, is asked by `checkTemplateFees`, which knows both.
 */
export const templateFeesFromJson = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // The message of the parser would repeat the value.
      context.addIssue({ code: 'custom', message: 'is not JSON' });
      return z.NEVER;
    }
  })
  .pipe(
    z.record(z.string(), templateFee).refine((fees) => Object.keys(fees).length <= MAXIMUM_TEMPLATES, {
      message: 'names too many templates',
    }),
  );

/** Throws when a fee names a template that is not there, or would be paid to a contract of ours, which would swallow it. */
export function checkTemplateFees(
  fees: TemplateFees,
  known: { readonly slugs: readonly string[]; readonly contracts: readonly string[] },
): void {
  for (const [slug, fee] of Object.entries(fees)) {
    if (!known.slugs.includes(slug))
      throw new Error(`configuration is not valid: TEMPLATE_FEES names no template ${slug}`);
    if (known.contracts.includes(fee.recipient)) {
      throw new Error(
        `configuration is not valid: TEMPLATE_FEES pays the fee of ${slug} to a contract of the settlement system`,
      );
    }
  }
}
