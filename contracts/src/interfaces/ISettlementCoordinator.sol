// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { CreateParams, Settlement } from "../types/SettlementTypes.sol";
import { IGate } from "./IGate.sol";

/// @title The state machine of settlements: eight states, fixed edges, two compliance gates.
interface ISettlementCoordinator is IGate {
    /// @notice A settlement was created; the terms are the calldata of this transaction.
    event SettlementCreated(bytes32 indexed settlementId, bytes32 termsHash);

    /// @notice A settlement changed state. Into AWAITING_DEPOSITS, `evidenceHash` is the digest of the signed decisions.
    event StateTransition(bytes32 indexed settlementId, uint8 fromState, uint8 toState, bytes32 evidenceHash);

    /// @notice The deadline passed before the settlement was decided.
    event SettlementTimedOut(bytes32 indexed settlementId);

    /// @notice Thrown when the parts were deployed for other counterparts than these.
    error MiswiredDeployment(address registry, address escrow);
    /// @notice Thrown when a function of the gate is called by anybody but the escrow.
    error CallerNotEscrow(address caller);
    /// @notice Thrown when no settlement has this id.
    error UnknownSettlement(bytes32 settlementId);
    /// @notice Thrown when the id was used before, whatever the terms.
    error SettlementAlreadyExists(bytes32 settlementId);
    /// @notice Thrown when the id is not 16 bytes followed by 16 zero bytes, or is zero.
    error InvalidSettlementId(bytes32 settlementId);
    /// @notice Thrown when the deadline has passed already, or lies further ahead than `latest`.
    error InvalidDeadline(bytes32 settlementId, uint64 deadline, uint256 latest);
    /// @notice Thrown when there are no legs, or more than `maximum`.
    error InvalidLegCount(uint256 count, uint256 maximum);
    /// @notice Thrown when a leg lives on another chain or in another escrow than this coordinator's own.
    error LegNotHere(uint256 legIndex, uint64 chainId, address escrow);
    /// @notice Thrown for ERC-1400 legs, and for values that name no standard.
    error UnsupportedTokenStandard(uint256 legIndex, uint8 tokenStandard);
    /// @notice Thrown when the token is the zero address, by which the native coin is usually meant.
    error NativeCoinRefused(uint256 legIndex);
    /// @notice Thrown when the token is not a contract, or is the escrow or the coordinator.
    error InvalidToken(uint256 legIndex, address token);
    /// @notice Thrown when the amount is zero, more than 2^128 - 1, or not one for an ERC-721.
    error InvalidAmount(uint256 legIndex, uint256 amount);
    /// @notice Thrown when a fungible leg names a token id, or a leg without partitions names a partition.
    error InvalidTokenSelector(uint256 legIndex, uint256 tokenId, bytes32 partition);
    /// @notice Thrown when payer and payee are the same, or do not index `partyHashes`.
    error InvalidLegParties(uint256 legIndex, uint8 payer, uint8 payee);
    /// @notice Thrown when a leg has more than `maximum` fees, or an ERC-721 leg has any.
    error TooManyFees(uint256 legIndex, uint256 count, uint256 maximum);
    /// @notice Thrown when a fee is zero, or its recipient is zero, the escrow or the token.
    error InvalidFee(uint256 legIndex, uint256 feeIndex);
    /// @notice Thrown when fees leave nothing for the payee.
    error FeesExceedAmount(uint256 legIndex, uint256 fees, uint256 amount);
    /// @notice Thrown when the contract has no such edge.
    error InvalidTransition(bytes32 settlementId, uint8 fromState, uint8 toState);
    /// @notice Thrown when the engine proposes a state that only contract logic reaches.
    error StateNotProposable(bytes32 settlementId, uint8 toState);
    /// @notice Thrown when not every party is cleared.
    error GateClosed(bytes32 settlementId);
    /// @notice Thrown when deposits would open without an anchored decision.
    error ZeroDecisionDigest(bytes32 settlementId);
    /// @notice Thrown when something that must happen before the deadline comes too late.
    error DeadlinePassed(bytes32 settlementId, uint64 deadline);
    /// @notice Thrown when a timeout or a refund comes before `dueAt` (unix seconds).
    error TimeoutNotDue(bytes32 settlementId, uint256 dueAt);
    /// @notice Thrown when the terms brought along are not those of the settlement.
    error TermsMismatch(bytes32 settlementId, bytes32 expected, bytes32 actual);
    /// @notice Thrown when deposits are not open.
    error DepositsNotOpen(bytes32 settlementId, uint8 state);
    /// @notice Thrown when the leg was paid in before.
    error LegAlreadyDeposited(bytes32 settlementId, uint256 legIndex);
    /// @notice Thrown when execution is asked for before every leg is in.
    error LegsMissing(bytes32 settlementId, uint256 depositedBits, uint256 homeLegBits);
    /// @notice Thrown when the settlement did not fail, so that there is nothing to hand back.
    error RefundNotAvailable(bytes32 settlementId, uint8 state);
    /// @notice Thrown when no deposit is left to hand back.
    error NothingToRefund(bytes32 settlementId);

    /// @notice Creates a settlement: emits INSTRUCTED and enters COMPLIANCE_CHECKING. Needs CREATOR_ROLE, so that nobody can squat an id.
    function createSettlement(CreateParams calldata terms) external;

    /// @notice Proposes a state. Needs ENGINE_ROLE and reaches only COMPLIANCE_CLEARED, AWAITING_DEPOSITS and ROLLED_BACK.
    /// @param evidenceHash Into AWAITING_DEPOSITS the digest of the decision set, which must not be zero; else free.
    function transition(bytes32 settlementId, uint8 targetState, bytes32 evidenceHash) external;

    /// @notice COMPLIANCE_CHECKING to COMPLIANCE_CLEARED to AWAITING_DEPOSITS in one transaction, asking the gate once. Needs ENGINE_ROLE.
    /// @param decisionDigest SHA-256 of the canonical decision set; must not be zero.
    function advance(bytes32 settlementId, bytes32 decisionDigest) external;

    /// @notice Ends a settlement that is not decided by its deadline. Anybody may call it.
    /// @dev Due from the deadline on; when every leg is in, only from `messageGrace` seconds later, because then anybody can still execute.
    function timeout(bytes32 settlementId) external;

    /// @notice Executes a settlement whose legs are all in. Anybody may call it; needed only when the last deposit did not do it.
    function execute(CreateParams calldata terms) external;

    /// @notice Stops creation and deposits, nothing else. Needs PAUSER_ROLE.
    function pause() external;

    /// @notice Lifts a pause. Needs DEFAULT_ADMIN_ROLE.
    function unpause() external;

    /// @notice State index of a settlement; reverts with {UnknownSettlement}.
    function stateOf(bytes32 settlementId) external view returns (uint8);

    /// @notice Whether the id is taken.
    function exists(bytes32 settlementId) external view returns (bool);

    /// @notice Everything stored about a settlement; reverts with {UnknownSettlement}.
    function settlementOf(bytes32 settlementId) external view returns (Settlement memory);

    /// @notice The hash under which deposits are made: keccak256(abi.encode(uint8 1, address coordinator, uint64 chainId, terms)).
    function hashTerms(CreateParams calldata terms) external view returns (bytes32);

    /// @notice Bit j is set when the state machine has an edge from `fromState` to state j.
    function targetsOf(uint8 fromState) external pure returns (uint8);
}
