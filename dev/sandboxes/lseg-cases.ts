import { randomBytes } from 'node:crypto';
import { type CatalogueHit, NAME_MARKERS, NAMED_ENTITIES, RESOLUTION_STATUS_IDS } from './catalogue.ts';

export interface SandboxField {
  typeId: string;
  value?: string | null | undefined;
}

export interface SandboxCase {
  caseId: string;
  caseSystemId: string;
  groupId: string;
  entityType: string;
  name: string;
  providerTypes: readonly string[];
  secondaryFields: readonly SandboxField[];
  creationDate: string;
  /** ISO 8601; undefined until screened. */
  lastScreenedDate?: string;
  results: readonly Record<string, unknown>[];
}

/** More cases than any development run makes; beyond it the sandbox refuses instead of filling the machine. */
const MAX_CASES = 100_000;
const REGISTERED_COUNTRY = 'SFCT_6';
const BASE36_ID_LENGTH = 25;

/** Ids in the vendor's present form: 25 digits of base 36. */
function newId(): string {
  const number = BigInt(`0x${randomBytes(20).toString('hex')}`);
  return number.toString(36).padStart(BASE36_ID_LENGTH, '0').slice(-BASE36_ID_LENGTH);
}

/** Lower case, without marks and punctuation. */
function plain(name: string): string {
  const letters = name.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase().replaceAll('&', ' and ');
  return letters.replaceAll(/[^\p{L}\p{N}]+/gu, ' ').trim();
}

/** The hits of a name, from the catalogue. */
export function hitsFor(name: string): readonly CatalogueHit[] {
  const marked = NAME_MARKERS.find(({ marker }) => name.toUpperCase().includes(marker));
  if (marked !== undefined) return marked.hits;
  // Legal forms may follow the catalogued name.
  const wanted = plain(name);
  const named = NAMED_ENTITIES.find(
    (entity) => wanted === plain(entity.name) || wanted.startsWith(`${plain(entity.name)} `),
  );
  return named?.hits ?? [];
}

function resultOf(hit: CatalogueHit, fields: readonly SandboxField[], now: string): Record<string, unknown> {
  const country = fields.find((field) => field.typeId === REGISTERED_COUNTRY);
  const secondaryFieldResults =
    country === undefined
      ? []
      : [
          {
            field: { typeId: REGISTERED_COUNTRY, value: country.value ?? null, dateTimeValue: null },
            submittedValue: country.value ?? null,
            fieldResult: hit.registeredCountry ?? 'UNKNOWN',
          },
        ];
  return {
    resultId: newId(),
    referenceId: `e_tr_wco_sandbox_${newId().slice(0, 8)}`,
    matchStrength: hit.matchStrength,
    matchScore: hit.matchScore,
    matchedNameType: 'PRIMARY',
    secondaryFieldResults,
    sources: ['b_trwc_sandbox'],
    categories: hit.categories,
    creationDate: now,
    modificationDate: now,
    providerType: 'WATCHLIST',
    pepStatus: hit.pepStatus ?? 'NOT_AVAILABLE',
    resolution:
      hit.resolution === undefined
        ? null
        : { statusId: RESOLUTION_STATUS_IDS[hit.resolution], resolutionDate: now, resolutionRemark: 'sandbox' },
    resultReview: { reviewRequired: hit.reviewRequired ?? false },
    simulated: true,
  };
}

/** Cases in memory; a restart forgets them, as a fresh pilot account would. */
export function createCaseStore(now: () => number) {
  const byCaseId = new Map<string, SandboxCase>();
  const bySystemId = new Map<string, SandboxCase>();

  function screen(stored: SandboxCase): void {
    const date = new Date(now()).toISOString();
    stored.lastScreenedDate = date;
    stored.results = hitsFor(stored.name).map((hit) => resultOf(hit, stored.secondaryFields, date));
  }

  return {
    /** Undefined when the caseId is taken: it is unique for a client, over all groups. */
    create(fields: Omit<SandboxCase, 'caseSystemId' | 'creationDate' | 'results'>): SandboxCase | undefined {
      if (byCaseId.has(fields.caseId)) return undefined;
      if (byCaseId.size >= MAX_CASES) throw new Error('sandbox is full');
      const created = { ...fields, caseSystemId: newId(), creationDate: new Date(now()).toISOString(), results: [] };
      byCaseId.set(created.caseId, created);
      bySystemId.set(created.caseSystemId, created);
      return created;
    },
    screen,
    byCaseId: (caseId: string) => byCaseId.get(caseId),
    bySystemId: (caseSystemId: string) => bySystemId.get(caseSystemId),
    count: () => byCaseId.size,
  };
}
export type CaseStore = ReturnType<typeof createCaseStore>;

/** The case as `GET /cases/{caseSystemId}` shows it. */
export function caseView(stored: SandboxCase): Record<string, unknown> {
  const { results: _results, lastScreenedDate, ...fields } = stored;
  return {
    ...fields,
    customFields: [],
    caseScreeningState: { WATCHLIST: 'INITIAL' },
    lifecycleState: 'UNARCHIVED',
    modificationDate: lastScreenedDate ?? stored.creationDate,
    nameTransposition: false,
    outstandingActions: false,
    lastScreenedDatesByProviderType: lastScreenedDate === undefined ? {} : { WATCHLIST: lastScreenedDate },
    simulated: true,
  };
}
