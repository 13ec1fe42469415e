import { AbiCoder, type ErrorFragment, id, Interface } from 'ethers';

import {
  complianceRegistryAbi,
  gatewayAbi,
  keystoneEscrowAbi,
  settlementCoordinatorAbi,
} from '../contracts/generated/abi.ts';
import { ERROR_CATALOGUE, type ErrorCode, KeystoneError } from '../domain/errors.ts';
import { RpcError } from './rpc.ts';

type AbiEntry =
  | (typeof settlementCoordinatorAbi)[number]
  | (typeof complianceRegistryAbi)[number]
  | (typeof keystoneEscrowAbi)[number]
  | (typeof gatewayAbi)[number];
/** Names of every custom error that our contracts declare, taken from their ABIs. */
export type ContractErrorName = Extract<AbiEntry, { type: 'error' }>['name'];

/**
 * What a refusal of a contract means. Every error that the ABIs declare is listed, so that a new one does not compile until somebody
 * has decided. `chain_unavailable` is for refusals that pass by themselves: a lagging node, a block clock behind ours, a pause, a message that is
 * still on its way, or somebody who was faster; whoever asks again finds the state moved. Everything else is permanent.
 */
const MEANING: Readonly<Record<ContractErrorName, ErrorCode>> = {
  GateClosed: 'gate_closed',
  SettlementAlreadyExists: 'terms_differ',
  TermsMismatch: 'terms_differ',
  TermsHashMismatch: 'terms_differ',
  PartiesAlreadyRegistered: 'terms_differ',

  EnforcedPause: 'chain_unavailable',
  NothingToExecute: 'chain_unavailable',
  NothingToRefund: 'chain_unavailable',
  NothingToSend: 'chain_unavailable',
  NothingToVote: 'chain_unavailable',
  RefundNotAvailable: 'chain_unavailable',
  ReleaseNotAvailable: 'chain_unavailable',
  TimeoutNotDue: 'chain_unavailable',
  UnknownSettlement: 'chain_unavailable',
  VotesMissing: 'chain_unavailable',

  AccessControlUnauthorizedAccount: 'configuration_invalid',
  AccessControlBadConfirmation: 'configuration_invalid',
  NotAnAttester: 'configuration_invalid',
  AttesterSetNotUsable: 'configuration_invalid',
  CallerNotConfigurator: 'configuration_invalid',
  CallerNotCoordinator: 'configuration_invalid',
  CallerNotEndpoint: 'configuration_invalid',
  CallerNotEscrow: 'configuration_invalid',
  ChainNotConnected: 'configuration_invalid',
  ConfigurationNotFrozen: 'configuration_invalid',
  InvalidConnection: 'configuration_invalid',
  LegNotInThisEscrow: 'configuration_invalid',
  LibraryNotChosen: 'configuration_invalid',
  MiswiredDeployment: 'configuration_invalid',
  MiswiredGateway: 'configuration_invalid',
  OldLibraryStillValid: 'configuration_invalid',
  TooManyChains: 'configuration_invalid',
  UnknownPeer: 'configuration_invalid',
  WrongEscrow: 'configuration_invalid',

  AttesterSetAlreadyRegistered: 'transaction_reverted',
  CallerNotPayer: 'transaction_reverted',
  CallerNotSelf: 'transaction_reverted',
  ChainNotInSettlement: 'transaction_reverted',
  DeadlinePassed: 'transaction_reverted',
  DepositAmountMismatch: 'transaction_reverted',
  DepositsNotOpen: 'transaction_reverted',
  EntityNotRegistered: 'transaction_reverted',
  ExpectedPause: 'transaction_reverted',
  FeesExceedAmount: 'transaction_reverted',
  InsufficientGas: 'transaction_reverted',
  InvalidAmount: 'transaction_reverted',
  InvalidAttesterSet: 'transaction_reverted',
  InvalidBatchSize: 'transaction_reverted',
  InvalidDeadline: 'transaction_reverted',
  InvalidFee: 'transaction_reverted',
  InvalidIssuedAt: 'transaction_reverted',
  InvalidLegCount: 'transaction_reverted',
  InvalidLegParties: 'transaction_reverted',
  InvalidMessageLength: 'transaction_reverted',
  InvalidOpeningCount: 'transaction_reverted',
  InvalidOutcome: 'transaction_reverted',
  InvalidParty: 'transaction_reverted',
  InvalidPartyCount: 'transaction_reverted',
  InvalidPayee: 'transaction_reverted',
  InvalidReleaseSignature: 'transaction_reverted',
  InvalidSettlementId: 'transaction_reverted',
  InvalidShortString: 'transaction_reverted',
  InvalidSignature: 'transaction_reverted',
  InvalidSignatureCount: 'transaction_reverted',
  InvalidStatus: 'transaction_reverted',
  InvalidToken: 'transaction_reverted',
  InvalidTokenSelector: 'transaction_reverted',
  InvalidTransition: 'transaction_reverted',
  LegAlreadyDeposited: 'transaction_reverted',
  LegsMissing: 'transaction_reverted',
  NativeCoinRefused: 'transaction_reverted',
  NotAnActiveAttester: 'transaction_reverted',
  NothingToWithdraw: 'transaction_reverted',
  OpeningMismatch: 'transaction_reverted',
  PartyNotRegistered: 'transaction_reverted',
  ReentrancyGuardReentrantCall: 'transaction_reverted',
  SafeERC20FailedOperation: 'transaction_reverted',
  SignatureExpired: 'transaction_reverted',
  StateNotProposable: 'transaction_reverted',
  StringTooLong: 'transaction_reverted',
  TokenNotReceived: 'transaction_reverted',
  TokenStandardMismatch: 'transaction_reverted',
  TooManyFees: 'transaction_reverted',
  TooManySets: 'transaction_reverted',
  TransferRefused: 'transaction_reverted',
  UnexpectedMessage: 'transaction_reverted',
  UnknownLeg: 'transaction_reverted',
  UnknownMessageKind: 'transaction_reverted',
  UnknownMessageVersion: 'transaction_reverted',
  UnsupportedTokenStandard: 'transaction_reverted',
  ValueRefused: 'transaction_reverted',
  ZeroDecisionDigest: 'transaction_reverted',
};

