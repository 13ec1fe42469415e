import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { ERROR_CATALOGUE } from '../domain/errors.ts';
import type { ApiDependencies } from './dependencies.ts';
import { parseBody } from './body.ts';
import { openApiDocument, possibleErrors } from './openapi.ts';
import { renderReference } from './reference.ts';
import { createRoutes } from './routes.ts';

// Making the table needs no dependency: handlers use theirs only when they are called.
const contracts = createRoutes({} as ApiDependencies, () => false).map(({ contract }) => contract);
const document = openApiDocument(contracts) as {
  openapi: string;
  paths: Record<
    string,
    Record<
      string,
      { operationId: string; parameters: { name: string; in: string }[]; responses: Record<string, unknown> }
    >
  >;
  components: { schemas: Record<string, unknown> };
};

function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => (name === '$ref' ? [String(member)] : references(member)));
}

describe('the OpenAPI document', () => {
  it('is version 3.1 and survives JSON unchanged', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  });

  it('has every operation of the table under its own id, each with its path parameters and a success', () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, ...operation })),
    );
    expect(operations).toHaveLength(contracts.length);
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(contracts.length);
    for (const { path, parameters, responses } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(inPath);
      expect(Object.keys(responses).some((status) => status.startsWith('2'))).toBe(true);
    }
  });

  it('refers only to components that it holds, and holds none that nothing refers to', () => {
    const referred = new Set(references(document).map((reference) => reference.replace('#/components/schemas/', '')));
    expect([...referred].filter((name) => !(name in document.components.schemas))).toEqual([]);
    expect(Object.keys(document.components.schemas).filter((name) => !referred.has(name))).toEqual([]);
  });

  it('refuses unknown members in requests and allows new ones in answers', () => {
    expect(document.components.schemas['CreateSettlement']).toMatchObject({ additionalProperties: false });
    expect(document.components.schemas['Settlement']).not.toMatchObject({ additionalProperties: false });
  });

  it('says that a quantity may be text or a number', () => {
    expect(JSON.stringify(document.components.schemas['SettlementLegInput'])).toContain('"type":["string","number"]');
  });

  it.each(
    contracts
      .filter(({ example }) => example !== undefined)
      .map((contract) => [contract.operationId, contract] as const),
  )('the example of %s is a valid request', (_name, contract) => {
    expect(contract.body?.safeParse(parseBody(JSON.stringify(contract.example))).error).toBeUndefined();
  });

  it('every operation with a body has an example', () => {
    expect(contracts.filter(({ body, example }) => body !== undefined && example === undefined)).toEqual([]);
  });
});

describe('the reference pages', () => {
  const page = (name: string) => readFileSync(new URL(`../docs/reference/${name}`, import.meta.url), 'utf8');

  it('api.md is what the table of routes says (node api/reference.ts writes it)', () => {
    expect(page('api.md')).toBe(renderReference(contracts));
  });

  it('errors.md has one section per code, with its status and title, and none besides', () => {
    const sections = [...page('errors.md').matchAll(/^## `(\w+)`\n\n(\d{3}) · (.+)\n\n(\S.+)/gm)];
    expect(sections.map(([, code]) => code)).toEqual(Object.keys(ERROR_CATALOGUE));
    for (const [, code, status, title] of sections) {
      const entry = ERROR_CATALOGUE[code as keyof typeof ERROR_CATALOGUE];
      expect([code, Number(status), title]).toEqual([code, entry.status, entry.title]);
    }
  });

  it('every code that an operation lists is one of the catalogue', () => {
    for (const contract of contracts)
      for (const code of possibleErrors(contract)) expect(ERROR_CATALOGUE).toHaveProperty(code);
  });
});
