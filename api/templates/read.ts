import { SETTLEMENT_TEMPLATES, type SettlementTemplate, templateById, templateConfig } from '../../domain/templates.ts';
import { envelope, pageOf, positionCursor } from '../paging.ts';
import { notFound } from '../problems.ts';
import type { Handler } from '../route.ts';
import type * as contract from './contract.ts';

function cursorOf(template: SettlementTemplate): string {
  return positionCursor({ id: template.id, created_key: template.createdAt.replace('Z', '000Z') });
}

/** Templates are data of the program, the same for every tenant. */
export function listTemplatesHandler(): Handler<typeof contract.listTemplates> {
  return async ({ query }) => {
    const page = pageOf(query);
    const after = page.after === undefined ? -1 : SETTLEMENT_TEMPLATES.findIndex(({ id }) => id === page.after?.id);
    const start = page.after === undefined ? page.offset : after + 1;
    const items = SETTLEMENT_TEMPLATES.slice(start, start + page.limit);
    const listed = {
      items,
      total: SETTLEMENT_TEMPLATES.length,
      hasMore: start + page.limit < SETTLEMENT_TEMPLATES.length,
    };
    return { status: 200, body: envelope(query, listed, showTemplate, cursorOf) };
  };
}

export function getTemplateHandler(): Handler<typeof contract.getTemplate> {
  return async ({ params }) => {
    const template = templateById(params.template_id);
    if (template === undefined) throw notFound();
    return { status: 200, body: showTemplate(template) };
  };
}

function showTemplate(template: SettlementTemplate) {
  return {
    id: template.id,
    slug: template.slug,
    name: template.name,
    description: template.description,
    config: templateConfig(template),
    version: template.version,
    is_active: true,
    created_at: template.createdAt,
    updated_at: template.createdAt,
  };
}
