import { z } from 'zod';

import { LIMITS } from '../domain/limits.ts';
import { FEE_MODES } from '../domain/fees.ts';
import { DIRECTIONS, LEG_TYPES, MAXIMUM_TOKEN_ID, TOKEN_STANDARDS } from '../domain/legs.ts';
import { WALLET_PURPOSES } from '../domain/wallets.ts';
import { API_LIMITS } from './limits.ts';

/** Building blocks of the contracts. Requests are strict, answers are open: a new field of an answer breaks no client. */

/** Text that holds something, at most `maximum` UTF-16 units. */
export function text(maximum: number): z.ZodString {
  return z.string().min(1).max(maximum).regex(/\S/, 'must not be blank');
}

export const uuidOut = z.string().meta({ format: 'uuid' });
export const timeOut = z.string().meta({ format: 'date-time' });

/** ISO 8601 with a time zone. */
export const timeIn = z.iso
  .datetime({ offset: true })
  .meta({ description: 'ISO 8601 with a time zone, for example 2026-12-01T12:00:00Z.' });

/** EVM address; checked against EIP-55 when it is in mixed case. Its shape is judged by the business rules, which have a code for it. */
export const walletIn = z.string().min(1).max(LIMITS.maximumTextLength).meta({
  description: 'EVM address. In mixed case its EIP-55 checksum must be right.',
  example: '0x52908400098527886E0F7030069857D2E4169EE7',
});

export const chainIdIn = z
  .number()
  .int()
  .positive()
  .max(Number.MAX_SAFE_INTEGER)
  .meta({ description: 'EIP-155 chain id.' });

export const roleIn = text(LIMITS.maximumRoleLength).meta({ description: 'A role of the template: seller or buyer.' });

export const countryIn = z
  .string()
  .regex(/^[A-Z]{3}$/)
  .meta({ description: 'ISO 3166-1 alpha-3; helps screening to tell namesakes apart.' });

export const idempotencyKeyIn = z
  .string()
  .regex(
    new RegExp(`^[\\x20-\\x7e]{1,${LIMITS.maximumIdempotencyKeyLength}}$`),
    'must be 1 to 255 printable ASCII characters',
  );

/** A JSON number is taken digit by digit (`api/body.ts` has put it into quotes), so both forms are exact. */
export const quantityIn = z
  .string()
  .min(1)
  .max(LIMITS.maximumTextLength)
  .meta({ type: ['string', 'number'], description: 'Human units, exact decimal, as text or number.', example: '500' });

const partyWalletIn = z
  .strictObject({
    chain_id: chainIdIn,
    address: walletIn,
    purpose: z
      .enum(WALLET_PURPOSES)
      .meta({ description: 'Where the party is paid, or from where it pays on this chain.' }),
  })
  .meta({ id: 'PartyWalletInput' });

/** What a party says of itself, in both ways in. */
export const partyFields = {
  external_reference: text(LIMITS.maximumTextLength),
  name: text(LIMITS.maximumTextLength).optional(),
  wallet_address: walletIn.optional().meta({
    description: 'The wallet on every chain that `wallets` does not name. Either this or `wallets` is needed.',
    example: '0x52908400098527886E0F7030069857D2E4169EE7',
  }),
  chain_id: chainIdIn.optional(),
  wallets: z.array(partyWalletIn).max(LIMITS.maximumWalletsPerParty).optional().meta({
    description: 'Wallets per chain; a deposit wallet defaults to the receive wallet. Every one is screened.',
  }),
  country: countryIn.optional(),
};

export const partyIn = z.strictObject({ role: roleIn, ...partyFields }).meta({ id: 'PartyInput' });

export const feeModeIn = z.enum(FEE_MODES).meta({
  description:
    'Who bears the template’s fee on the payment legs: taken out of the payout, added to the deposit, or half of each. Default: the template’s.',
});

