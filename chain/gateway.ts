import { Interface, type Result } from 'ethers';

import { gatewayAbi } from '../contracts/generated/abi.ts';
import { type Uuid, uuidToBytes32 } from '../domain/ids.ts';
import { type ContractCall, readContract } from './contract-call.ts';
import type { RemoteChain } from './provider.ts';

export const gatewayInterface = Interface.from(gatewayAbi);

/** What a gateway knows of a settlement; the position is the contract's number. */
export const REMOTE_PHASES = ['NONE', 'OPEN', 'PREPARED', 'EXECUTE_DECIDED', 'EXECUTED', 'ROLLED_BACK'] as const;
export type RemotePhase = (typeof REMOTE_PHASES)[number];

/** What a gateway stores of a settlement. Bit i of a mask is leg i. A settlement that is unknown there has the phase `NONE` and zeroes. */
export interface RemoteSettlement {
  readonly termsHash: string;
  readonly phase: RemotePhase;
  /** ms since epoch */
  readonly deadlineMs: number;
  readonly legBits: number;
  readonly depositedBits: number;
  readonly refundedBits: number;
}

/** Calls of a gateway that anybody may make, and its views about the newest block: only the indexer's rows are final. */
export interface GatewayClient {
  readonly address: string;
  /** PREPARED once this chain's legs are in, EXECUTED once they are paid out. Anybody, for ever. `fee` in wei, see `quoteVote`. */
  sendVote(settlementId: Uuid, fee: bigint): ContractCall;
  /** Wei of the message. Throws the error of the refusal when there is nothing to tell the coordinator. */
  quoteVote(settlementId: Uuid): Promise<bigint>;
  statusOf(settlementId: Uuid): Promise<RemoteSettlement>;
}

export function createGatewayClient(chain: Pick<RemoteChain, 'chainId' | 'gateway' | 'call'>): GatewayClient {
  const target = { contract: gatewayInterface, address: chain.gateway };
  return {
    address: target.address,
    sendVote: (id, fee) => ({
      to: target.address,
      data: gatewayInterface.encodeFunctionData('sendVote', [uuidToBytes32(id)]),
      value: fee,
    }),
    quoteVote: async (id) => {
      const fee = await readContract(chain, target, 'quoteVote', [uuidToBytes32(id)]);
      if (typeof fee !== 'bigint') throw new TypeError('quoteVote answers wei');
      return fee;
    },
    statusOf: async (id) =>
      toRemoteSettlement((await readContract(chain, target, 'statusOf', [uuidToBytes32(id)])) as Result),
  };
}

function toRemoteSettlement(row: Result): RemoteSettlement {
  const [termsHash, phase, deadline, legBits, depositedBits, refundedBits]: unknown[] = row.toArray();
  const name = REMOTE_PHASES[Number(phase)];
  if (name === undefined) throw new RangeError(`no phase of a gateway has the number ${String(phase)}`);
  return {
    termsHash: String(termsHash).toLowerCase(),
    phase: name,
    deadlineMs: Number(deadline) * 1_000,
    legBits: Number(legBits),
    depositedBits: Number(depositedBits),
    refundedBits: Number(refundedBits),
  };
}
