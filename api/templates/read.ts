import { coordinatorOf } from '../../domain/configuration.ts';
import { SETTLEMENT_TEMPLATES, type SettlementTemplate, templateById, templateConfig } from '../../domain/templates.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { envelope, pageOf, positionCursor } from '../paging.ts';
import { notFound } from '../problems.ts';
import type { Handler } from '../route.ts';
import { shownAddress } from '../settlements/views.ts';
import { isTemplateAvailable } from '../trade-rules.ts';
import type * as contract from './contract.ts';

function cursorOf(template: SettlementTemplate): string {
  return positionCursor({ id: template.id, created_key: template.createdAt.replace('Z', '000Z') });
}

/** Templates are data of the program, the same for every tenant. */
export function listTemplatesHandler(dependencies: ApiDependencies): Handler<typeof contract.listTemplates> {
  const show = (template: SettlementTemplate) => showTemplate(dependencies, template);
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
    return { status: 200, body: envelope(query, listed, show, cursorOf) };
  };
}

export function getTemplateHandler(dependencies: ApiDependencies): Handler<typeof contract.getTemplate> {
  return async ({ params }) => {
    const template = templateById(params.template_id);
    if (template === undefined) throw notFound();
    return { status: 200, body: showTemplate(dependencies, template) };
  };
}

function showTemplate({ chains, templateFees }: ApiDependencies, template: SettlementTemplate) {
  const fee = templateFees[template.slug];
  return {
    id: template.id,
    slug: template.slug,
    name: template.name,
    description: template.description,
    config: {
      ...templateConfig(template),
      // Both depend on the installation: the set is registered on its coordinator's chain, the fee is its configuration.
      attester_set: {
        name: template.attesterSet,
        id: coordinatorOf(chains).attester_sets[template.attesterSet]?.toLowerCase() ?? null,
      },
      fee: fee === undefined ? null : { basis_points: fee.basisPoints, recipient: shownAddress(fee.recipient) },
      default_fee_mode: template.feeMode,
    },
    version: template.version,
    is_active: isTemplateAvailable(template, chains),
    created_at: template.createdAt,
    updated_at: template.createdAt,
  };
}
