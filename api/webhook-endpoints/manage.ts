import { randomUUID } from 'node:crypto';

import { generateWebhookSecret, isWebhookSecret } from '../../activities/webhooks/signature.ts';
import { recordAudit } from '../../db/audit.ts';
import type { Transaction } from '../../db/pool.ts';
import {
  deleteEndpoint,
  type EndpointRecord,
  insertEndpoint,
  listEndpoints,
  readEndpoint,
  rotateSecret,
  updateEndpoint,
} from '../../db/webhook-endpoints.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { actorOf, type ApiDependencies } from '../dependencies.ts';
import { API_LIMITS } from '../limits.ts';
import { envelope, pageOf, positionCursor } from '../paging.ts';
import { notFound } from '../problems.ts';
import type { Handler, PlatformCaller } from '../route.ts';
import { refusal } from '../trade-rules.ts';
import type * as contract from './contract.ts';

export function createEndpointHandler(dependencies: ApiDependencies): Handler<typeof contract.createEndpoint> {
  return async ({ caller, principal, body, requestId }) => {
    if (body.secret !== undefined && !isWebhookSecret(body.secret)) {
      throw refusal('validation_failed', '/secret', 'A secret is whsec_ and base64 of 24 to 64 bytes.');
    }
    // Before the transaction: it may ask a name server.
    await checkUrl(dependencies, body.url);
    const secret = body.secret ?? generateWebhookSecret();
    return dependencies.database.transaction(principal, async (transaction) => {
      const endpoint = await insertEndpoint(transaction, {
        id: randomUUID(),
        environmentId: caller.environmentId,
        url: body.url,
        description: body.description === undefined || body.description === '' ? null : body.description,
        events: body.events,
        secret,
      });
      if (endpoint === undefined) {
        throw new KeystoneError(
          'webhook_limit_reached',
          `An environment has at most ${LIMITS.maximumWebhookEndpointsPerEnvironment} webhook endpoints.`,
        );
      }
      await audit(transaction, caller, { action: 'webhook_endpoint.create', id: endpoint.id, requestId });
      return {
        status: 201,
        body: { ...showEndpoint(endpoint), secret },
        headers: { Location: `/v1/platforms/me/webhooks/${endpoint.id}` },
      };
    });
  };
}

export function listEndpointsHandler({ database }: ApiDependencies): Handler<typeof contract.listEndpoints> {
  return async ({ principal, query }) => {
    const page = pageOf(query);
    const listed = await database.transaction(principal, (transaction) => listEndpoints(transaction, page));
    return { status: 200, body: envelope(query, listed, showEndpoint, positionCursor) };
  };
}

export function getEndpointHandler({ database }: ApiDependencies): Handler<typeof contract.getEndpoint> {
  return async ({ principal, params }) => {
    const endpoint = await database.transaction(principal, (transaction) =>
      readEndpoint(transaction, params.endpoint_id),
    );
    if (endpoint === undefined) throw notFound();
    return { status: 200, body: showEndpoint(endpoint) };
  };
}

export function updateEndpointHandler(dependencies: ApiDependencies): Handler<typeof contract.updateEndpoint> {
  return async ({ caller, principal, params, body, requestId }) => {
    if (body.url !== undefined) await checkUrl(dependencies, body.url);
    return dependencies.database.transaction(principal, async (transaction) => {
      const { is_active: isActive, ...others } = body;
      const endpoint = await updateEndpoint(transaction, params.endpoint_id, { ...others, isActive });
      if (endpoint === undefined) throw notFound();
      await audit(transaction, caller, { action: 'webhook_endpoint.update', id: endpoint.id, requestId });
      return { status: 200, body: showEndpoint(endpoint) };
    });
  };
}

export function deleteEndpointHandler({ database }: ApiDependencies): Handler<typeof contract.deleteEndpoint> {
  return ({ caller, principal, params, requestId }) =>
    database.transaction(principal, async (transaction) => {
      if (!(await deleteEndpoint(transaction, params.endpoint_id))) throw notFound();
      await audit(transaction, caller, { action: 'webhook_endpoint.delete', id: params.endpoint_id, requestId });
      return { status: 204 };
    });
}

export function rotateSecretHandler({ database, now }: ApiDependencies): Handler<typeof contract.rotateSecret> {
  return ({ caller, principal, params, requestId }) =>
    database.transaction(principal, async (transaction) => {
      const secret = generateWebhookSecret();
      const previousValidUntil = new Date(now() + API_LIMITS.secretOverlapMs);
      if (!(await rotateSecret(transaction, params.endpoint_id, { secret, previousValidUntil }))) throw notFound();
      await audit(transaction, caller, { action: 'webhook_endpoint.rotate_secret', id: params.endpoint_id, requestId });
      return {
        status: 200,
        body: { new_secret: secret, previous_secret_valid_until: previousValidUntil.toISOString() },
      };
    });
}

async function checkUrl({ checkWebhookUrl }: ApiDependencies, url: string): Promise<void> {
  const verdict = await checkWebhookUrl(url);
  if (!verdict.allowed) throw refusal('webhook_url_refused', '/url', verdict.detail);
}

async function audit(
  transaction: Transaction,
  caller: PlatformCaller,
  deed: { readonly action: string; readonly id: string; readonly requestId: string },
): Promise<void> {
  await recordAudit(transaction, {
    environmentId: caller.environmentId,
    actor: actorOf(caller),
    action: deed.action,
    resourceType: 'webhook_endpoint',
    resourceId: deed.id,
    requestId: deed.requestId,
  });
}

function showEndpoint(endpoint: EndpointRecord) {
  const { created_key: _position, ...shown } = endpoint;
  return { ...shown, created_at: endpoint.created_at.toISOString(), updated_at: endpoint.updated_at.toISOString() };
}
