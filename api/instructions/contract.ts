import { z } from 'zod';

import { INSTRUCTION_STATUSES } from '../../db/instructions.ts';
import { FEE_MODES } from '../../domain/fees.ts';
import { DIRECTIONS, LEG_TYPES } from '../../domain/legs.ts';
import { LIMITS } from '../../domain/limits.ts';
import { MATCH_REFUSALS } from '../../domain/matching.ts';
import { DEFAULT_TEMPLATE_SLUG } from '../../domain/templates.ts';
import type { RouteContract } from '../route.ts';
import {
  feeModeIn,
  idempotencyKeyIn,
  idParam,
  instructionLegIn,
  instructionListQuery,
  listOf,
  partyFields,
  roleIn,
  text,
  timeIn,
  timeOut,
  uuidOut,
} from '../schemas.ts';
import { walletsOut } from '../settlements/views.ts';
import { LEG_ERRORS, WALLET_ERRORS } from '../trade-errors.ts';

export const submitInstructionBody = z
  .strictObject({
    template_slug: text(100).default(DEFAULT_TEMPLATE_SLUG),
    role: roleIn,
    party: z.strictObject(partyFields).meta({ id: 'InstructionPartyInput' }),
    legs: z.array(instructionLegIn).max(LIMITS.maximumLegs).default([]),
    trade_reference: z
      .string()
      .max(LIMITS.maximumTradeReferenceLength)
      .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'must be printable ASCII without blanks around it')
      .optional()
      .meta({ description: 'The reference that the other side gave you; left out, a new one is made.' }),
    timeout_at: timeIn.optional(),
    fee_mode: feeModeIn.optional(),
    idempotency_key: idempotencyKeyIn.optional(),
  })
  .meta({ id: 'SubmitInstruction' });
export type SubmitInstructionBody = z.output<typeof submitInstructionBody>;

export const instructionOut = z
  .looseObject({
    id: uuidOut,
    trade_reference: z.string(),
    status: z.enum(INSTRUCTION_STATUSES),
    settlement_id: uuidOut.nullable(),
    template_slug: z.string(),
    role: z.string(),
    party: z.looseObject({
      external_reference: z.string(),
      name: z.string().nullable(),
      wallet_address: z.string().nullable(),
      chain_id: z.int().nullable(),
      wallets: walletsOut,
      country: z.string().nullable(),
    }),
    legs: z.array(
      z.looseObject({
        leg_type: z.enum(LEG_TYPES),
        instrument_id: z.string(),
        quantity: z.string(),
        direction: z.enum(DIRECTIONS),
        chain_id: z.int(),
        token_standard: z.string(),
        token_id: z.string().nullable(),
        partition: z.string().nullable(),
        external_reference: z.string().nullable(),
      }),
    ),
    fee_mode: z.enum(FEE_MODES).nullable().meta({
      description: 'As stated, else the template’s; both sides must agree. Null when there is no payment leg.',
    }),
    idempotency_key: z.string().nullable(),
    match_refusal: z
      .looseObject({ code: z.enum(MATCH_REFUSALS), detail: z.string() })
      .nullable()
      .meta({ description: 'Why it did not match the instruction that it was compared with.' }),
    timeout_at: timeOut,
    expires_at: timeOut,
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Instruction' });

const instructionParams = z.strictObject({ instruction_id: idParam });
const instructionAnswer = { description: 'The instruction.', schema: instructionOut } as const;

export const submitInstruction = {
  operationId: 'submitInstruction',
  tag: 'instructions',
  method: 'post',
  path: '/v1/instructions',
  summary: 'Submit your side of a trade. The second instruction of a trade reference is matched with the first.',
  description: 'An instruction that does not fit is kept as `pending_match` and says why in `match_refusal`.',
  access: 'environment',
  scope: 'instructions:write',
  body: submitInstructionBody,
  idempotent: true,
  example: {
    template_slug: 'dvp-standard',
    role: 'seller',
    fee_mode: 'split',
    party: {
      external_reference: 'seller-001',
      name: 'Acme Securities',
      wallet_address: '0x52908400098527886E0F7030069857D2E4169EE7',
    },
    legs: [
      {
        leg_type: 'asset_delivery',
        instrument_id: '0x5fbdb2315678afecb367f032d93f642f64180aa3',
        quantity: '500',
        direction: 'deliver',
        chain_id: 11155111,
      },
      {
        leg_type: 'payment',
        instrument_id: '0xe7f1725e7734ce288f8367e1bb143e90bb3f0512',
        quantity: '125000',
        direction: 'receive',
        chain_id: 11155111,
      },
    ],
  },
  responses: {
    201: { description: 'The instruction was taken; `matched` when it met its other side.', schema: instructionOut },
    200: { description: 'What an earlier request with this idempotency key submitted.', schema: instructionOut },
  },
  errors: [
    'idempotency_key_reused',
    'idempotency_key_conflict',
    'idempotency_in_progress',
    'template_unknown',
    'template_unavailable',
    'role_unknown',
    'leg_type_missing',
    'legs_missing',
    ...LEG_ERRORS,
    ...WALLET_ERRORS,
    'timeout_out_of_range',
    'trade_reference_taken',
    'chain_unavailable',
  ],
} as const satisfies RouteContract;

export const listInstructions = {
  operationId: 'listInstructions',
  tag: 'instructions',
  method: 'get',
  path: '/v1/instructions',
  summary: 'List your own instructions, newest first.',
  access: 'any',
  scope: 'instructions:read',
  query: instructionListQuery,
  responses: { 200: { description: 'One page.', schema: listOf('InstructionList', instructionOut) } },
  errors: [],
} as const satisfies RouteContract;

export const getInstruction = {
  operationId: 'getInstruction',
  tag: 'instructions',
  method: 'get',
  path: '/v1/instructions/{instruction_id}',
  summary: 'Read one of your own instructions.',
  access: 'any',
  scope: 'instructions:read',
  params: instructionParams,
  responses: { 200: instructionAnswer },
  errors: ['not_found'],
} as const satisfies RouteContract;

export const cancelInstruction = {
  operationId: 'cancelInstruction',
  tag: 'instructions',
  method: 'delete',
  path: '/v1/instructions/{instruction_id}',
  summary: 'Cancel an instruction that still waits for its other side.',
  access: 'environment',
  scope: 'instructions:write',
  params: instructionParams,
  responses: { 200: instructionAnswer },
  errors: ['not_found', 'instruction_not_cancellable'],
} as const satisfies RouteContract;
