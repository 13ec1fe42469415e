import { randomUUID } from 'node:crypto';

import express, { type NextFunction, type Request, type Response } from 'express';
import type { Logger } from 'pino';

import { KeystoneError } from '../domain/errors.ts';
import type { Authenticate } from './authentication.ts';
import type { ApiDependencies } from './dependencies.ts';
import { API_LIMITS } from './limits.ts';
import { send, serve } from './pipeline.ts';
import { asKeystoneError, notFound, problemDocument, problemHeaders, PROBLEM_MEDIA_TYPE } from './problems.ts';
import type { Caller, Route } from './route.ts';
import { createRoutes } from './routes.ts';
import { API_VERSION } from './version.ts';

export interface ApplicationDependencies extends ApiDependencies {
  readonly authenticate: Authenticate;
  readonly log: Logger;
  /** True once the process was asked to stop: it answers what it has and tells clients to go elsewhere. */
  readonly isDraining?: () => boolean;
}

interface RequestContext {
  readonly requestId: string;
  readonly startedAtMs: number;
  caller: Caller | undefined;
  failure: KeystoneError | undefined;
}

/** The whole API as an Express application; a test runs it in its own process. */
export function createApplication(dependencies: ApplicationDependencies): express.Application {
  const isDraining = dependencies.isDraining ?? (() => false);
  const application = express();
  application.disable('x-powered-by');
  application.disable('etag');
  application.set('query parser', false);
  application.enable('case sensitive routing');
  application.use((request, response, next) => begin(dependencies, isDraining, request, response, next));
  const routes = createRoutes(dependencies, isDraining);
  for (const [path, ofPath] of Map.groupBy(routes, ({ contract }) => contract.path)) {
    mount(application, path, ofPath, dependencies.authenticate);
  }
  application.use(() => {
    throw notFound();
  });
  application.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    fail(request, response, asKeystoneError(error));
  });
  return application;
}

function mount(
  application: express.Application,
  path: string,
  routes: readonly Route[],
  authenticate: Authenticate,
): void {
  const place = application.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
  for (const route of routes) {
    place[route.contract.method](async (request: Request, response: Response) => {
      const context = contextOf(response);
      const answer = await serve(route, authenticate, request, {
        requestId: context.requestId,
        onCaller: (caller) => {
          context.caller = caller;
        },
      });
      send(response, answer);
    });
  }
  const methods = routes.map(({ contract }) => contract.method.toUpperCase());
  const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ');
  place.all((_request: Request, response: Response) => {
    response.setHeader('Allow', allowed);
    throw new KeystoneError('method_not_allowed', `Allowed here: ${allowed}.`);
  });
}

function begin(
  { log, now }: ApplicationDependencies,
  isDraining: () => boolean,
  request: Request,
  response: Response,
  next: NextFunction,
): void {
  const context: RequestContext = {
    requestId: requestIdOf(request),
    startedAtMs: now(),
    caller: undefined,
    failure: undefined,
  };
  response.locals['context'] = context;
  response.setHeader('X-Request-Id', context.requestId);
  response.setHeader('Keystone-Version', API_VERSION);
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('X-Frame-Options', 'DENY');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
  // Without this, a kept-alive connection holds a stopping process for as long as its client likes.
  if (isDraining()) response.setHeader('Connection', 'close');
  response.on('close', () => logRequest(log, request, response, now() - context.startedAtMs));
  next();
}

function contextOf(response: Response): RequestContext {
  return response.locals['context'] as RequestContext;
}

const SAFE_REQUEST_ID = new RegExp(`^[A-Za-z0-9._:/+=-]{1,${API_LIMITS.maximumRequestIdLength}}$`);

function requestIdOf(request: Request): string {
  const given = request.get('x-request-id');
  return given !== undefined && SAFE_REQUEST_ID.test(given) ? given : randomUUID();
}

function fail(request: Request, response: Response, error: KeystoneError): void {
  const context = contextOf(response);
  context.failure = error;
  if (response.headersSent) {
    // Too late for another answer: the client must see that this one is broken off.
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(problemHeaders(error))) response.setHeader(name, value);
  // The rest of a body that nobody reads would otherwise be taken for the next request.
  if (!request.complete) response.setHeader('Connection', 'close');
  response.status(error.status);
  response.setHeader('Content-Type', PROBLEM_MEDIA_TYPE);
  response.end(JSON.stringify(problemDocument(error, pathOf(request), context.requestId)));
}

/** Without the query, which may hold what does not belong into a log or an answer. */
function pathOf(request: Request): string {
  return request.originalUrl.split('?', 1)[0] ?? '/';
}

function logRequest(log: Logger, request: Request, response: Response, durationMs: number): void {
  const { requestId, caller, failure } = contextOf(response);
  const fields = {
    request_id: requestId,
    method: request.method,
    path: pathOf(request),
    status: response.statusCode,
    duration_ms: durationMs,
    complete: response.writableFinished,
    ...(caller !== undefined && { client: `${caller.kind}:${caller.clientId}` }),
    ...(failure !== undefined && { code: failure.code }),
  };
  if (failure !== undefined && failure.status >= 500)
    log.error({ ...fields, err: failure.cause ?? failure }, 'request failed');
  else log.info(fields, 'request');
}
