import { Interface } from 'ethers';

import { escrowInterface } from '../../chain/escrow.ts';
import { coordinatorInterface } from '../../chain/coordinator.ts';
import { readContract } from '../../chain/contract-call.ts';
import { type CoordinatorChain, createChain, type IndexedChain, type RemoteChain } from '../../chain/provider.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { CoordinatorPlace } from './files.ts';
import { EXIT, RecoverError } from './outcome.ts';

/** Chains through the addresses that were given, with nothing of ours between. */

const ZERO = `0x${'00'.repeat(20)}`;
const everyChain = { deployment_block: 0, finality: 'finalized' as const };

/** A chain whose contracts are not known yet. Close it. */
export function bareChain(chainId: number, urls: readonly string[]): RemoteChain {
  return createChain({
    ...everyChain,
    kind: 'remote',
    chain_id: chainId,
    rpc_urls: [...urls],
    gateway: ZERO,
    escrow: ZERO,
  });
}

/** The coordinator's chain; asks the coordinator for its escrow and registry. @throws RecoverError when there is no coordinator. */
export async function homeChain(place: CoordinatorPlace, bare: RemoteChain): Promise<CoordinatorChain> {
  const [escrow, registry] = await Promise.all(
    ['escrow', 'registry'].map((name) => addressOf(bare, coordinatorInterface, place.coordinator, name)),
  );
  const addresses = { coordinator: place.coordinator, escrow: escrow ?? ZERO, registry: registry ?? ZERO };
  const { gateway: _none, ...chain } = bare;
  const configuration = {
    ...everyChain,
    ...addresses,
    kind: 'coordinator' as const,
    chain_id: bare.chainId,
    rpc_urls: bare.configuration.rpc_urls,
    attester_sets: {},
  };
  return { ...chain, ...addresses, kind: 'coordinator', configuration };
}

/** Another chain of the settlement by the escrow that the terms name; asks the escrow for its gate. @throws RecoverError when it follows another coordinator. */
export async function remoteChain(place: CoordinatorPlace, bare: RemoteChain, escrow: string): Promise<RemoteChain> {
  const followed = await coordinatorOfEscrow(bare, escrow);
  if (followed.chainId !== place.chainId || followed.coordinator !== place.coordinator) {
    throw new RecoverError(
      EXIT.notFound,
      `The escrow ${escrow} on chain ${bare.chainId} belongs to another coordinator (${followed.coordinator} on chain ${followed.chainId}).`,
    );
  }
  const gateway = await addressOf(bare, escrowInterface, escrow, 'gate');
  return { ...bare, escrow, gateway, configuration: { ...bare.configuration, escrow, gateway } };
}

/** The coordinator whose settlements an escrow holds. */
export async function coordinatorOfEscrow(chain: RemoteChain, escrow: string): Promise<CoordinatorPlace> {
  const target = { contract: escrowInterface, address: escrow };
  const [coordinator, chainId] = await Promise.all([
    addressOf(chain, escrowInterface, escrow, 'coordinator'),
    readContract(chain, target, 'coordinatorChainId', []).catch((error: unknown) => {
      throw notOurs(chain.chainId, escrow, error);
    }),
  ]);
  return { chainId: Number(chainId), coordinator };
}

async function addressOf(chain: IndexedChain, contract: Interface, address: string, name: string): Promise<string> {
  const answer = await readContract(chain, { contract, address }, name, []).catch((error: unknown) => {
    throw notOurs(chain.chainId, address, error);
  });
  return String(answer).toLowerCase();
}

/** An address without the contract answers no bytes, which cannot be decoded; a node that is down says so. */
function notOurs(chainId: number, address: string, error: unknown): unknown {
  if (error instanceof KeystoneError && error.code === 'chain_unavailable') return chainIsMissing(chainId, error);
  return new RecoverError(EXIT.notFound, `There is no contract of a settlement at ${address} on chain ${chainId}.`);
}

/** What an unreachable node means to the caller. The cause names no address. */
export function chainIsMissing(chainId: number, error: unknown): RecoverError {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return new RecoverError(EXIT.chainMissing, `The node of chain ${chainId} does not answer${cause}.`);
}
