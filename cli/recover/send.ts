import { setTimeout as sleep } from 'node:timers/promises';

import { keccak256, Wallet } from 'ethers';

import type { ContractCall } from '../../chain/contract-call.ts';
import { decodeRevert, isRevert } from '../../chain/contract-errors.ts';
import { CHAIN_LIMITS } from '../../chain/limits.ts';
import type { Chain, Receipt } from '../../chain/provider.ts';
import { RpcError } from '../../chain/rpc.ts';
import { RECOVER_LIMITS } from './limits.ts';
import { EXIT, RecoverError } from './outcome.ts';

/** What a transaction will cost at most. Wei. */
export interface Cost {
  readonly gasLimit: bigint;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  /** Fee of a message, sent along. */
  readonly value: bigint;
  readonly atMost: bigint;
}

/** Asks the chain whether the call would be refused, and what it costs. @throws RecoverError with the contract's reason. */
export async function priceOf(chain: Chain, call: ContractCall, from?: string): Promise<Cost> {
  const estimate = await chain.estimateGas({ ...call, ...(from !== undefined && { from }) }).catch((error: unknown) => {
    throw refusal(chain.chainId, error);
  });
  const [head, tip] = await Promise.all([chain.headBlock(), chain.suggestedTip()]);
  const gasLimit = (estimate * CHAIN_LIMITS.gasMarginPercent) / 100n;
  const maxPriorityFeePerGas = tip ?? CHAIN_LIMITS.minimumTipWei;
  const maxFeePerGas = 2n * (head.baseFeeWei ?? 0n) + maxPriorityFeePerGas;
  const value = call.value ?? 0n;
  return { gasLimit, maxFeePerGas, maxPriorityFeePerGas, value, atMost: gasLimit * maxFeePerGas + value };
}

/** Signs with the key, sends, and waits for inclusion. `onSent` hears of the hash before the wait. @throws RecoverError */
export async function sendSigned(
  chain: Chain,
  call: ContractCall,
  options: { privateKey: string; cost: Cost; onSent: (hash: string) => void },
): Promise<Receipt> {
  const wallet = new Wallet(options.privateKey);
  const { gasLimit, maxFeePerGas, maxPriorityFeePerGas, value, atMost } = options.cost;
  const balance = await chain.balance(wallet.address);
  if (balance < atMost) {
    throw new RecoverError(
      EXIT.notNow,
      `${wallet.address} has ${balance} wei on chain ${chain.chainId}, and this may cost ${atMost}.`,
    );
  }
  const raw = await wallet.signTransaction({
    type: 2,
    chainId: chain.chainId,
    nonce: await chain.transactionCount(wallet.address, 'pending'),
    to: call.to,
    data: call.data,
    value,
    gasLimit,
    maxFeePerGas,
    maxPriorityFeePerGas,
  });
  const hash = keccak256(raw);
  await chain.broadcast(raw).catch((error: unknown) => {
    throw refusal(chain.chainId, error);
  });
  options.onSent(hash);
  return included(chain, hash);
}

async function included(chain: Chain, hash: string): Promise<Receipt> {
  const limit = performance.now() + RECOVER_LIMITS.inclusionMs;
  while (performance.now() < limit) {
    const receipt = await chain.receipt(hash);
    if (receipt?.succeeded === true) return receipt;
    if (receipt !== undefined) throw new RecoverError(EXIT.notNow, `The transaction ${hash} was refused in its block.`);
    await sleep(RECOVER_LIMITS.inclusionPollMs);
  }
  throw new RecoverError(
    EXIT.notIncluded,
    `The transaction ${hash} is sent, and not included yet. Look again with inspect.`,
  );
}

/** The contract's own words; a node's text otherwise. Neither holds an RPC address. */
function refusal(chainId: number, error: unknown): unknown {
  if (isRevert(error)) {
    const reason = decodeRevert(error.data);
    return new RecoverError(EXIT.notNow, `The contract refuses: ${reason.name}(${reason.arguments.join(', ')}).`);
  }
  if (error instanceof RpcError) return new RecoverError(EXIT.notNow, `Chain ${chainId} refuses: ${error.message}`);
  return error;
}
