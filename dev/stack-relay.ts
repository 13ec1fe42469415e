import { REPOSITORY } from './home.ts';
import { answersAt, type Launch, startNodeService } from './launch.ts';
import { findPort } from './ports.ts';
import type { RelayChain } from './relay/relay-chain.ts';
import { randomHex } from './secrets.ts';
import type { ContractsPart } from './stack-contracts.ts';
import { writePrivateJson } from './stack-file.ts';

const PREFERRED_PORT = 8_094;

export interface RelayPart {
  readonly url: string;
  readonly token: string;
}

/** Starts the relay that carries messages between the local chains; null when LayerZero's own network does it, or there is one chain. */
export async function startRelay(launch: Launch, contracts: ContractsPart): Promise<RelayPart | null> {
  const chains = contracts.chains.flatMap(({ configuration, layerzero, part }): RelayChain[] => {
    if (layerzero === null) return [];
    const { endpointId, endpoint, messageLibrary, deploymentBlock } = layerzero;
    const { chain_id: chainId } = configuration;
    return [{ chainId, rpcUrl: part.rpcUrl, endpointId, endpoint, messageLibrary, fromBlock: deploymentBlock }];
  });
  if (chains.length < 2) return null;
  const advice = { logFile: launch.home.log('relay'), hint: 'look at the log; how it works: dev/relay/README.md' };
  return launch.steps.run('message relay (stands for the LayerZero network)', advice, async (step) => {
    const port = await findPort(PREFERRED_PORT);
    const url = `http://127.0.0.1:${port}`;
    const token = launch.secrets.get('message-relay-token', randomHex);
    const file = launch.secrets.file('message-relay-chains.json');
    writePrivateJson(file, chains);
    await startNodeService(launch, REPOSITORY, {
      name: 'relay',
      entry: 'dev/relay/main.ts',
      environment: {
        PORT: String(port),
        RELAY_CHAINS_FILE: file,
        RELAY_PRIVATE_KEY: contracts.keys.carrier.privateKey,
        RELAY_CONTROL_TOKEN: token,
      },
      ready: answersAt(`${url}/healthz`),
    });
    step.result(url);
    return { url, token };
  });
}
