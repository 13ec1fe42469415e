import { AbiCoder, type ErrorFragment, Interface } from 'ethers';

import { complianceRegistryAbi, keystoneEscrowAbi, settlementCoordinatorAbi } from '../contracts/generated/abi.ts';
import { type ErrorCode, KeystoneError } from '../domain/errors.ts';
import { RpcError } from './rpc.ts';

type AbiEntry =
  | (typeof settlementCoordinatorAbi)[number]
  | (typeof complianceRegistryAbi)[number]
  | (typeof keystoneEscrowAbi)[number];
/** Names of every custom error that our contracts declare, taken from their ABIs. */
export type ContractErrorName = Extract<AbiEntry, { type: 'error' }>['name'];

/**
 * What a refusal of a contract means. Every error that the ABIs declare is listed, so that a new one does not compile until somebody
 * has decided. `chain_unavailable` is for refusals that pass by themselves: a lagging node, a block clock behind ours, a pause.
 */
const MEANING: Readonly<Record<ContractErrorName, ErrorCode>> = {
  GateClosed: 'gate_closed',
  SettlementAlreadyExists: 'terms_differ',
  TermsMismatch: 'terms_differ',
  TermsHashMismatch: 'terms_differ',
  PartiesAlreadyRegistered: 'terms_differ',

  EnforcedPause: 'chain_unavailable',
  TimeoutNotDue: 'chain_unavailable',
  UnknownSettlement: 'chain_unavailable',
  SignatureExpired: 'transaction_reverted',
  InvalidIssuedAt: 'transaction_reverted',

  AccessControlUnauthorizedAccount: 'configuration_invalid',
  AccessControlBadConfirmation: 'configuration_invalid',
  NotAnAttester: 'configuration_invalid',
  AttesterSetNotUsable: 'configuration_invalid',
  CallerNotCoordinator: 'configuration_invalid',
  CallerNotEscrow: 'configuration_invalid',
  MiswiredDeployment: 'configuration_invalid',
  LegNotHere: 'configuration_invalid',
  LegNotInThisEscrow: 'configuration_invalid',

  AttesterSetAlreadyRegistered: 'transaction_reverted',
  CallerNotPayer: 'transaction_reverted',
  CallerNotSelf: 'transaction_reverted',
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
  InvalidLegCount: 'transaction_reverted',
  InvalidLegParties: 'transaction_reverted',
  InvalidParty: 'transaction_reverted',
  InvalidPartyCount: 'transaction_reverted',
  InvalidPayee: 'transaction_reverted',
  InvalidSettlementId: 'transaction_reverted',
  InvalidShortString: 'transaction_reverted',
  InvalidSignature: 'transaction_reverted',
  InvalidStatus: 'transaction_reverted',
  InvalidToken: 'transaction_reverted',
  InvalidTokenSelector: 'transaction_reverted',
  InvalidTransition: 'transaction_reverted',
  LegAlreadyDeposited: 'transaction_reverted',
  LegsMissing: 'transaction_reverted',
  NativeCoinRefused: 'transaction_reverted',
  NotAnActiveAttester: 'transaction_reverted',
  NothingToRefund: 'transaction_reverted',
  NothingToWithdraw: 'transaction_reverted',
  OpeningMismatch: 'transaction_reverted',
  PartyNotRegistered: 'transaction_reverted',
  ReentrancyGuardReentrantCall: 'transaction_reverted',
  RefundNotAvailable: 'transaction_reverted',
  SafeERC20FailedOperation: 'transaction_reverted',
  StateNotProposable: 'transaction_reverted',
  StringTooLong: 'transaction_reverted',
  TokenNotReceived: 'transaction_reverted',
  TokenStandardMismatch: 'transaction_reverted',
  TooManyFees: 'transaction_reverted',
  TooManySets: 'transaction_reverted',
  UnknownLeg: 'transaction_reverted',
  UnsupportedTokenStandard: 'transaction_reverted',
  ZeroDecisionDigest: 'transaction_reverted',
};

/** Every error of the three contracts; one that two of them share is listed once. */
const ERRORS = new Interface([
  ...new Map(
    [settlementCoordinatorAbi, complianceRegistryAbi, keystoneEscrowAbi]
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
  /** Arguments as text, in the order of the declaration. */
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

/** A contract's refusal as an error of the catalogue. The public sentence names the contract's error and not its arguments. */
export function revertError(reason: RevertReason): KeystoneError {
  const code = Object.hasOwn(MEANING, reason.name) ? MEANING[reason.name as ContractErrorName] : 'transaction_reverted';
  return new KeystoneError(code, `The contract refused: ${reason.name}.`, { cause: new ContractRevert(reason) });
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
