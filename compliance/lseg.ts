import { type AdapterOptions, assertKind, checkedBaseUrl, createAdapterFrame } from './adapter.ts';
import { MAX_CASE_ID_LENGTH, MAX_ENTITY_NAME_LENGTH, WORLD_CHECK_REQUESTS_PER_SECOND } from './limits.ts';
import { createWorldCheckClient, type NewCase, type WorldCheckClient } from './lseg-client.ts';
import { screenExactlyOnce } from './lseg-recovery.ts';
import {
  type CaseTemplate,
  hasResolution,
  hitOf,
  type ResolutionTypes,
  resolutionTypesOf,
  type WireResult,
} from './lseg-wire.ts';
import { ENTITY_NOT_SCREENABLE, judgeWorldCheck, SCREENING_POLICY } from './policy.ts';
import type { ScreeningProvider, ScreeningRequest } from './provider.ts';
import { readOnce } from './read-once.ts';
import { type CallDependencies, CallFailed } from './provider-call.ts';

export const LSEG_PROVIDER = 'lseg-world-check';
/** The dialect spoken here; a base address without a path means this version. */
const API_VERSION_PATH = '/v2';
const ENTITY_TYPE = 'ORGANISATION';
const ALPHA_3 = /^[A-Z]{3}$/;
const REGISTERED_COUNTRY = { label: 'REGISTERED_COUNTRY', typeId: 'SFCT_6' };
/** Provider types whose results have the shape that the policy reads. */
const UNDERSTOOD_PROVIDER_TYPES: ReadonlySet<string> = new Set(['WATCHLIST', 'CLIENT_WATCHLIST']);

export interface LsegOptions extends AdapterOptions {
  /** For example `https://api-worldcheck.refinitiv.com/v2`. Pilot and production share a host; the credentials differ. */
  baseUrl: string;
  apiKey: string;
  /** Used as plain text, though it looks like base64. */
  apiSecret: string;
  groupId: string;
}

/** What a group asks of its cases; read once. */
interface GroupSetup {
  providerTypes: readonly string[];
  countryField: string;
}

function setupOf(template: CaseTemplate): GroupSetup {
  // A zero-footprint group keeps no case and takes no caseId: neither a reference nor a safe repetition would exist.
  if (template.groupScreeningType !== 'CASE_MANAGEMENT_AUDIT') throw new CallFailed('CONFIGURATION');
  const providerTypes = [...new Set(['WATCHLIST', ...(template.mandatoryProviderTypes ?? [])])];
  if (providerTypes.some((type) => !UNDERSTOOD_PROVIDER_TYPES.has(type))) throw new CallFailed('CONFIGURATION');
  const byEntity = template.secondaryFieldsByProvider?.['watchlist']?.secondaryFieldsByEntity ?? {};
  const fields = byEntity[ENTITY_TYPE.toLowerCase()] ?? [];
  const countryField = fields.find((field) => field.label === REGISTERED_COUNTRY.label)?.typeId;
  const required = [...fields, ...(template.customFields ?? [])].filter((field) => field.fieldRequired);
  // We know a name and a country, no more: a group that demands more would refuse every single case.
  if (required.some((field) => field.typeId !== countryField)) throw new CallFailed('CONFIGURATION');
  return { providerTypes, countryField: countryField ?? REGISTERED_COUNTRY.typeId };
}

/**
 * The gateway refuses names with an apostrophe followed by a search operator with 403, as if we were not allowed in
 * (vendor's note at `POST /cases/screeningRequest`). That is the subject's doing and no outage.
 */
