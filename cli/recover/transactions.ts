import { createCoordinatorClient } from '../../chain/coordinator.ts';
import type { ContractCall } from '../../chain/contract-call.ts';
import { createEscrowClient, type Opening, releaseTypedData } from '../../chain/escrow.ts';
import { createGatewayClient } from '../../chain/gateway.ts';
import type { IndexedChain } from '../../chain/provider.ts';
import type { SettlementTerms } from '../../chain/terms.ts';
import { UsageError } from '../usage.ts';
import type { RecoverArguments } from './arguments.ts';
import { readFileText, signaturesIn } from './files.ts';
import type { Gathered } from './gather.ts';
import type { ChainHistory, LegOpening } from './history.ts';
import { RECOVER_LIMITS } from './limits.ts';
import { EXIT, RecoverError } from './outcome.ts';
import type { Offer } from './situation.ts';

/** One transaction that does (a part of) what was asked for. */
export interface PreparedTransaction {
  readonly chain: IndexedChain;
  readonly call: ContractCall;
  readonly effect: string;
}

/** The transactions of an action. @throws RecoverError when it cannot be done now, or something that it needs is not known. */
export async function prepare(given: RecoverArguments, gathered: Gathered): Promise<PreparedTransaction[]> {
  const offers = chooseOffers(given, gathered);
  const prepared: PreparedTransaction[] = [];
  for (const offer of offers.slice(0, RECOVER_LIMITS.withdrawals)) {
    const { chain, history } = sideOf(gathered, offer.chainId);
    prepared.push({ chain, call: await callOf(given, gathered, offer, chain, history), effect: offer.effect });
  }
  return prepared;
}

/** One offer, or all withdrawals of a chain. */
function chooseOffers(given: RecoverArguments, gathered: Gathered): readonly Offer[] {
  const { action, chainId } = given;
  const named = gathered.offers.filter((offer) => offer.action === action);
  const fitting = named.filter(
    (offer) =>
      chainId === undefined ||
      offer.toChainId === chainId ||
      (offer.toChainId === undefined && offer.chainId === chainId),
  );
  const due = fitting.filter((offer) => offer.isDue);
  const chains = [...new Set(due.map((offer) => offer.toChainId ?? offer.chainId))];
  if (chains.length > 1)
    throw new UsageError(`${action} can be done for several chains (${chains.join(', ')}): choose with --chain`);
  if (due.length > 0) return due;
  const [later] = fitting.toSorted((a, b) => a.fromMs - b.fromMs);
  const when = later === undefined ? '' : ` It can be from ${new Date(later.fromMs).toISOString()} on.`;
  throw new RecoverError(EXIT.notNow, `${action} cannot be done now.${when}`);
}

function sideOf(gathered: Gathered, chainId: number): { chain: IndexedChain; history: ChainHistory } {
  const side = gathered.home?.chainId === chainId ? gathered.home : gathered.remotes.get(chainId);
  if (side === undefined) throw new RecoverError(EXIT.chainMissing, `Chain ${chainId} is needed: name it with --rpc.`);
  return side;
}

async function callOf(
  given: RecoverArguments,
  gathered: Gathered,
  offer: Offer,
  chain: IndexedChain,
  history: ChainHistory,
): Promise<ContractCall> {
  const { settlementId } = given;
  const escrow = createEscrowClient(chain);
  switch (offer.action) {
    case 'timeout':
      return homeClient(gathered).timeout(settlementId);
    case 'refund':
      return escrow.refund(
        termsOf(gathered),
        openingsFor(gathered, chain, history, (opening) => opening.payer),
      );
    case 'execute': {
      const payees = openingsFor(gathered, chain, history, (opening) => opening.payee);
      return escrow.execute(termsOf(gathered), payees);
    }
    case 'open': {
      const toChainId = offer.toChainId ?? 0;
      const client = homeClient(gathered);
      return client.sendOpen(termsOf(gathered), toChainId, await client.quoteOpen(termsOf(gathered), toChainId));
    }
    case 'decision': {
      const toChainId = offer.toChainId ?? 0;
      const client = homeClient(gathered);
      return client.sendDecision(settlementId, toChainId, await client.quoteDecision(settlementId, toChainId));
    }
    case 'vote': {
      if (chain.kind !== 'remote') throw new UsageError('the coordinator votes for nobody');
      const gateway = createGatewayClient(chain);
      return gateway.sendVote(settlementId, await gateway.quoteVote(settlementId));
    }
    case 'withdraw':
      if (offer.credit === undefined) throw new RecoverError(EXIT.notNow, 'Nothing waits for a withdrawal.');
      return escrow.withdraw(offer.credit);
    case 'release':
    case 'sign-release':
      break;
  }
  return releaseCall(given, gathered, chain, history);
}

