import type { Launch } from './launch.ts';
import type { ProcessRecord } from './processes.ts';
import { registerWebhookEndpoints } from './register-webhooks.ts';
import { prepareContracts } from './stack-contracts.ts';
import { type StackFile, writePrivateJson } from './stack-file.ts';
import { startChain, startDatabase, startWorkflowServer } from './stack-infrastructure.ts';
import { startScreening } from './stack-screening.ts';
import {
  createIdentities,
  startApi,
  startIssuer,
  startWebhookSink,
  startWorker,
  writeTrustedKeys,
} from './stack-services.ts';
import { bundleWorkflows } from './workflow-bundle.ts';

/** Starts every part and writes `.keystone/stack.json`, again whenever a restart changed a pid. @throws StepFailed */
export async function startStack(launch: Launch, chainId: number): Promise<StackFile> {
  const identities = createIdentities(launch);
  // Side by side what does not need each other: the second start is waited for by a person.
  const [workflowBundle, database, temporal, chain] = await Promise.all([
    bundleWorkflows(launch),
    startDatabase(launch),
    startWorkflowServer(launch),
    startChain(launch, chainId),
  ]);
  const contracts = await prepareContracts(launch, chain, {
    ownerDatabaseUrl: database.owner,
    funded: identities.platforms.map(({ wallet }) => wallet.address),
  });
  writeTrustedKeys(launch, contracts);
  const [issuer, screening, sinkUrl] = await Promise.all([
    startIssuer(launch, identities, database.owner),
    startScreening(launch),
    startWebhookSink(launch, identities),
  ]);
  const application = { database, temporal, contracts, issuer, screening, workflowBundle };
  const [apiUrl] = await Promise.all([startApi(launch, application), startWorker(launch, application)]);

  const { coordinator, escrow, registry } = contracts.configuration;
  const stackOf = (processes: readonly ProcessRecord[]): StackFile => ({
    api_url: apiUrl,
    token_url: issuer.tokenUrl,
    audience: issuer.audience,
    database_url: database.owner,
    temporal: {
      address: temporal.address,
      namespace: temporal.namespace,
      task_queue: temporal.taskQueue,
      ui_url: temporal.uiUrl,
    },
    chains: [
      {
        chain_id: chainId,
        rpc_url: chain.rpcUrl,
        contracts: { coordinator, escrow, registry },
        tokens: contracts.tokens,
      },
    ],
    platforms: identities.platforms.map(({ slug, client_id, client_secret, wallet }) => ({
      slug,
      client_id,
      client_secret,
      wallet,
    })),
    operator: identities.operator,
    webhook_sink_url: sinkUrl,
    processes: processes.map(({ name, pid }) => ({ name, pid })),
  });
  const file = launch.home.file('stack.json');
  const stack = stackOf(launch.registry.processes());
  await registerWebhookEndpoints(launch, stack, identities);
  writePrivateJson(file, stack);
  launch.registry.onChange((processes) => writePrivateJson(file, stackOf(processes)));
  return stack;
}
