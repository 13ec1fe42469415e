import { z } from 'zod';
import type { ResolutionType, WorldCheckHit } from './policy.ts';

/**
 * The parts of World-Check One v2 (Swagger 2.61.0) that a decision needs. Everything else in an answer is dropped
 * while parsing, names and documents of third parties with it, so that nothing here can leak what it never kept.
 * A field that a decision rests on is required: an answer without it is malformed, which holds a settlement.
 */
const secondaryFieldResult = z.object({
  field: z.object({ typeId: z.string() }).nullish(),
  typeId: z.string().nullish(),
  fieldResult: z.string().nullish(),
});

const result = z.object({
  resultId: z.string().min(1),
  matchStrength: z.string().min(1),
  matchScore: z.number().nullish(),
  categories: z.array(z.string()),
  secondaryFieldResults: z.array(secondaryFieldResult).nullish(),
  pepStatus: z.string().nullish(),
  resolution: z.object({ statusId: z.string().nullish() }).nullish(),
  resultReview: z.object({ reviewRequired: z.boolean().nullish() }).nullish(),
  simulated: z.boolean().optional(),
});
export type WireResult = z.infer<typeof result>;

/** `GET /cases/{caseSystemId}/results`. */
export const resultsAnswer = z.array(result);

/** `POST /cases/screeningRequest`: the case with its results. */
export const screeningAnswer = z.object({
  caseId: z.string(),
  caseSystemId: z.string().min(1).max(192),
  results: z.array(result),
  simulated: z.boolean().optional(),
});

/** `GET /caseReferences?caseId=`. */
export const caseReferenceAnswer = z.object({ caseId: z.string(), caseSystemId: z.string().min(1).max(192) });

/** `GET /cases/{caseSystemId}`: enough to see that the stored case is about the same subject. */
export const caseAnswer = z.object({
  caseId: z.string(),
  groupId: z.string(),
  entityType: z.string(),
  name: z.string(),
  secondaryFields: z.array(z.object({ typeId: z.string(), value: z.string().nullish() })).nullish(),
  simulated: z.boolean().optional(),
});

/** `POST /cases/screeningStatus`. */
export const screeningStatusAnswer = z.array(
  z.object({ caseSystemId: z.string(), screeningStatus: z.enum(['SCREENED', 'NOT_SCREENED']) }),
);

/** `GET /groups/{groupId}`. */
export const groupAnswer = z.object({ id: z.string(), status: z.string() });

const fieldDefinition = z.object({ typeId: z.string(), label: z.string().nullish(), fieldRequired: z.boolean() });

/** `GET /groups/{groupId}/caseTemplate`. Keys of the two maps were recorded in lower case. */
export const caseTemplateAnswer = z.object({
  groupScreeningType: z.string(),
  mandatoryProviderTypes: z.array(z.string()).nullish(),
  customFields: z.array(fieldDefinition).nullish(),
  secondaryFieldsByProvider: z
    .record(z.string(), z.object({ secondaryFieldsByEntity: z.record(z.string(), z.array(fieldDefinition)) }))
    .nullish(),
});
export type CaseTemplate = z.infer<typeof caseTemplateAnswer>;

/** `GET /groups/{groupId}/resolutionToolkit`: status ids are of the group; only their types mean the same everywhere. */
export const resolutionToolkitAnswer = z.object({
  resolutionFields: z.object({ statuses: z.array(z.object({ id: z.string(), type: z.string() })) }).optional(),
  statuses: z.array(z.object({ id: z.string(), type: z.string() })).optional(),
});

/** Error body: an array, for 400, 403, 404, 409, 410 and 500. */
export const errorAnswer = z.array(z.object({ error: z.string() }));

export type ResolutionTypes = ReadonlyMap<string, ResolutionType>;

const RESOLUTION_TYPES: ReadonlySet<string> = new Set(['POSITIVE', 'POSSIBLE', 'FALSE', 'UNSPECIFIED']);

/** Status id → type. A type that is not one of the four stays UNKNOWN, which a person has to look at. */
export function resolutionTypesOf(toolkit: z.infer<typeof resolutionToolkitAnswer>): ResolutionTypes {
  const statuses = toolkit.statuses ?? toolkit.resolutionFields?.statuses ?? [];
  return new Map(
    statuses.map(({ id, type }) => [id, RESOLUTION_TYPES.has(type) ? (type as ResolutionType) : 'UNKNOWN']),
  );
}

export function hasResolution(wire: WireResult): boolean {
  return typeof wire.resolution?.statusId === 'string';
}

/** A wire result as the facts that the policy judges. */
export function hitOf(wire: WireResult, resolutionTypes: ResolutionTypes): WorldCheckHit {
  const statusId = wire.resolution?.statusId;
  const fields = (wire.secondaryFieldResults ?? []).map((field) => ({
    typeId: field.field?.typeId ?? field.typeId ?? '',
    result: field.fieldResult ?? 'UNKNOWN',
  }));
  return {
    matchStrength: wire.matchStrength,
    matchScore: wire.matchScore ?? undefined,
    categories: wire.categories,
    fields,
    pepStatus: wire.pepStatus ?? undefined,
    resolution: typeof statusId === 'string' ? (resolutionTypes.get(statusId) ?? 'UNKNOWN') : undefined,
    reviewRequired: wire.resultReview?.reviewRequired ?? false,
  };
}
