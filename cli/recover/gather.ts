import { join } from 'node:path';

import { ZeroHash } from 'ethers';

import { createCoordinatorClient } from '../../chain/coordinator.ts';
import { createEscrowClient, type Credit } from '../../chain/escrow.ts';
import { createGatewayClient } from '../../chain/gateway.ts';
import type { CoordinatorChain, IndexedChain, RemoteChain } from '../../chain/provider.ts';
import { type SettlementTerms, termsHash } from '../../chain/terms.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { Uuid } from '../../domain/ids.ts';
import { UsageError } from '../usage.ts';
import type { RecoverArguments } from './arguments.ts';
import { bareChain, chainIsMissing, coordinatorOfEscrow, homeChain, remoteChain } from './chains.ts';
import { coordinatorsIn, type CoordinatorPlace, readFileText, readIfThere, termsIn } from './files.ts';
import { type ChainHistory, readHistory } from './history.ts';
import { EXIT, RecoverError } from './outcome.ts';
import { type HomeView, offersOf, type Offer, type OpenCredit, type RemoteView } from './situation.ts';
import { termsFromCalldata } from './terms.ts';

/** Everything that the chains say about a settlement. */
export interface Gathered {
  readonly settlementId: Uuid;
  readonly place: CoordinatorPlace;
  readonly terms: SettlementTerms | undefined;
  readonly termsHash: string;
  readonly home: (HomeView & { readonly chain: CoordinatorChain; readonly history: ChainHistory }) | undefined;
  /** Other chains of the terms, ascending; undefined for one that was not given or does not answer. */
  readonly remotes: ReadonlyMap<number, (RemoteView & { chain: RemoteChain; history: ChainHistory }) | undefined>;
  readonly offers: readonly Offer[];
  /** What could not be read, for people. */
  readonly notes: readonly string[];
}

type Home = NonNullable<Gathered['home']>;
type Remote = NonNullable<ReturnType<Gathered['remotes']['get']>>;

/** Reads a settlement from the chains alone. @throws RecoverError, UsageError */
export async function gather(given: RecoverArguments, opened: RemoteChain[]): Promise<Gathered> {
  const notes: string[] = [];
  const bare = new Map<number, RemoteChain>();
  for (const [chainId, urls] of given.rpc) {
    const chain = bareChain(chainId, urls);
    opened.push(chain);
    bare.set(chainId, chain);
  }
  const reachable = await reachableChains(bare, notes);
  const fileTerms = await termsOfFiles(given);
  const place = await findCoordinator(given, reachable, fileTerms);
  const homeBare = reachable.get(place.chainId);
  const coordinator = homeBare === undefined ? undefined : await readHome(given, place, homeBare);
  if (coordinator === undefined)
    notes.push(`Chain ${place.chainId}, the coordinator's, was not read: what is decided there is not known.`);
  const terms = await findTerms(place, coordinator, fileTerms);
  if (terms === undefined && coordinator === undefined) {
    throw new RecoverError(
      EXIT.notFound,
      "Without the terms (--terms) or the coordinator's chain nothing can be found.",
    );
  }
  const remotes = await readRemotes(given, { place, terms, reachable }, notes);
  const home = coordinator === undefined ? undefined : await completeHome(coordinator, terms);
  const hash = home?.settlement.termsHash ?? (terms === undefined ? '' : termsHash(place, terms));
  if (terms === undefined) {
    notes.push(
      'The terms were not found in any transaction: name a file with --terms. Without them there is only the timeout and the decision.',
    );
  }
  return {
    settlementId: given.settlementId,
    place,
    terms,
    termsHash: hash,
    home,
    remotes,
    offers: offersOf(home, remotes),
    notes,
  };
}

