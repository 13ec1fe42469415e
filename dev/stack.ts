import type { Launch } from './launch.ts';
import type { ProcessRecord } from './processes.ts';
import { registerWebhookEndpoints } from './register-webhooks.ts';
import { compileContracts, type ContractsPart, prepareContracts } from './stack-contracts.ts';
import { configuredChains } from './stack-deployment.ts';
import { type StackChain, type StackFile, writePrivateJson } from './stack-file.ts';
import { startChain, startDatabase, startWorkflowServer } from './stack-infrastructure.ts';
import { startRelay } from './stack-relay.ts';
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

/** The coordinator's chain, and one that follows it; KEYSTONE_CHAINS names others. */
const CHAIN_IDS = [11_155_111, 43_113] as const;

/** Starts every part and writes `.keystone/stack.json`, again whenever a restart changed a pid. @throws StepFailed */
export async function startStack(launch: Launch): Promise<StackFile> {
  const identities = createIdentities(launch);
  const configured = configuredChains(launch);
  const wanted = configured?.map(({ chain_id, rpc_urls }) => ({ chainId: chain_id, configuredUrl: rpc_urls[0] }));
  const chainsWanted = wanted ?? CHAIN_IDS.map((chainId) => ({ chainId, configuredUrl: undefined }));
  // Side by side what does not need each other: the second start is waited for by a person.
  const [workflowBundle, database, temporal, codeHash, chains] = await Promise.all([
    bundleWorkflows(launch),
    startDatabase(launch),
    startWorkflowServer(launch),
    compileContracts(launch),
    Promise.all(chainsWanted.map((chain, index) => startChain(launch, { ...chain, index }))),
  ]);
  const funded = identities.platforms.map(({ wallet }) => wallet.address);
  const [contracts, issuer, screening, sinkUrl] = await Promise.all([
    prepareContracts(launch, chains, { ownerDatabaseUrl: database.owner, codeHash, configured, funded }),
    startIssuer(launch, identities, database.owner),
    startScreening(launch),
    startWebhookSink(launch, identities),
  ]);
  writeTrustedKeys(launch, contracts);
  const application = { database, temporal, contracts, issuer, screening, workflowBundle };
  const [apiUrl, , relay] = await Promise.all([
    startApi(launch, application),
    startWorker(launch, application),
    startRelay(launch, contracts),
  ]);

  const { platformOracle } = contracts.keys;
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
    chains: contracts.chains.map(stackChainOf),
    platforms: identities.platforms.map(({ slug, client_id, client_secret, wallet }) => ({
      slug,
      client_id,
      client_secret,
      wallet,
    })),
    platform_oracle: { address: platformOracle.address, private_key: platformOracle.privateKey },
    operator: identities.operator,
    webhook_sink_url: sinkUrl,
    relay,
    processes: processes.map(({ name, pid }) => ({ name, pid })),
  });
  const file = launch.home.file('stack.json');
  const stack = stackOf(launch.registry.processes());
  await registerWebhookEndpoints(launch, stack, identities);
  writePrivateJson(file, stack);
  launch.registry.onChange((processes) => writePrivateJson(file, stackOf(processes)));
  return stack;
}

function stackChainOf({ configuration, tokens, layerzero, part }: ContractsPart['chains'][number]): StackChain {
  const { escrow } = configuration;
  const contracts =
    configuration.kind === 'coordinator'
      ? { escrow, coordinator: configuration.coordinator, registry: configuration.registry }
      : { escrow, gateway: configuration.gateway };
  return {
    chain_id: part.chainId,
    name: part.name,
    kind: configuration.kind,
    rpc_url: part.rpcUrl,
    contracts,
    tokens,
    layerzero: layerzero && {
      endpoint_id: layerzero.endpointId,
      endpoint: layerzero.endpoint,
      message_library: layerzero.messageLibrary,
    },
  };
}
