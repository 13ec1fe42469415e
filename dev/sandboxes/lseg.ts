import { z } from 'zod';
import { RESOLUTION_STATUS_IDS } from './catalogue.ts';
import { createControl } from './control.ts';
import { isAuthorized, type SigningAccount, UNAUTHORIZED_HEADERS } from './lseg-authorization.ts';
import { type CaseStore, caseView, createCaseStore } from './lseg-cases.ts';
import { jsonOf, type ReceivedRequest, type Reply, type RunningServer, startServer } from './loopback-server.ts';

/** Tolerance of the vendor's date check, as a user measured it. */
const DATE_TOLERANCE_MS = 60_000;
export const SANDBOX_GROUP_ID = '5jb0sandbox0group0keystone';
const VERSION_PATH = '/v2';

export interface LsegSandboxOptions {
  port: number;
  host?: string;
  apiKey: string;
  apiSecret: string;
  /** The one active group; any other id is unknown. */
  groupId?: string;
  dateToleranceMs?: number;
  /** ms since epoch. */
  now?: () => number;
}

export interface LsegSandbox {
  /** Origin; the control API is at `/__control`. */
  url: string;
  /** What `LSEG_BASE_URL` wants: the origin with `/v2`. */
  baseUrl: string;
  close: () => Promise<void>;
}

const newCase = z.object({
  groupId: z.string().min(1).max(255),
  entityType: z.enum(['INDIVIDUAL', 'ORGANISATION', 'VESSEL', 'UNSPECIFIED']),
  name: z.string().min(1).max(1_000),
  caseId: z.string().min(1).max(512),
  providerTypes: z.array(z.enum(['WATCHLIST', 'CLIENT_WATCHLIST', 'MEDIA_CHECK', 'PASSPORT_CHECK'])).min(1),
  caseScreeningState: z.record(z.string(), z.enum(['INITIAL', 'ONGOING'])).optional(),
  nameTransposition: z.boolean().optional(),
  customFields: z.array(z.unknown()).max(0).optional(),
  secondaryFields: z.array(z.object({ typeId: z.string(), value: z.string().nullish() })).optional(),
});

const statusRequest = z.object({
  screeningStatusRequests: z
    .array(z.object({ caseSystemId: z.string(), dateFrom: z.iso.datetime() }))
    .min(1)
    .max(50),
});

const rescreenRequest = z.object({
  screeningMode: z.enum(['FULL_SYNC', 'DELTA_SYNC']),
  caseInfo: z.boolean().optional(),
});

/** Errors are an array in this API. */
function problem(status: number, error: string, cause: string): Reply {
  return { status, json: [{ error, cause, objectId: null }] };
}
const notFound = (what: string): Reply => problem(404, 'RESOURCE_NOT_FOUND', `${what} does not exist`);
const invalid = (): Reply => problem(400, 'INVALID_REQUEST', 'the request body is not valid');

