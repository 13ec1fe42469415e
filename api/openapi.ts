import { z } from 'zod';

import { ERROR_CATALOGUE, type ErrorCode } from '../domain/errors.ts';
import { type RouteContract, SCOPES } from './route.ts';
import { idempotencyKeyIn, problemOut } from './schemas.ts';
import { API_VERSION } from './version.ts';

type Json = Record<string, unknown>;

/** OpenAPI 3.1 from the route table. Its schema language is JSON Schema 2020-12, which zod writes itself. */
export function openApiDocument(contracts: readonly RouteContract[]): Json {
  const components: Json = {};
  const paths: Record<string, Json> = {};
  const collect = (schema: z.ZodType, io: 'input' | 'output') => componentSchema(schema, io, components);
  collect(problemOut, 'output');
  for (const contract of contracts) {
    paths[contract.path] ??= {};
    (paths[contract.path] as Json)[contract.method] = operation(contract, collect);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Keystone',
      version: API_VERSION,
      summary: 'Atomic settlement between platforms.',
      description:
        'Quantities are decimal strings in human units, amounts are base units. Lists come with `limit` and `offset`, or by `cursor`.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: `Client credentials token. Scopes: ${Object.entries(SCOPES)
            .map(([scope, meaning]) => `\`${scope}\`: ${meaning}`)
            .join(' ')}`,
        },
      },
    },
  };
}

type Collect = (schema: z.ZodType, io: 'input' | 'output') => unknown;

function operation(contract: RouteContract, collect: Collect): Json {
  return {
    operationId: contract.operationId,
    tags: [contract.tag],
    summary: contract.summary,
    ...(contract.description !== undefined && { description: contract.description }),
    parameters: parameters(contract, collect),
    ...(contract.body !== undefined && {
      requestBody: {
        required: contract.bodyOptional !== true,
        content: {
          'application/json': {
            schema: collect(contract.body, 'input'),
            ...(contract.example !== undefined && { example: contract.example }),
          },
        },
      },
    }),
    responses: responses(contract, collect),
    ...(contract.access === 'public'
      ? { security: [] }
      : { security: [{ token: contract.scope === undefined ? [] : [contract.scope] }] }),
  };
}

function parameters(contract: RouteContract, collect: Collect): Json[] {
  const list = [
    ...shapeOf(contract.params).map(([name, schema]) => ({
      name,
      in: 'path',
      required: true,
      schema: collect(schema, 'input'),
    })),
    ...shapeOf(contract.query).map(([name, schema]) => ({
      name,
      in: 'query',
      required: false,
      schema: collect(schema, 'input'),
    })),
  ];
  return contract.idempotent === true
    ? [...list, { name: 'Idempotency-Key', in: 'header', required: false, schema: collect(idempotencyKeyIn, 'input') }]
    : list;
}

function shapeOf(schema: z.ZodType | undefined): [string, z.ZodType][] {
  return schema instanceof z.ZodObject ? Object.entries<z.ZodType>(schema.shape) : [];
}

/** Codes that any operation may answer with, by what it takes. */
export function possibleErrors(contract: RouteContract): ErrorCode[] {
  const codes: ErrorCode[] = ['malformed_request', ...contract.errors, 'internal'];
  if (contract.access !== 'public')
    codes.push('unauthenticated', 'client_unknown', 'issuer_unavailable', 'database_unavailable');
  if (contract.scope !== undefined) codes.push('insufficient_scope');
  if (contract.params !== undefined) codes.push('not_found');
  if (contract.query !== undefined || contract.body !== undefined) codes.push('validation_failed');
  if (contract.body !== undefined) codes.push('malformed_json', 'body_too_large', 'unsupported_media_type');
  return [...new Set(codes)];
}

function responses(contract: RouteContract, collect: Collect): Json {
  const answers: Json = {};
  for (const [status, response] of Object.entries(contract.responses)) {
    answers[status] = {
      description: response.description,
      ...(response.schema !== undefined && {
        content: { 'application/json': { schema: collect(response.schema, 'output') } },
      }),
    };
  }
  const byStatus = Map.groupBy(possibleErrors(contract), (code) => ERROR_CATALOGUE[code].status);
  for (const [status, codes] of byStatus) {
    answers[String(status)] = {
      description: codes.map((code) => `\`${code}\``).join(', '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return answers;
}

/** zod puts named schemas into `$defs` of each document; here they become the components that all operations share. */
function componentSchema(schema: z.ZodType, io: 'input' | 'output', components: Json): unknown {
  const {
    $schema: _dialect,
    $defs,
    ...own
  } = JSON.parse(
    JSON.stringify(z.toJSONSchema(schema, { io, target: 'draft-2020-12' })).replaceAll(
      '#/$defs/',
      '#/components/schemas/',
    ),
  ) as Json & { $defs?: Json };
  for (const [name, definition] of Object.entries($defs ?? {})) components[name] = withoutId(definition as Json);
  return own;
}

/** In a component, `id` would be an unknown keyword. */
function withoutId(definition: Json): Json {
  const { id: _id, $id: _uri, ...rest } = definition;
  return rest;
}