function isRefusedName(error: unknown, name: string): boolean {
  return (
    error instanceof CallFailed && error.status === 403 && /['’‘`].*\b(?:AND|OR|NOT|AS)\b/i.test(name.normalize('NFKC'))
  );
}

function caseFor(groupId: string, setup: GroupSetup, request: ScreeningRequest, name: string): NewCase {
  return {
    groupId,
    entityType: ENTITY_TYPE,
    name,
    caseId: request.caseId,
    providerTypes: setup.providerTypes,
    caseScreeningState: { WATCHLIST: 'INITIAL' },
    nameTransposition: false,
    customFields: [],
    secondaryFields: request.country === undefined ? [] : [{ typeId: setup.countryField, value: request.country }],
  };
}

function clientFor(options: LsegOptions, calls: CallDependencies): WorldCheckClient {
  const base = checkedBaseUrl('the World-Check base address', options.baseUrl);
  const path = base.pathname === '/' ? API_VERSION_PATH : base.pathname.replace(/\/+$/, '');
  const { apiKey, apiSecret } = options;
  return createWorldCheckClient({ baseUrl: base.origin + path, apiKey, apiSecret }, calls);
}

/**
 * Entity screening by LSEG World-Check One, v2 dialect, HMAC. The `caseId` is unique at the vendor and so the
 * idempotency key: after a lost answer, or when the id exists already, the stored case is found and its present
 * results are read; never is a second case created.
 * @throws TypeError for a base address that is not https (or loopback).
 */
export function createLsegProvider(options: LsegOptions): ScreeningProvider {
  const policy = options.policy ?? SCREENING_POLICY;
  const rate = options.requestsPerSecond ?? WORLD_CHECK_REQUESTS_PER_SECOND;
  const frame = createAdapterFrame(LSEG_PROVIDER, policy.version, rate, options);
  const { limits } = frame;
  const breaker = frame.newBreaker();
  const client = clientFor(options, frame.calls(breaker));

  const groupSetup = readOnce(async (signal): Promise<GroupSetup> => {
    // One after the other: a half-open breaker lets one call probe and would refuse the second of a pair.
    const group = await client.group(options.groupId, signal);
    const template = await client.caseTemplate(options.groupId, signal);
    if (group.id !== options.groupId || group.status !== 'ACTIVE') throw new CallFailed('CONFIGURATION');
    return setupOf(template);
  });
  const resolutionTypes = readOnce(async (signal) =>
    resolutionTypesOf(await client.resolutionToolkit(options.groupId, signal)),
  );

  async function typesFor(results: readonly WireResult[], signal: AbortSignal): Promise<ResolutionTypes> {
    return results.some(hasResolution) ? resolutionTypes.get(signal) : new Map();
  }

  async function screenEntity(request: ScreeningRequest, name: string, signal: AbortSignal) {
    const setup = await groupSetup.get(signal);
    const wanted = caseFor(options.groupId, setup, request, name);
    try {
      const { caseSystemId, results, simulated } = await screenExactlyOnce(client, wanted, limits, signal);
      const types = await typesFor(results, signal);
      const verdict = judgeWorldCheck(
        results.map((result) => hitOf(result, types)),
        policy,
      );
      return frame.outcome(verdict, caseSystemId, simulated);
    } catch (error) {
      if (isRefusedName(error, name)) return frame.outcome(ENTITY_NOT_SCREENABLE, request.caseId, false);
      throw error;
    }
  }

  return {
    name: LSEG_PROVIDER,
    kind: 'entity',
    async screen(request) {
      assertKind(LSEG_PROVIDER, 'entity', request.kind);
      if (request.caseId === '' || request.caseId.length > MAX_CASE_ID_LENGTH) {
        throw new TypeError('caseId is not usable');
      }
      if (request.country !== undefined && !ALPHA_3.test(request.country)) {
        throw new TypeError('country is not ISO 3166-1 alpha-3');
      }
      const name = request.name?.trim() ?? '';
      // Without a name there is nothing to screen, and a hold would last for ever: a person has to decide.
      if (name === '' || name.length > MAX_ENTITY_NAME_LENGTH) {
        return frame.outcome(ENTITY_NOT_SCREENABLE, request.caseId, false);
      }
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(limits.worldCheckTotalMs)]);
      try {
        return await screenEntity(request, name, signal);
      } catch (error) {
        throw frame.unavailable(error);
      }
    },
    health: () => frame.health(breaker),
  };
}
