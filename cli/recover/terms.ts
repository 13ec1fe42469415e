import type { Result } from 'ethers';

import { coordinatorInterface } from '../../chain/coordinator.ts';
import { escrowInterface } from '../../chain/escrow.ts';
import type { IndexedChain } from '../../chain/provider.ts';
import { isRecord } from '../../chain/rpc.ts';
import { type SettlementTerms, termsFromJson, termsHash, type TermsJson } from '../../chain/terms.ts';
import { evmChainId } from '../../keystone/caip.ts';
import type { ChainHistory } from './history.ts';
import { RECOVER_LIMITS } from './limits.ts';
import type { CoordinatorPlace } from './files.ts';

const coder = coordinatorInterface.getAbiCoder();

/** Functions whose calldata begins with the terms, as their first argument. */
const WITH_TERMS = [
  coordinatorInterface.getFunction('createSettlement'),
  coordinatorInterface.getFunction('sendOpen'),
  escrowInterface.getFunction('depositLeg'),
  escrowInterface.getFunction('execute'),
  escrowInterface.getFunction('refund'),
].flatMap((fragment) => fragment ?? []);

/**
 * The settlement's terms from the calldata of its own transactions: its creation and deposits carry them. What hashes to `expectedHash` is them, wherever
 * in the calldata they were found: a multi-signature wallet wraps the call. Undefined when no transaction has them.
 */
export async function termsFromCalldata(
  place: CoordinatorPlace,
  expectedHash: string,
  sources: readonly { chain: IndexedChain; history: ChainHistory }[],
): Promise<SettlementTerms | undefined> {
  for (const { chain, history } of sources) {
    const hashes = [...new Set(history.events.map((event) => event.transaction_hash))];
    for (const hash of hashes.slice(0, RECOVER_LIMITS.termsTransactions)) {
      const input = await readInput(chain, hash);
      const terms = input === undefined ? undefined : findTerms(input, place, expectedHash);
      if (terms !== undefined) return terms;
    }
  }
  return undefined;
}

async function readInput(chain: IndexedChain, hash: string): Promise<string | undefined> {
  const [node] = chain.nodes;
  const answer = await node?.send('eth_getTransactionByHash', [hash]);
  const input: unknown = isRecord(answer) ? answer['input'] : undefined;
  return typeof input === 'string' ? input.toLowerCase() : undefined;
}

function findTerms(input: string, place: CoordinatorPlace, expectedHash: string): SettlementTerms | undefined {
  for (const fragment of WITH_TERMS) {
    const selector = fragment.selector.slice(2);
    for (let at = input.indexOf(selector, 2); at >= 0; at = input.indexOf(selector, at + 2)) {
      const terms = at % 2 === 0 ? decodeTerms(fragment.inputs, `0x${input.slice(at + 8)}`) : undefined;
      if (terms !== undefined && termsHash(place, terms) === expectedHash) return terms;
    }
  }
  return undefined;
}

function decodeTerms(inputs: Parameters<typeof coder.decode>[0], data: string): SettlementTerms | undefined {
  try {
    return termsFromJson(toJson(coder.decode(inputs, data)[0] as Result));
  } catch {
    // Bytes that look like the selector by chance are no call; the hash decides about everything that decodes.
    return undefined;
  }
}

/** The contract's struct in the spelling of stored terms. */
function toJson(params: Result): TermsJson {
  const [settlementId, attesterSet, deadline, partyHashes, legs]: unknown[] = params.toArray();
  return {
    settlement_id: String(settlementId),
    attester_set: String(attesterSet),
    deadline_s: Number(deadline),
    party_hashes: listOf(partyHashes).map(String),
    legs: listOf(legs).map((leg) => {
      const [chainId, escrow, token, standard, tokenId, partition, amount, payer, payee, fees] = listOf(leg);
      return {
        chain_id: evmChainId(BigInt(String(chainId))),
        escrow: String(escrow).toLowerCase(),
        token: String(token).toLowerCase(),
        token_standard: Number(standard),
        token_id: String(tokenId),
        partition: String(partition),
        amount_minor: String(amount),
        payer: Number(payer),
        payee: Number(payee),
        fees: listOf(fees).map((fee) => {
          const [recipient, minor] = listOf(fee);
          return { recipient: String(recipient).toLowerCase(), amount_minor: String(minor) };
        }),
      };
    }),
  };
}

function listOf(value: unknown): readonly unknown[] {
  return (value as Result).toArray();
}
