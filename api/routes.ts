import type { ApiDependencies } from './dependencies.ts';
import { healthz, healthzHandler, openapi, readyz, readyzHandler } from './health.ts';
import * as instructions from './instructions/contract.ts';
import { cancelInstructionHandler, getInstructionHandler, listInstructionsHandler } from './instructions/read.ts';
import { submitInstructionHandler } from './instructions/submit.ts';
import { openApiDocument } from './openapi.ts';
import { type Route, route } from './route.ts';
import { getComplianceReferencesHandler } from './settlements/compliance-references.ts';
import { confirmSettlementHandler } from './settlements/confirm.ts';
import * as settlements from './settlements/contract.ts';
import { createSettlementHandler } from './settlements/create.ts';
import { decideComplianceHandler } from './settlements/decide.ts';
import { getDepositInfoHandler } from './settlements/deposit-info.ts';
import {
  getProofHandler,
  getRelatedHandler,
  getSettlementHandler,
  listSettlementEventsHandler,
  listSettlementsHandler,
} from './settlements/read.ts';
import { rejectSettlementHandler } from './settlements/reject.ts';
import * as templates from './templates/contract.ts';
import { getTemplateHandler, listTemplatesHandler } from './templates/read.ts';
import * as endpoints from './webhook-endpoints/contract.ts';
import { listDeliveriesHandler, testEndpointHandler } from './webhook-endpoints/deliveries.ts';
import {
  createEndpointHandler,
  deleteEndpointHandler,
  getEndpointHandler,
  listEndpointsHandler,
  rotateSecretHandler,
  updateEndpointHandler,
} from './webhook-endpoints/manage.ts';

/** The one table of operations. Validation, scopes, OpenAPI, the reference page and the fuzzer walk it. */
export function createRoutes(dependencies: ApiDependencies, isDraining: () => boolean): readonly Route[] {
  const routes: Route[] = [
    route(settlements.createSettlement, createSettlementHandler(dependencies)),
    route(settlements.listSettlements, listSettlementsHandler(dependencies)),
    route(settlements.getSettlement, getSettlementHandler(dependencies)),
    route(settlements.listSettlementEvents, listSettlementEventsHandler(dependencies)),
    route(settlements.getRelated, getRelatedHandler(dependencies)),
    route(settlements.confirmSettlement, confirmSettlementHandler(dependencies)),
    route(settlements.rejectSettlement, rejectSettlementHandler(dependencies)),
    route(settlements.decideCompliance, decideComplianceHandler(dependencies)),
    route(settlements.getProof, getProofHandler(dependencies)),
    route(settlements.getDepositInfo, getDepositInfoHandler(dependencies)),
    route(settlements.getComplianceReferences, getComplianceReferencesHandler(dependencies)),
    route(instructions.submitInstruction, submitInstructionHandler(dependencies)),
    route(instructions.listInstructions, listInstructionsHandler(dependencies)),
    route(instructions.getInstruction, getInstructionHandler(dependencies)),
    route(instructions.cancelInstruction, cancelInstructionHandler(dependencies)),
    route(templates.listTemplates, listTemplatesHandler(dependencies)),
    route(templates.getTemplate, getTemplateHandler(dependencies)),
    route(endpoints.createEndpoint, createEndpointHandler(dependencies)),
    route(endpoints.listEndpoints, listEndpointsHandler(dependencies)),
    route(endpoints.getEndpoint, getEndpointHandler(dependencies)),
    route(endpoints.updateEndpoint, updateEndpointHandler(dependencies)),
    route(endpoints.deleteEndpoint, deleteEndpointHandler(dependencies)),
    route(endpoints.testEndpoint, testEndpointHandler(dependencies)),
    route(endpoints.rotateSecret, rotateSecretHandler(dependencies)),
    route(endpoints.listDeliveries, listDeliveriesHandler(dependencies)),
    route(healthz, healthzHandler()),
    route(readyz, readyzHandler(dependencies.database, isDraining)),
  ];
  const document = { status: 200, body: openApiDocument([...routes.map(({ contract }) => contract), openapi]) };
  return [...routes, route(openapi, async () => document)];
}