/** A chain that is down must not keep a party from the money that it has on another one. One behind a wrong address is refused. */
async function reachableChains(
  bare: ReadonlyMap<number, RemoteChain>,
  notes: string[],
): Promise<ReadonlyMap<number, RemoteChain>> {
  const reachable = new Map<number, RemoteChain>();
  for (const [chainId, chain] of bare) {
    try {
      await chain.checkChainId();
      reachable.set(chainId, chain);
    } catch (error) {
      if (!(error instanceof KeystoneError) || error.code !== 'chain_unavailable') {
        throw new UsageError(
          error instanceof KeystoneError ? error.detail : `the node of chain ${chainId} cannot be used`,
        );
      }
      notes.push(chainIsMissing(chainId, error).message);
    }
  }
  if (reachable.size === 0) throw new RecoverError(EXIT.chainMissing, `No chain answers. ${notes.join(' ')}`);
  return reachable;
}

async function termsOfFiles(given: RecoverArguments): Promise<SettlementTerms | undefined> {
  for (const [file, what] of [
    [given.terms, 'the terms in'],
    [given.addresses, 'the addresses in'],
  ] as const) {
    if (file === undefined) continue;
    const terms = termsIn(await readFileText(file, what), file, given.settlementId);
    if (terms !== undefined) return terms;
    if (file === given.terms) throw new RecoverError(EXIT.notFound, `${file} holds no terms of this settlement.`);
  }
  return undefined;
}

/** The coordinator as it was named; else by the escrow of known terms; else the only one among the pinned contracts. */
async function findCoordinator(
  given: RecoverArguments,
  reachable: ReadonlyMap<number, RemoteChain>,
  terms: SettlementTerms | undefined,
): Promise<CoordinatorPlace> {
  if (given.coordinator !== undefined) return given.coordinator;
  const named = given.addresses ?? given.terms;
  const fromFile = named === undefined ? [] : coordinatorsIn(await readFileText(named, 'the file'), named);
  const [only] = fromFile;
  if (only !== undefined && fromFile.length === 1) return only;
  if (fromFile.length > 1) throw new UsageError(`${named} names several coordinators: choose one with --coordinator`);
  for (const leg of terms?.params.legs ?? []) {
    const chain = reachable.get(Number(leg.chainId));
    if (chain !== undefined) return coordinatorOfEscrow(chain, leg.escrow.toLowerCase());
  }
  const file = join(process.env['KEYSTONE_HOME'] ?? '.keystone', 'trusted-keys.json');
  const text = await readIfThere(file);
  const pinned = text === undefined ? [] : coordinatorsIn(text, file);
  const fitting = pinned.filter(({ chainId }) => given.rpc.has(chainId));
  const [first] = fitting.length > 0 ? fitting : pinned;
  if (first !== undefined && (fitting.length === 1 || pinned.length === 1)) return first;
  throw new UsageError(
    'where is the coordinator? Say --coordinator <chain id>=0x…, or --addresses FILE (a pack, trusted-keys.json, deposit-info)',
  );
}

async function readHome(given: RecoverArguments, place: CoordinatorPlace, bare: RemoteChain): Promise<Home> {
  const chain = await homeChain(place, bare);
  const client = createCoordinatorClient(chain);
  const [settlement, head] = await Promise.all([client.settlementOf(given.settlementId), chain.headBlock()]);
  if (settlement === undefined) {
    throw new RecoverError(
      EXIT.notFound,
      `The coordinator ${place.coordinator} on chain ${place.chainId} has no settlement ${given.settlementId}.`,
    );
  }
  const [history, messageGraceMs] = await Promise.all([
    readHistory(
      chain,
      { id: given.settlementId, deadlineMs: settlement.deadlineMs },
      head,
      given.fromBlock.get(place.chainId),
    ),
    client.messageGraceMs(),
  ]);
  return {
    chainId: place.chainId,
    nowMs: head.timestampMs,
    settlement,
    messageGraceMs,
    events: history.events,
    chainIndexes: new Map(),
    credits: [],
    chain,
    history,
  };
}

/** What can be asked only once the terms are known: the numbers of the other chains, and credits by partition. */
async function completeHome(home: Home, terms: SettlementTerms | undefined): Promise<Home> {
  const client = createCoordinatorClient(home.chain);
  const chainIndexes = new Map<number, number>();
  for (const { chainId } of terms?.params.legs ?? []) {
    const connected = Number(chainId) === home.chainId ? undefined : await client.remoteChain(Number(chainId));
    if (connected !== undefined) chainIndexes.set(Number(chainId), connected.index);
  }
  return { ...home, chainIndexes, credits: await openCredits(home.chain, home.history, terms) };
}

