import { z } from 'zod';

import { LIMITS } from '../../domain/limits.ts';
import { DEFAULT_TEMPLATE_SLUG } from '../../domain/templates.ts';
import type { RouteContract } from '../route.ts';
import {
  feeModeIn,
  idempotencyKeyIn,
  idParam,
  pageQuery,
  partyFields,
  partyIn,
  roleIn,
  settlementLegIn,
  settlementListQuery,
  text,
  timeIn,
} from '../schemas.ts';
import { LEG_ERRORS, WALLET_ERRORS } from '../trade-errors.ts';
import {
  complianceReferencesOut,
  depositInfoOut,
  eventListOut,
  packOut,
  relatedOut,
  settlementListOut,
  settlementOut,
} from './views.ts';

const settlementParams = z.strictObject({ settlement_id: idParam });
const settlementAnswer = { description: 'The settlement as you may see it.', schema: settlementOut } as const;

const counterpartyIn = z
  .strictObject({
    platform_slug: text(63),
    role: roleIn,
    wallet_address_hint: text(LIMITS.maximumHintLength).optional(),
    counterparty_reference: text(LIMITS.maximumHintLength).optional(),
  })
  .meta({ id: 'CounterpartyInput' });

export const createSettlementBody = z
  .strictObject({
    template_slug: text(100)
      .optional()
      .meta({ description: `Default ${DEFAULT_TEMPLATE_SLUG}.` }),
    template_id: z.uuid().toLowerCase().optional(),
    external_reference: text(LIMITS.maximumTextLength).optional(),
    idempotency_key: idempotencyKeyIn.optional(),
    timeout_at: timeIn.optional(),
    fee_mode: feeModeIn.optional(),
    parties: z.array(partyIn).max(LIMITS.maximumParties).default([]),
    counterparty_parties: z.array(counterpartyIn).max(LIMITS.maximumParties).default([]),
    legs: z.array(settlementLegIn).max(LIMITS.maximumLegs).default([]),
  })
  .meta({ id: 'CreateSettlement' });
export type CreateSettlementBody = z.output<typeof createSettlementBody>;

const exampleLegs = [
  {
    leg_type: 'asset_delivery',
    instrument_id: '0x5fbdb2315678afecb367f032d93f642f64180aa3',
    quantity: '500',
    direction: 'deliver',
    party_role: 'seller',
    chain_id: 11155111,
  },
  {
    leg_type: 'payment',
    instrument_id: '0xe7f1725e7734ce288f8367e1bb143e90bb3f0512',
    quantity: '125000',
    direction: 'receive',
    party_role: 'seller',
    chain_id: 11155111,
  },
];

export const createSettlement = {
  operationId: 'createSettlement',
  tag: 'settlements',
  method: 'post',
  path: '/v1/settlements',
  summary: 'Initiate a settlement with your own parties and, by platform, their counterparties.',
  access: 'environment',
  scope: 'settlements:write',
  body: createSettlementBody,
  idempotent: true,
  example: {
    parties: [
      {
        role: 'seller',
        external_reference: 'seller-001',
        name: 'Acme Securities',
        wallet_address: '0x52908400098527886E0F7030069857D2E4169EE7',
        chain_id: 11155111,
        wallets: [{ chain_id: 11155111, address: '0xde709f2102306220921060314715629080e2fb77', purpose: 'deposit' }],
      },
    ],
    fee_mode: 'seller_pays',
    counterparty_parties: [
      { platform_slug: 'platform-b', role: 'buyer', counterparty_reference: 'Entity Name or LEI' },
    ],
    legs: exampleLegs,
  },
  responses: {
    201: { description: 'The settlement was created.', schema: settlementOut },
    200: {
      description: 'The settlement that an earlier request with this idempotency key created.',
      schema: settlementOut,
    },
  },
  errors: [
    'idempotency_key_reused',
    'idempotency_key_conflict',
    'idempotency_in_progress',
    'template_unknown',
    'template_unavailable',
    'role_unknown',
    'role_missing',
    'role_duplicated',
    'leg_type_missing',
    'legs_missing',
    'platform_unknown',
    ...LEG_ERRORS,
    ...WALLET_ERRORS,
    'timeout_out_of_range',
    'chain_unavailable',
  ],
} as const satisfies RouteContract;

export const listSettlements = {
  operationId: 'listSettlements',
  tag: 'settlements',
  method: 'get',
  path: '/v1/settlements',
  summary: 'List the settlements in which you have a party, newest first.',
  access: 'any',
  scope: 'settlements:read',
  query: settlementListQuery,
  responses: { 200: { description: 'One page.', schema: settlementListOut } },
  errors: [],
} as const satisfies RouteContract;

export const getSettlement = {
  operationId: 'getSettlement',
  tag: 'settlements',
  method: 'get',
  path: '/v1/settlements/{settlement_id}',
  summary: 'Read a settlement with its parties and legs.',
  access: 'any',
  scope: 'settlements:read',
  params: settlementParams,
  responses: { 200: settlementAnswer },
  errors: ['not_found'],
} as const satisfies RouteContract;

export const listSettlementEvents = {
  operationId: 'listSettlementEvents',
  tag: 'settlements',
  method: 'get',
  path: '/v1/settlements/{settlement_id}/events',
  summary: 'List what happened to a settlement, oldest first, without gaps in the sequence.',
  access: 'any',
  scope: 'settlements:read',
  params: settlementParams,
  query: pageQuery,
  responses: { 200: { description: 'One page.', schema: eventListOut } },
  errors: ['not_found'],
} as const satisfies RouteContract;

