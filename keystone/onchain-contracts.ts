/** What the contracts say today: their code, their wiring to each other, the state, the gate. */

import { callData } from './abi.ts';
import { evmChainNumber } from './caip.ts';
import { type ChainReader, ChainUnavailable } from './chain-reader.ts';
import type { RemoteEvidence, SettlementEvidence } from './evidence-types.ts';
import { legBits } from './onchain-expectations.ts';
import type { LegTerm, Pack } from './pack-types.ts';
import { settlementEvidence } from './pack-view.ts';
import type { Findings } from './report.ts';

const FINALIZED_STATE = 5n;
/** Phase of a gateway once its legs are paid out. */
const EXECUTED_PHASE = 4n;
const WORD_DIGITS = 64;

/** The words of a view's answer. */
type Read = (to: string, data: string) => Promise<readonly bigint[]>;

export async function checkContracts(
  pack: Pack,
  chain: string,
  reader: ChainReader,
  findings: Findings,
): Promise<void> {
  const evidence = settlementEvidence(pack);
  const read: Read = async (to, data) => wordsOf(await reader.call({ to, data }));
  const legs = pack.settled_legs.legs.filter((leg) => leg.chain_id === chain);
  const remote = evidence.remotes?.find((entry) => entry.chain_id === chain);
  const isHome = chain === evidence.chain_id;
  const own = [
    ...(isHome ? [evidence.coordinator, evidence.registry] : []),
    ...(remote === undefined ? [] : [remote.gateway]),
    ...legs.map((leg) => leg.escrow ?? ''),
  ];
  if (!(await haveCode(chain, [...new Set(own)], reader, findings))) {
    return;
  }
  if (isHome) {
    await checkHome(evidence, read, findings);
    await checkGate(evidence, read, findings);
    for (const entry of evidence.remotes ?? []) {
      await checkConnection(evidence, entry, read, findings);
    }
    for (const leg of legs) {
      await checkHomeEscrow(leg, evidence, read, findings);
    }
  } else if (remote !== undefined) {
    await checkGateway(pack, evidence, remote, read, findings);
  }
  for (const leg of legs) {
    await checkOpenedWallets(leg, evidence, read, findings);
  }
}

/** An address without code answers every call with nothing, and its owner may be anybody. */
async function haveCode(
  chain: string,
  contracts: readonly string[],
  reader: ChainReader,
  findings: Findings,
): Promise<boolean> {
  const codes = await Promise.all(contracts.map((contract) => reader.getCode(contract)));
  const empty = contracts.filter((_contract, index) => (codes[index] ?? '0x') === '0x');
  return findings.holds(`on chain: contracts of ${chain} have code`, empty.length === 0, 'eth_getCode', empty);
}

async function checkHome(evidence: SettlementEvidence, read: Read, findings: Findings): Promise<void> {
  const { coordinator, registry } = evidence;
  const [asked] = await read(coordinator, callData('registry()'));
  findings.holds(
    'on chain: the coordinator asks this registry',
    asked === BigInt(registry),
    'registry() of the coordinator',
  );
  const [state] = await read(coordinator, callData('stateOf(bytes32)', evidence.terms.settlement_id));
  findings.equal('on chain: the coordinator says FINALIZED', FINALIZED_STATE, state, 'stateOf');
}

async function checkGate(evidence: SettlementEvidence, read: Read, findings: Findings): Promise<void> {
  const data = callData('areAllPartiesCleared(bytes32)', evidence.terms.settlement_id);
  const [cleared] = await read(evidence.registry, data);
  const gate = 'on chain: all parties are cleared today';
  if (cleared === 1n) {
    findings.holds(gate, true, 'areAllPartiesCleared');
  } else {
    findings.open(gate, 'areAllPartiesCleared is false today: an attester took its word back after the settlement');
  }
}

/** The coordinator's side of a connection, and that nobody can change it any more. */
async function checkConnection(
  evidence: SettlementEvidence,
  remote: RemoteEvidence,
  read: Read,
  findings: Findings,
): Promise<void> {
  const data = callData('remoteChain(uint64)', evmChainNumber(remote.chain_id) ?? 0n);
  const [, gateway, escrow] = await read(evidence.coordinator, data);
  const [configurator] = await read(evidence.coordinator, callData('configurator()'));
  findings.holds(
    `on chain: the coordinator follows this gateway of ${remote.chain_id}`,
    gateway === BigInt(remote.gateway) && escrow === BigInt(remote.escrow) && configurator === 0n,
    'remoteChain() of the coordinator names gateway and escrow, and its configuration is frozen',
  );
}