/**
 * Refusals of LayerZero's endpoint that pass by themselves; its ABI is not ours, and every other one of its errors is `unknown` and permanent.
 * The fee of a message had risen between the quote and the call: whoever quotes again pays enough.
 */
const PASSING_SELECTORS: ReadonlySet<string> = new Set([
  id('LZ_InsufficientFee(uint256,uint256,uint256,uint256)').slice(0, 10),
]);

/** Every error of the four contracts; one that two of them share is listed once. */
const ERRORS = new Interface([
  ...new Map(
    [settlementCoordinatorAbi, complianceRegistryAbi, keystoneEscrowAbi, gatewayAbi]
      .flatMap((abi) => Interface.from(abi).fragments)
      .filter((fragment): fragment is ErrorFragment => fragment.type === 'error')
      .map((fragment) => [fragment.selector, fragment]),
  ).values(),
]);
const ERROR_STRING = '0x08c379a0';
const PANIC = '0x4e487b71';

/** Why a contract refused: the custom error's name, `Error`, `Panic`, or `unknown` for bytes that no ABI of ours explains. */
export interface RevertReason {
  readonly name: string;
  /** Arguments as text, in the order of the declaration; of an `unknown` one its selector, if there was one. */
  readonly arguments: readonly string[];
}

/** Decodes revert data. `undefined` data (a node that keeps it to itself, or a bare `revert()`) is `unknown`. */
export function decodeRevert(data: string | undefined): RevertReason {
  if (data === undefined || data.length < 10) return { name: 'unknown', arguments: [] };
  const selector = data.slice(0, 10).toLowerCase();
  try {
    const body = `0x${data.slice(10)}`;
    if (selector === ERROR_STRING) return { name: 'Error', arguments: [decodeOne('string', body)] };
    if (selector === PANIC) return { name: 'Panic', arguments: [decodeOne('uint256', body)] };
    const parsed = ERRORS.parseError(data);
    if (parsed !== null) return { name: parsed.name, arguments: parsed.args.map((value: unknown) => String(value)) };
  } catch {
    // The selector is ours and the rest is not: some other contract's error. It is unknown all the same.
  }
  return { name: 'unknown', arguments: [selector] };
}

function decodeOne(type: string, body: string): string {
  return String(AbiCoder.defaultAbiCoder().decode([type], body)[0]).slice(0, 200);
}

/** The refusal behind a KeystoneError of this room; found by `revertReasonOf`. */
export class ContractRevert extends Error {
  readonly reason: RevertReason;

  constructor(reason: RevertReason) {
    super(`${reason.name}(${reason.arguments.join(', ')})`);
    this.name = 'ContractRevert';
    this.reason = reason;
  }
}

/**
 * A contract's refusal as an error of the catalogue. The public sentence names the contract's error (an unknown one by its selector) and not its
 * arguments.
 */
export function revertError(reason: RevertReason): KeystoneError {
  const [selector] = reason.name === 'unknown' ? reason.arguments : [];
  const shown = selector === undefined ? reason.name : `unknown error ${selector}`;
  return new KeystoneError(meaningOf(reason), `The contract refused: ${shown}.`, { cause: new ContractRevert(reason) });
}

function meaningOf(reason: RevertReason): ErrorCode {
  if (Object.hasOwn(MEANING, reason.name)) return MEANING[reason.name as ContractErrorName];
  const passes = reason.name === 'unknown' && PASSING_SELECTORS.has(reason.arguments[0] ?? '');
  return passes ? 'chain_unavailable' : 'transaction_reverted';
}

/** Whether asking again can help. `transient`: the refusal passes by itself. `permanent`: it never does, or a person has to act first. */
export function refusalKind(reason: RevertReason): 'permanent' | 'transient' {
  return ERROR_CATALOGUE[meaningOf(reason)].retry === 'later' ? 'transient' : 'permanent';
}

/** Name of the contract's error behind an error of this room, e.g. `DeadlinePassed`; undefined when no contract refused. */
export function revertReasonOf(error: unknown): RevertReason | undefined {
  const cause = error instanceof KeystoneError ? error.cause : undefined;
  return cause instanceof ContractRevert ? cause.reason : undefined;
}

/** Whether a node's error means that the contract refused, and not that the node could not run the call. */
export function isRevert(error: unknown): error is RpcError {
  return (
    error instanceof RpcError && (error.data !== undefined || error.rpcCode === 3 || /revert/i.test(error.message))
  );
}