const statedLegFields = {
  instrument_id: text(LIMITS.maximumTextLength).meta({ description: 'Token contract address.' }),
  quantity: quantityIn,
  chain_id: chainIdIn.optional(),
  token_standard: text(LIMITS.maximumTextLength)
    .optional()
    .meta({ description: `${TOKEN_STANDARDS.join(', ')}; ERC-20 when it is left out.` }),
  token_id: z
    .string()
    .regex(/^(?:0|[1-9][0-9]{0,77})$/, 'must be a whole number')
    .refine((id) => BigInt(id) <= MAXIMUM_TOKEN_ID, 'must fit into 256 bits')
    .optional()
    .meta({ type: ['string', 'integer'], description: 'Of an ERC-721 leg: the one token that moves.' }),
  partition: z
    .string()
    .regex(/^0x[0-9a-fA-F]{64}$/, 'must be 0x and 64 hexadecimal digits')
    .toLowerCase()
    .optional()
    .meta({ description: 'Of an ERC-1400 leg: the partition that it is taken from and put into.' }),
  external_reference: text(LIMITS.maximumTextLength).optional(),
};

export const settlementLegIn = z
  .strictObject({
    ...statedLegFields,
    leg_type: z.enum(LEG_TYPES),
    direction: z.enum(DIRECTIONS).meta({ description: 'From the point of view of party_role.' }),
    party_role: roleIn,
  })
  .meta({ id: 'SettlementLegInput' });

export const instructionLegIn = z
  .strictObject({
    ...statedLegFields,
    leg_type: z.enum(LEG_TYPES).default('asset_delivery'),
    direction: z.enum(DIRECTIONS).default('deliver').meta({ description: 'From the point of view of your own party.' }),
  })
  .meta({ id: 'InstructionLegInput' });

const decimalText = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^[0-9]{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().int().min(minimum).max(maximum));

const pageFields = {
  limit: decimalText(1, LIMITS.listMaximum)
    .optional()
    .meta({ type: 'integer', minimum: 1, maximum: LIMITS.listMaximum, default: LIMITS.listDefault }),
  offset: decimalText(0, API_LIMITS.maximumOffset)
    .optional()
    .meta({ type: 'integer', minimum: 0, default: 0, description: 'Ignored when a cursor is given.' }),
  cursor: z
    .string()
    .min(1)
    .max(API_LIMITS.maximumCursorLength)
    .optional()
    .meta({ description: '`next_cursor` of the page before.' }),
};

export const pageQuery = z.strictObject(pageFields);
export const settlementListQuery = z.strictObject({
  ...pageFields,
  state: z
    .string()
    .max(LIMITS.maximumTextLength)
    .optional()
    .meta({ description: 'A state; an unknown one lists nothing.' }),
});
export const instructionListQuery = z.strictObject({
  ...pageFields,
  status: z
    .string()
    .max(LIMITS.maximumTextLength)
    .optional()
    .meta({ description: 'A status; an unknown one lists nothing.' }),
});

/** The one envelope of all lists. */
export function listOf<Item extends z.ZodType>(id: string, item: Item) {
  return z
    .looseObject({
      items: z.array(item),
      total: z.int(),
      limit: z.int(),
      offset: z.int(),
      next_cursor: z.string().nullable(),
      has_more: z.boolean(),
    })
    .meta({ id });
}

/** A path parameter that is no UUID names nothing, so it is answered like a missing object. */
export const idParam = z
  .string()
  .regex(/^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/)
  .toLowerCase()
  .meta({ format: 'uuid' });

export const problemOut = z
  .looseObject({
    type: z.string().meta({ description: 'Path of the page about this error.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().meta({ description: 'Stable; what a program branches on.' }),
    errors: z.array(z.looseObject({ pointer: z.string(), detail: z.string() })),
    instance: z.string().optional(),
    request_id: z
      .string()
      .optional()
      .meta({ description: 'Absent from 404 answers, which are the same for everybody.' }),
  })
  .meta({ id: 'Problem' });