/** The gateway's side: whom it follows, which escrow it opens, what became of the settlement there. */
async function checkGateway(
  pack: Pack,
  evidence: SettlementEvidence,
  remote: RemoteEvidence,
  read: Read,
  findings: Findings,
): Promise<void> {
  const { chain_id: chain, gateway, escrow } = remote;
  const home = evmChainNumber(evidence.chain_id);
  const one = async (contract: string, view: string): Promise<bigint | undefined> =>
    (await read(contract, callData(view)))[0];
  findings.holds(
    `on chain: the gateway of ${chain} follows this coordinator`,
    (await one(gateway, 'coordinator()')) === BigInt(evidence.coordinator) &&
      (await one(gateway, 'coordinatorChainId()')) === home &&
      (await one(gateway, 'configurator()')) === 0n,
    'coordinator() and coordinatorChainId() of the gateway, and its configuration is frozen',
  );
  findings.holds(
    `on chain: the escrow of ${chain} asks this gateway`,
    (await one(gateway, 'escrow()')) === BigInt(escrow) &&
      (await one(escrow, 'gate()')) === BigInt(gateway) &&
      (await one(escrow, 'coordinator()')) === BigInt(evidence.coordinator) &&
      (await one(escrow, 'coordinatorChainId()')) === home,
    'gate(), coordinator() and coordinatorChainId() of the escrow, escrow() of the gateway',
  );
  const status = await read(gateway, callData('statusOf(bytes32)', evidence.terms.settlement_id));
  const [termsHash, phase, deadline, bits] = status;
  findings.holds(
    `on chain: the gateway of ${chain} says EXECUTED`,
    termsHash === BigInt(pack.onchain_verification.terms_hash ?? 0) &&
      phase === EXECUTED_PHASE &&
      deadline === BigInt(evidence.terms.deadline_s) &&
      bits === legBits(evidence, chain),
    'statusOf: these terms, this deadline, these legs, executed',
    status,
  );
}

async function checkHomeEscrow(
  leg: LegTerm,
  evidence: SettlementEvidence,
  read: Read,
  findings: Findings,
): Promise<void> {
  const escrow = leg.escrow ?? '';
  const [coordinator] = await read(escrow, callData('coordinator()'));
  const [own] = await read(evidence.coordinator, callData('escrow()'));
  findings.holds(
    `on chain: leg ${leg.leg_index} escrow asks this coordinator`,
    coordinator === BigInt(evidence.coordinator) && own === BigInt(escrow),
    'coordinator() of the escrow and escrow() of the coordinator',
  );
}

/** Escrows that log no LegOpened keep the wallets behind the party hashes; asked only where the pack names no such log. */
async function checkOpenedWallets(
  leg: LegTerm,
  evidence: SettlementEvidence,
  read: Read,
  findings: Findings,
): Promise<void> {
  const deposit = evidence.deposits.find((candidate) => candidate.leg_index === leg.leg_index);
  if (deposit?.opened_log_index !== undefined) {
    return;
  }
  const term = evidence.terms.legs[leg.leg_index];
  const opened = async (party: number | undefined): Promise<bigint | undefined> => {
    const data = callData('openedWallet(bytes32,uint256)', evidence.terms.settlement_id, BigInt(party ?? 0));
    return (await read(leg.escrow ?? '', data))[0];
  };
  findings.holds(
    `on chain: leg ${leg.leg_index} wallets are the screened ones`,
    (await opened(term?.payer)) === BigInt(leg.payer) && (await opened(term?.payee)) === BigInt(leg.payee),
    'openedWallet of payer and payee in the escrow',
  );
}

function wordsOf(returned: string): bigint[] {
  const digits = returned.slice(2);
  if (!/^(?:[0-9a-fA-F]{64})+$/.test(digits)) {
    throw new ChainUnavailable('the contract did not answer with whole words');
  }
  return Array.from({ length: digits.length / WORD_DIGITS }, (_, index) =>
    BigInt(`0x${digits.slice(index * WORD_DIGITS, (index + 1) * WORD_DIGITS)}`),
  );
}