function homeClient(gathered: Gathered): ReturnType<typeof createCoordinatorClient> {
  if (gathered.home === undefined) {
    throw new RecoverError(EXIT.chainMissing, `Chain ${gathered.place.chainId} is needed: name it with --rpc.`);
  }
  return createCoordinatorClient(gathered.home.chain);
}

function termsOf(gathered: Gathered): SettlementTerms {
  if (gathered.terms !== undefined) return gathered.terms;
  throw new RecoverError(EXIT.notFound, 'This needs the terms, which were not found: name a file with --terms.');
}

/** One entry for each leg of the terms: what a deposit made public for the legs of this chain, null for all others. */
function openingsFor(
  gathered: Gathered,
  chain: IndexedChain,
  history: ChainHistory,
  side: (opening: LegOpening) => Opening,
): (Opening | null)[] {
  return termsOf(gathered).params.legs.map((leg, index) => {
    if (Number(leg.chainId) !== chain.chainId) return null;
    const opening = history.openings.get(index);
    return opening === undefined ? null : side(opening);
  });
}

/** What the parties of a chain that messaging has left alone sign, and who they are, in the order that the escrow expects. */
export function releaseOf(given: RecoverArguments, gathered: Gathered, chain: IndexedChain, history: ChainHistory) {
  if (given.outcome === undefined) throw new UsageError('release wants --outcome pay|refund');
  const payers = openingsFor(gathered, chain, history, (opening) => opening.payer);
  const payees = openingsFor(gathered, chain, history, (opening) => opening.payee);
  const wallets = payers.flatMap((payer, index) => [payer, payees[index]].flatMap((party) => party?.wallet ?? []));
  const { settlementId } = given;
  return {
    payers,
    payees,
    wallets: [...new Set(wallets.map((wallet) => wallet.toLowerCase()))],
    typedData: releaseTypedData(
      { chainId: chain.chainId, address: chain.escrow },
      { settlementId, termsHash: gathered.termsHash, outcome: given.outcome },
    ),
    outcome: given.outcome,
  };
}

/** The one chain for which a release is (or will be) possible. */
export function releaseSide(
  given: RecoverArguments,
  gathered: Gathered,
): { chain: IndexedChain; history: ChainHistory } {
  const fitting = gathered.offers.filter(
    (offer) => offer.action === 'release' && (given.chainId === undefined || offer.chainId === given.chainId),
  );
  const [offer] = fitting;
  if (offer === undefined) throw new RecoverError(EXIT.notNow, 'No chain of the settlement waits for a decision.');
  if (fitting.length > 1) throw new UsageError('several chains wait for a decision: choose with --chain');
  return sideOf(gathered, offer.chainId);
}

async function releaseCall(
  given: RecoverArguments,
  gathered: Gathered,
  chain: IndexedChain,
  history: ChainHistory,
): Promise<ContractCall> {
  const release = releaseOf(given, gathered, chain, history);
  if (given.signatures === undefined) throw new UsageError('release wants --signatures FILE, see sign-release');
  const signed = signaturesIn(await readFileText(given.signatures, 'the signatures in'), given.signatures);
  const signatures = release.wallets.map((wallet) => {
    const signature = signed.get(wallet);
    if (signature === undefined)
      throw new RecoverError(EXIT.notFound, `${given.signatures} lacks the signature of ${wallet}.`);
    return signature;
  });
  return createEscrowClient(chain).release(termsOf(gathered), { ...release, signatures });
}