export const getRelated = {
  operationId: 'getRelatedSettlements',
  tag: 'settlements',
  method: 'get',
  path: '/v1/settlements/{settlement_id}/related',
  summary: 'The other half of a repo. Settlements here are single trades, so both are null.',
  access: 'any',
  scope: 'settlements:read',
  params: settlementParams,
  responses: { 200: { description: 'Opening and closing settlement.', schema: relatedOut } },
  errors: ['not_found'],
} as const satisfies RouteContract;

export const confirmSettlement = {
  operationId: 'confirmSettlement',
  tag: 'settlements',
  method: 'post',
  path: '/v1/settlements/{settlement_id}/confirm',
  summary: 'Confirm your party of a settlement that another platform initiated. Repeating is safe.',
  access: 'any',
  scope: 'settlements:write',
  params: settlementParams,
  body: z
    .strictObject({
      ...partyFields,
      role: roleIn.optional().meta({ description: 'Needed when several of your parties wait.' }),
    })
    .meta({ id: 'ConfirmSettlement' }),
  example: {
    external_reference: 'buyer-acct-042',
    name: 'Beta Capital',
    wallet_address: '0x8617E340B3D01FA5F11F306F4090FD50E238070D',
    chain_id: 11155111,
  },
  responses: { 200: settlementAnswer },
  errors: [
    'not_found',
    'not_a_counterparty',
    'not_cross_platform',
    'role_ambiguous',
    'confirm_after_rejection',
    'settlement_closed',
    'not_awaiting_confirmation',
    'chain_unknown',
    ...WALLET_ERRORS,
  ],
} as const satisfies RouteContract;

export const rejectSettlement = {
  operationId: 'rejectSettlement',
  tag: 'settlements',
  method: 'post',
  path: '/v1/settlements/{settlement_id}/reject',
  summary:
    'Reject a settlement that another platform initiated. Repeating is safe. The reason is visible to everybody involved.',
  access: 'any',
  scope: 'settlements:write',
  params: settlementParams,
  body: z
    .strictObject({ reason: text(LIMITS.maximumReasonLength).optional(), role: roleIn.optional() })
    .meta({ id: 'RejectSettlement' }),
  bodyOptional: true,
  example: { reason: 'Entity not found' },
  responses: { 200: settlementAnswer },
  errors: [
    'not_found',
    'not_a_counterparty',
    'not_cross_platform',
    'role_ambiguous',
    'reject_after_confirmation',
    'settlement_closed',
    'not_awaiting_confirmation',
  ],
} as const satisfies RouteContract;

export const decideCompliance = {
  operationId: 'decideCompliance',
  tag: 'settlements',
  method: 'post',
  path: '/v1/settlements/{settlement_id}/compliance-decision',
  summary: 'Decide about a flagged settlement.',
  description:
    'Needs the scope `compliance:decide` besides the one named here. A caller that may not see the settlement learns nothing else.',
  access: 'any',
  scope: 'settlements:read',
  params: settlementParams,
  body: z
    .strictObject({ decision: z.enum(['approve', 'reject']), remark: text(LIMITS.maximumReasonLength).optional() })
    .meta({ id: 'ComplianceDecision' }),
  example: { decision: 'approve' },
  responses: { 200: settlementAnswer },
  errors: ['not_found', 'not_awaiting_decision'],
} as const satisfies RouteContract;

export const getProof = {
  operationId: 'getProof',
  tag: 'settlements',
  method: 'get',
  path: '/v1/settlements/{settlement_id}/proof',
  summary: 'Download the proof pack of a finalised settlement, byte for byte as it was signed.',
  access: 'any',
  scope: 'settlements:read',
  params: settlementParams,
  responses: { 200: { description: 'The pack; `npx keystone verify` checks it.', schema: packOut } },
  errors: ['not_found', 'proof_not_ready'],
} as const satisfies RouteContract;

export const getDepositInfo = {
  operationId: 'getDepositInfo',
  tag: 'settlements',
  method: 'get',
  path: '/v1/settlements/{settlement_id}/legs/{leg_index}/deposit-info',
  summary: 'What to sign to pay in a leg that your own party delivers, on the leg’s own chain. Amounts are base units.',
  access: 'environment',
  scope: 'settlements:read',
  params: z.strictObject({
    settlement_id: idParam,
    leg_index: z
      .string()
      .regex(/^[0-9]{1,2}$/)
      .transform(Number)
      .meta({ description: 'Position in the list of legs, from 0.' }),
  }),
  responses: { 200: { description: 'Transactions ready to sign, in order.', schema: depositInfoOut } },
  errors: ['not_found', 'not_awaiting_deposits'],
} as const satisfies RouteContract;

export const getComplianceReferences = {
  operationId: 'getComplianceReferences',
  tag: 'settlements',
  method: 'get',
  path: '/v1/settlements/{settlement_id}/compliance/references',
  summary: 'The provider references behind the attestations of your own parties, each with its hash on chain.',
  description:
    'On chain an attestation names only the hash of its reference. With these the platform that holds them can show which case of which ' +
    'provider stands behind an attestation, so that a false one is provable. Other platforms’ references are never shown.',
  access: 'environment',
  scope: 'settlements:read',
  params: settlementParams,
  responses: { 200: { description: 'Empty before screening.', schema: complianceReferencesOut } },
  errors: ['not_found'],
} as const satisfies RouteContract;
