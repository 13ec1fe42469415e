import { z } from 'zod';

import { LIMITS } from '../../domain/limits.ts';
import { isEventPattern } from '../../domain/webhook-events.ts';
import type { RouteContract } from '../route.ts';
import { idParam, listOf, pageQuery, text, timeOut, uuidOut } from '../schemas.ts';

const eventsIn = z
  .array(
    z
      .string()
      .max(LIMITS.maximumTextLength)
      .refine(isEventPattern, 'must be *, an event type, or the beginning of one followed by .*'),
  )
  .min(1)
  .max(LIMITS.maximumWebhookPatterns)
  .meta({ description: 'What to deliver: `*`, `settlement.*`, `settlement.state.*` or exact types.' });

const urlIn = text(LIMITS.maximumUrlLength).meta({
  description: 'https address that is reachable on the public internet.',
});
const descriptionIn = z.string().max(LIMITS.maximumTextLength);

const fields = {
  id: uuidOut,
  url: z.string(),
  description: z.string().nullable(),
  events: z.array(z.string()),
  is_active: z.boolean(),
  created_at: timeOut,
  updated_at: timeOut,
};

export const endpointOut = z.looseObject(fields).meta({ id: 'WebhookEndpoint' });
const createdEndpointOut = z
  .looseObject({ ...fields, secret: z.string().meta({ description: 'Shown this once.' }) })
  .meta({ id: 'CreatedWebhookEndpoint' });

const deliveryOut = z
  .looseObject({
    id: uuidOut,
    endpoint_id: uuidOut,
    message_id: z.string(),
    event: z.string(),
    response_status: z.int().nullable(),
    duration_ms: z.int().nullable(),
    success: z.boolean(),
    error: z.string().nullable(),
    created_at: timeOut,
  })
  .meta({ id: 'WebhookDelivery', description: 'One attempt to deliver.' });

const testOut = z
  .looseObject({
    success: z.boolean(),
    status_code: z.int().nullable(),
    duration_ms: z.int().nullable(),
    error: z.string().nullable(),
  })
  .meta({ id: 'WebhookTest' });

const rotationOut = z
  .looseObject({ new_secret: z.string(), previous_secret_valid_until: timeOut })
  .meta({ id: 'WebhookSecretRotation' });

const common = { tag: 'webhooks', access: 'environment', scope: 'platform:webhooks:manage' } as const;
const collection = '/v1/platforms/me/webhooks';
const member = `${collection}/{endpoint_id}` as const;
const params = z.strictObject({ endpoint_id: idParam });

export const createEndpoint = {
  ...common,
  operationId: 'createWebhookEndpoint',
  method: 'post',
  path: collection,
  summary: 'Register an endpoint. Its secret is shown in this answer only.',
  body: z
    .strictObject({
      url: urlIn,
      description: descriptionIn.optional(),
      secret: text(LIMITS.maximumTextLength)
        .optional()
        .meta({ description: '`whsec_` and base64 of 24 to 64 bytes; made for you when left out.' }),
      events: eventsIn.default(['*']),
    })
    .meta({ id: 'CreateWebhookEndpoint' }),
  example: { url: 'https://hooks.example.com/keystone', events: ['settlement.*'] },
  responses: { 201: { description: 'The endpoint with its secret.', schema: createdEndpointOut } },
  errors: ['webhook_url_refused', 'webhook_limit_reached'],
} as const satisfies RouteContract;

export const listEndpoints = {
  ...common,
  operationId: 'listWebhookEndpoints',
  method: 'get',
  path: collection,
  summary: 'List your endpoints, newest first.',
  query: pageQuery,
  responses: { 200: { description: 'One page.', schema: listOf('WebhookEndpointList', endpointOut) } },
  errors: [],
} as const satisfies RouteContract;

export const getEndpoint = {
  ...common,
  operationId: 'getWebhookEndpoint',
  method: 'get',
  path: member,
  summary: 'Read an endpoint.',
  params,
  responses: { 200: { description: 'The endpoint.', schema: endpointOut } },
  errors: ['not_found'],
} as const satisfies RouteContract;

export const updateEndpoint = {
  ...common,
  operationId: 'updateWebhookEndpoint',
  method: 'patch',
  path: member,
  summary: 'Change what is given. An empty description removes it.',
  params,
  body: z
    .strictObject({
      url: urlIn.optional(),
      description: descriptionIn.optional(),
      events: eventsIn.optional(),
      is_active: z.boolean().optional(),
    })
    .meta({ id: 'UpdateWebhookEndpoint' }),
  example: { is_active: false },
  responses: { 200: { description: 'The endpoint.', schema: endpointOut } },
  errors: ['not_found', 'webhook_url_refused'],
} as const satisfies RouteContract;

export const deleteEndpoint = {
  ...common,
  operationId: 'deleteWebhookEndpoint',
  method: 'delete',
  path: member,
  summary: 'Remove an endpoint; nothing is delivered to it any more.',
  params,
  responses: { 204: { description: 'It is removed.' } },
  errors: ['not_found'],
} as const satisfies RouteContract;

export const testEndpoint = {
  ...common,
  operationId: 'testWebhookEndpoint',
  method: 'post',
  path: `${member}/test`,
  summary: 'Send one `test.ping` now and answer how it went.',
  params,
  responses: { 200: { description: 'What the receiver answered.', schema: testOut } },
  errors: ['not_found'],
} as const satisfies RouteContract;

export const rotateSecret = {
  ...common,
  operationId: 'rotateWebhookSecret',
  method: 'post',
  path: `${member}/rotate-secret`,
  summary: 'Make a new secret. The one before stays valid for 24 hours.',
  params,
  responses: { 200: { description: 'The new secret, shown this once.', schema: rotationOut } },
  errors: ['not_found'],
} as const satisfies RouteContract;

export const listDeliveries = {
  ...common,
  operationId: 'listWebhookDeliveries',
  method: 'get',
  path: `${member}/deliveries`,
  summary: 'The delivery log of an endpoint, newest attempt first.',
  params,
  query: pageQuery,
  responses: { 200: { description: 'One page.', schema: listOf('WebhookDeliveryList', deliveryOut) } },
  errors: ['not_found'],
} as const satisfies RouteContract;
