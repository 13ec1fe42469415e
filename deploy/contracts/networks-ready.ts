import type { ChainTarget, DeploymentConfiguration } from './configuration.ts';
import type { ContractBook } from './contracts.ts';
import type { Network } from './network.ts';

/**
 * Is LayerZero on these networks what the configuration says? Asked before the first transaction: a wrong address would otherwise be found when
 * half of the contracts are deployed, or never. Answers a sentence per problem.
 */
export async function findNetworkProblems(
  configuration: DeploymentConfiguration,
  networks: ReadonlyMap<number, Network>,
  book: ContractBook,
): Promise<string[]> {
  const problems = await Promise.all(
    configuration.chains.map(async (target) => {
      const network = networks.get(target.chain_id);
      if (network === undefined) return [`no node is given for chain ${target.chain_id}`];
      if (network.chainId !== target.chain_id)
        return [`the node for chain ${target.chain_id} serves chain ${network.chainId}`];
      const others = configuration.chains.filter((other) => isPathway(target, other));
      return problemsOf(target, others, network, book);
    }),
  );
  return problems.flat();
}

/** Messages go between the coordinator's chain and each other one, not among those. */
function isPathway(left: ChainTarget, right: ChainTarget): boolean {
  return left !== right && (left.kind === 'coordinator' || right.kind === 'coordinator');
}

async function problemsOf(
  target: ChainTarget,
  others: readonly ChainTarget[],
  network: Network,
  book: ContractBook,
): Promise<string[]> {
  const problems: string[] = [];
  const named = [target.endpoint, target.send_library, target.receive_library, target.executor, ...target.verifiers];
  for (const address of named) {
    if (!(await network.hasCode(address)))
      problems.push(`chain ${target.chain_id}: there is no contract at ${address}`);
  }
  if (problems.length > 0) return problems;
  const endpoint = book.layerZero('endpoint', target.endpoint);
  const eid = await network.tryRead(endpoint, 'eid', []);
  if (Number(eid) !== target.endpoint_id) {
    problems.push(`chain ${target.chain_id}: the endpoint's id is ${String(eid)}, not ${target.endpoint_id}`);
  }
  for (const part of ['sendLibrary', 'receiveLibrary'] as const) {
    const address = part === 'sendLibrary' ? target.send_library : target.receive_library;
    const registered = await network.tryRead(endpoint, 'isRegisteredLibrary', [address]);
    if (registered !== true)
      problems.push(`chain ${target.chain_id}: the endpoint does not know the library ${address}`);
    for (const { endpoint_id: remoteId } of others) {
      const supported = await network.tryRead(book.layerZero(part, address), 'isSupportedEid', [remoteId]);
      if (supported !== true)
        problems.push(`chain ${target.chain_id}: the library ${address} does not support endpoint id ${remoteId}`);
    }
  }
  return problems;
}
