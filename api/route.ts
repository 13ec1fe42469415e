import type { z } from 'zod';

import type { Principal } from '../db/pool.ts';
import type { ErrorCode } from '../domain/errors.ts';
import type { Uuid } from '../domain/ids.ts';
import type { JsonValue } from '../keystone/json.ts';

export const SCOPES = {
  'settlements:read': 'Read settlements, their events and proofs.',
  'settlements:write': 'Create, confirm and reject settlements.',
  'instructions:read': 'Read own instructions.',
  'instructions:write': 'Submit and cancel instructions.',
  'templates:read': 'Read settlement templates.',
  'platform:read': 'Read the own platform.',
  'platform:webhooks:manage': 'Manage webhook endpoints.',
  'compliance:decide': 'Decide about flagged settlements; granted by an operator.',
  'ops:read': 'Read what operators see.',
  'ops:write': 'Act as an operator.',
} as const;
export type Scope = keyof typeof SCOPES;

/** A platform's client: its token speaks for one environment. */
export interface PlatformCaller {
  readonly kind: 'platform';
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  readonly environmentId: Uuid;
  readonly environmentSlug: string;
  readonly platformId: Uuid;
  readonly platformSlug: string;
  readonly defaultTimeoutSeconds: number;
}

/** An operator's client: sees everything, belongs to no environment. */
export interface OperatorCaller {
  readonly kind: 'operator';
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
}

export type Caller = PlatformCaller | OperatorCaller;

/** Who may call: `public` needs no token, `environment` a platform's client, `any` also takes an operator. */
export type Access = 'public' | 'environment' | 'any';

export interface ResponseContract {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly mediaType?: string;
}

/** One operation as data: validation, scope check, OpenAPI and the fuzzer all read this. */
export interface RouteContract<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
> {
  readonly operationId: string;
  readonly tag: string;
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** `{name}` marks a path parameter, as in OpenAPI. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  readonly scope?: Scope;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  /** Whether a request without any body stands for an empty object. */
  readonly bodyOptional?: boolean;
  /** Whether the `Idempotency-Key` header is read. */
  readonly idempotent?: boolean;
  readonly example?: JsonValue;
  readonly responses: Readonly<Record<number, ResponseContract>>;
  /** Codes of the business that this operation may answer with, besides those that every operation has. */
  readonly errors: readonly ErrorCode[];
}

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

export interface ApiRequest<Contract extends RouteContract, Who = unknown> {
  readonly caller: Who;
  readonly principal: Principal;
  readonly params: Parsed<Contract['params']>;
  readonly query: Parsed<Contract['query']>;
  readonly body: Parsed<Contract['body']>;
  /** The body before validation, nulls removed: what an idempotency key's fingerprint is taken of. */
  readonly rawBody: JsonValue | undefined;
  readonly idempotencyKey: string | undefined;
  readonly requestId: string;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** Sent as it is instead of `body`, when bytes matter. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type CallerOf<Contract extends RouteContract> = Contract['access'] extends 'environment'
  ? PlatformCaller
  : Contract['access'] extends 'any'
    ? Caller
    : undefined;

export type Handler<Contract extends RouteContract> = (
  request: ApiRequest<Contract, CallerOf<Contract>>,
) => Promise<Answer>;

export interface Route {
  readonly contract: RouteContract;
  readonly handle: (request: ApiRequest<RouteContract>) => Promise<Answer>;
}

/** Ties a handler to its contract; the compiler checks that they fit. */
export function route<const Contract extends RouteContract>(contract: Contract, handler: Handler<Contract>): Route {
  // The pipeline parses with this contract's own schemas before it calls, which is what the handler's types say.
  return { contract, handle: handler as unknown as Route['handle'] };
}
