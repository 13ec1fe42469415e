import { z } from 'zod';

import { FEE_MODES } from '../../domain/fees.ts';
import { idParam, listOf, pageQuery, timeOut, uuidOut } from '../schemas.ts';
import type { RouteContract } from '../route.ts';

export const templateOut = z
  .looseObject({
    id: uuidOut,
    slug: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    config: z.looseObject({
      states: z.array(z.string()),
      initial_state: z.string(),
      terminal_states: z.array(z.string()),
      failure_states: z.array(z.string()),
      transitions: z.record(z.string(), z.looseObject({ allowed_next: z.array(z.string()) })),
      compliance: z.looseObject({
        recheck_at_states: z.array(z.string()),
        entity_providers: z.array(z.string()),
        wallet_providers: z.array(z.string()),
      }),
      required_roles: z.array(z.string()),
      required_leg_types: z.array(z.string()),
      actions: z.looseObject({}),
      attester_set: z.looseObject({ name: z.string(), id: z.string().nullable() }).meta({
        description: 'Whose attestations open the compliance gate. The id is that of the ComplianceRegistry.',
      }),
      fee: z
        .looseObject({ basis_points: z.int(), recipient: z.string() })
        .nullable()
        .meta({ description: 'Taken of each payment leg: quantity × basis points / 10000, rounded down. Null: none.' }),
      default_fee_mode: z.enum(FEE_MODES),
    }),
    version: z.int(),
    is_active: z.boolean().meta({ description: 'False when this installation has no attester set for it.' }),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'SettlementTemplate' });

export const listTemplates = {
  operationId: 'listTemplates',
  tag: 'settlement-templates',
  method: 'get',
  path: '/v1/settlement-templates',
  summary: 'List the settlement templates.',
  access: 'any',
  scope: 'templates:read',
  query: pageQuery,
  responses: { 200: { description: 'One page.', schema: listOf('SettlementTemplateList', templateOut) } },
  errors: [],
} as const satisfies RouteContract;

export const getTemplate = {
  operationId: 'getTemplate',
  tag: 'settlement-templates',
  method: 'get',
  path: '/v1/settlement-templates/{template_id}',
  summary: 'Read a settlement template by its UUID.',
  access: 'any',
  scope: 'templates:read',
  params: z.strictObject({ template_id: idParam }),
  responses: { 200: { description: 'The template.', schema: templateOut } },
  errors: ['not_found'],
} as const satisfies RouteContract;