interface Known {
  readonly place: CoordinatorPlace;
  readonly reachable: ReadonlyMap<number, RemoteChain>;
}

/** Terms from a file if they are the settlement's, else from calldata. @throws RecoverError when the file's are other ones. */
async function findTerms(
  place: CoordinatorPlace,
  home: Home | undefined,
  fileTerms: SettlementTerms | undefined,
): Promise<SettlementTerms | undefined> {
  if (fileTerms !== undefined) {
    const expected = home?.settlement.termsHash;
    if (expected === undefined || termsHash(place, fileTerms) === expected) return fileTerms;
    throw new RecoverError(
      EXIT.notFound,
      'The terms in the file are not those of the settlement: their hash is another one.',
    );
  }
  if (home === undefined) return undefined;
  return termsFromCalldata(place, home.settlement.termsHash, [{ chain: home.chain, history: home.history }]);
}

async function readRemotes(
  given: RecoverArguments,
  known: Known & { terms: SettlementTerms | undefined },
  notes: string[],
): Promise<Map<number, Remote | undefined>> {
  const { place, terms, reachable } = known;
  const remotes = new Map<number, Remote | undefined>();
  const escrows = new Map((terms?.params.legs ?? []).map((leg) => [Number(leg.chainId), leg.escrow.toLowerCase()]));
  for (const [chainId, escrow] of [...escrows].toSorted(([a], [b]) => a - b)) {
    if (chainId === place.chainId) continue;
    const bare = reachable.get(chainId);
    if (bare === undefined) notes.push(`Chain ${chainId} was not read: its legs are not known.`);
    remotes.set(chainId, bare === undefined ? undefined : await readRemote(given, place, bare, escrow, terms));
  }
  return remotes;
}

async function readRemote(
  given: RecoverArguments,
  place: CoordinatorPlace,
  bare: RemoteChain,
  escrow: string,
  terms: SettlementTerms | undefined,
): Promise<Remote> {
  const chain = await remoteChain(place, bare, escrow);
  const [settlement, head] = await Promise.all([
    createGatewayClient(chain).statusOf(given.settlementId),
    chain.headBlock(),
  ]);
  const isBound = settlement.phase !== 'NONE' && BigInt(settlement.termsHash) !== 0n;
  if (isBound && terms !== undefined && termsHash(place, terms) !== settlement.termsHash) {
    throw new RecoverError(EXIT.notFound, `Chain ${chain.chainId} holds the settlement under other terms.`);
  }
  const deadlineMs = terms === undefined ? undefined : Number(terms.params.deadline) * 1_000;
  const history = await readHistory(
    chain,
    { id: given.settlementId, deadlineMs },
    head,
    given.fromBlock.get(chain.chainId),
  );
  return {
    chainId: chain.chainId,
    nowMs: head.timestampMs,
    settlement,
    events: history.events,
    credits: await openCredits(chain, history, terms),
    chain,
    history,
  };
}

/** Payouts of this settlement that the token refused, and that still wait. */
async function openCredits(
  chain: IndexedChain,
  history: ChainHistory,
  terms: SettlementTerms | undefined,
): Promise<OpenCredit[]> {
  const escrow = createEscrowClient(chain);
  const keys = new Map<string, Credit>();
  for (const event of history.events.filter(({ name }) => name === 'PayoutCredited')) {
    const { token, tokenId, legIndex, wallet } = event.arguments;
    const partition = terms?.params.legs[Number(legIndex)]?.partition ?? ZeroHash;
    const credit = { token: String(token), tokenId: BigInt(String(tokenId)), partition, wallet: String(wallet) };
    // What the escrow calls one credit: two legs of one token for one wallet make one.
    keys.set([token, tokenId, partition, wallet].join(), credit);
  }
  const credits: OpenCredit[] = [];
  for (const credit of keys.values()) {
    const amount = await escrow.creditOf(credit);
    if (amount > 0n) credits.push({ ...credit, amount });
  }
  return credits;
}