/** Names with an apostrophe and an operator never reach the vendor's service: its gateway refuses them. */
const REFUSED_NAME = /['’‘]\s*(?:AND|OR)\b/i;

interface Sandbox {
  cases: CaseStore;
  groupId: string;
}

function screenNewCase({ cases, groupId }: Sandbox, request: ReceivedRequest): Reply {
  const parsed = newCase.safeParse(jsonOf(request.body));
  if (!parsed.success) return invalid();
  const {
    customFields: _customFields,
    caseScreeningState: _state,
    nameTransposition: _transposition,
    ...fields
  } = parsed.data;
  if (REFUSED_NAME.test(fields.name)) return { status: 403, json: { message: 'Forbidden' } };
  if (fields.groupId !== groupId) return notFound('group');
  const created = cases.create({ ...fields, secondaryFields: fields.secondaryFields ?? [] });
  if (created === undefined) {
    return problem(400, 'CASE_ID_EXISTS', 'Case IDs must be unique within the same client and request.');
  }
  cases.screen(created);
  return { status: 200, json: { ...caseView(created), results: created.results } };
}

function showCaseReference({ cases }: Sandbox, request: ReceivedRequest): Reply {
  const found = cases.byCaseId(request.query.get('caseId') ?? '');
  if (found === undefined) return notFound('case');
  return { status: 200, json: { caseId: found.caseId, caseSystemId: found.caseSystemId } };
}

function showScreeningStatus({ cases }: Sandbox, request: ReceivedRequest): Reply {
  const parsed = statusRequest.safeParse(jsonOf(request.body));
  if (!parsed.success) return invalid();
  const statuses = [];
  for (const { caseSystemId, dateFrom } of parsed.data.screeningStatusRequests) {
    const found = cases.bySystemId(caseSystemId);
    if (found === undefined) return notFound('case');
    const screened = found.lastScreenedDate !== undefined && found.lastScreenedDate >= dateFrom;
    statuses.push({
      caseSystemId,
      screeningStatus: screened ? 'SCREENED' : 'NOT_SCREENED',
      requestFromScreenedDate: dateFrom,
      ...(found.lastScreenedDate === undefined ? {} : { lastScreenedDate: found.lastScreenedDate }),
      providerSummaries: { WATCHLIST: { totalMatches: found.results.length, reviewRequired: 0, unresolved: 0 } },
    });
  }
  return { status: 200, json: statuses };
}

/** `POST /cases` creates without screening: the state that a recovery must not take for a clean subject. */
function createCase({ cases, groupId }: Sandbox, request: ReceivedRequest): Reply {
  const parsed = newCase.safeParse(jsonOf(request.body));
  if (!parsed.success) return invalid();
  const { caseId, entityType, name, providerTypes, secondaryFields } = parsed.data;
  if (parsed.data.groupId !== groupId) return notFound('group');
  const fields = { caseId, entityType, name, providerTypes, groupId };
  const created = cases.create({ ...fields, secondaryFields: secondaryFields ?? [] });
  if (created === undefined) return problem(400, 'CASE_ID_EXISTS', 'Case IDs must be unique within the same client.');
  return { status: 201, json: caseView(created) };
}

function serveOneCase({ cases }: Sandbox, request: ReceivedRequest, caseSystemId: string, rest: string): Reply {
  const found = cases.bySystemId(decodeURIComponent(caseSystemId));
  if (found === undefined) return notFound('case');
  if (request.method === 'GET' && rest === '') return { status: 200, json: caseView(found) };
  if (request.method === 'GET' && rest === '/results') return { status: 200, json: found.results };
  if (request.method === 'POST' && rest === '/screeningRequest') {
    if (!rescreenRequest.safeParse(jsonOf(request.body)).success) return invalid();
    cases.screen(found);
    return { status: 200, json: found.results };
  }
  return notFound('resource');
}

function group(groupId: string): Record<string, unknown> {
  const tree = { parentId: null, hasChildren: false, status: 'ACTIVE', children: [] };
  return { id: groupId, name: 'Keystone sandbox', ...tree, simulated: true };
}

function caseTemplate(groupId: string): Record<string, unknown> {
  const country = { typeId: 'SFCT_6', fieldValueType: 'COUNTRY', regExp: null, fieldRequired: false };
  const organisation = [{ ...country, label: 'REGISTERED_COUNTRY' }];
  return {
    groupId,
    groupScreeningType: 'CASE_MANAGEMENT_AUDIT',
    customFields: [],
    secondaryFieldsByProvider: { watchlist: { secondaryFieldsByEntity: { organisation } } },
    mandatoryProviderTypes: ['WATCHLIST'],
    simulated: true,
  };
}

function resolutionToolkit(groupId: string): Record<string, unknown> {
  const statuses = Object.entries(RESOLUTION_STATUS_IDS).map(([type, id]) => ({ id, label: type, type }));
  return {
    groupId,
    providerType: 'WATCHLIST',
    resolutionFields: { statuses, risks: [], reasons: [] },
    resolutionRules: {},
  };
}

function serveGroup({ groupId }: Sandbox, wanted: string, rest: string): Reply {
  if (decodeURIComponent(wanted) !== groupId) return notFound('group');
  if (rest === '') return { status: 200, json: group(groupId) };
  if (rest === '/caseTemplate') return { status: 200, json: caseTemplate(groupId) };
  if (rest === '/resolutionToolkit') return { status: 200, json: resolutionToolkit(groupId) };
  return notFound('resource');
}

function route(sandbox: Sandbox, request: ReceivedRequest): Reply {
  const { method } = request;
  const path = request.path.slice(VERSION_PATH.length);
  if (method === 'POST' && path === '/cases/screeningRequest') return screenNewCase(sandbox, request);
  if (method === 'POST' && path === '/cases/screeningStatus') return showScreeningStatus(sandbox, request);
  if (method === 'POST' && path === '/cases') return createCase(sandbox, request);
  if (method === 'GET' && path === '/caseReferences') return showCaseReference(sandbox, request);
  if (method === 'GET' && path === '/groups') return { status: 200, json: [group(sandbox.groupId)] };
  const [, kind, id, rest] = /^\/(groups|cases)\/([^/]+)(\/[A-Za-z]+)?$/.exec(path) ?? [];
  if (kind === 'groups' && method === 'GET') return serveGroup(sandbox, id ?? '', rest ?? '');
  if (kind === 'cases') return serveOneCase(sandbox, request, id ?? '', rest ?? '');
  return notFound('resource');
}

/** A path that the gateway does not know is answered by the gateway, and looks like a refused login. */
const GATEWAY_REFUSAL: Reply = {
  status: 403,
  json: {
    message:
      "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter.",
  },
};

/** Starts a World-Check One sandbox: the vendor's wire protocol, a catalogue of fictitious names behind it, every record stamped `simulated`. */
export async function startLsegSandbox(options: LsegSandboxOptions): Promise<LsegSandbox> {
  const now = options.now ?? Date.now;
  const sandbox: Sandbox = { cases: createCaseStore(now), groupId: options.groupId ?? SANDBOX_GROUP_ID };
  const account: SigningAccount = {
    apiKey: options.apiKey,
    apiSecret: options.apiSecret,
    dateToleranceMs: options.dateToleranceMs ?? DATE_TOLERANCE_MS,
  };
  const control = createControl(() => ({ cases: sandbox.cases.count() }));
  const server: RunningServer = await startServer(
    options,
    control.around((request) => {
      if (!request.path.startsWith(`${VERSION_PATH}/`)) return GATEWAY_REFUSAL;
      if (!isAuthorized(request, account, now())) return { status: 401, headers: UNAUTHORIZED_HEADERS };
      const isJson = request.headers['content-type'] === 'application/json';
      if (request.body.byteLength > 0 && !isJson) return { status: 415 };
      return route(sandbox, request);
    }),
  );
  return { url: server.url, baseUrl: server.url + VERSION_PATH, close: server.close };
}
