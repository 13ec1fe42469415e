// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What an escrow asks before it moves anything.
/// @notice At home the gate is the coordinator itself; on another chain it is a small contract that follows the coordinator's messages. The
/// escrow's code is the same. The gate keeps the state, the escrow keeps the tokens. All changing functions accept the escrow only.
/// @dev In the errors, `state` is a {SettlementState} at home and a {RemotePhase} elsewhere.
interface IGate {
    /// @notice Thrown when a function of the gate is called by anybody but the escrow.
    error CallerNotEscrow(address caller);
    /// @notice Thrown when no settlement has this id.
    error UnknownSettlement(bytes32 settlementId);
    /// @notice Thrown when the terms brought along are not those of the settlement.
    error TermsMismatch(bytes32 settlementId, bytes32 expected, bytes32 actual);
    /// @notice Thrown when deposits are not open.
    error DepositsNotOpen(bytes32 settlementId, uint8 state);
    /// @notice Thrown when something that must happen before the deadline comes too late.
    error DeadlinePassed(bytes32 settlementId, uint64 deadline);
    /// @notice Thrown when the leg was paid in before.
    error LegAlreadyDeposited(bytes32 settlementId, uint256 legIndex);
    /// @notice Thrown when there is nothing to pay out here: it was paid out before, or nothing was decided, or decided otherwise.
    error NothingToExecute(bytes32 settlementId, uint8 state);
    /// @notice Thrown when the settlement did not fail, so that there is nothing to hand back.
    error RefundNotAvailable(bytes32 settlementId, uint8 state);
    /// @notice Thrown when no deposit is left to hand back.
    error NothingToRefund(bytes32 settlementId);
    /// @notice Thrown when a cooperative release comes before `availableAt` (unix seconds), or for a settlement that does not wait for a
    /// decision; then `availableAt` is zero.
    error ReleaseNotAvailable(bytes32 settlementId, uint8 state, uint256 availableAt);

    /// @notice Records that a leg was paid in. Reverts unless the terms match, deposits are open, the deadline is ahead and the leg is missing.
    /// @return executeNow True when this deposit decides the settlement, so that the escrow executes at once.
    function recordDeposit(bytes32 settlementId, bytes32 termsHash, uint256 legIndex) external returns (bool executeNow);

    /// @notice Moves the settlement into execution, before any token leaves. Reverts unless that is decided, or can be decided now.
    function beginExecution(bytes32 settlementId, bytes32 termsHash) external;

    /// @notice Records that every leg of this escrow was paid out or credited.
    function endExecution(bytes32 settlementId) external;

    /// @notice Hands over the right to refund, once for each leg. Records the timeout first when it is due.
    /// @param wantedBits Bit i is set when the caller can hand leg i back.
    /// @return legBits Bit i is set when leg i was paid in, is wanted, and is to be handed back now.
    function claimRefund(bytes32 settlementId, bytes32 termsHash, uint256 wantedBits) external returns (uint256 legBits);

    /// @notice Hands over the right to follow the parties' own agreement, once, when messaging has died. Never at home.
    /// @param outcome One of {ReleaseOutcome}.
    function claimRelease(bytes32 settlementId, bytes32 termsHash, uint8 outcome) external;

    /// @notice Whether every leg of this chain was paid in. False for an unknown settlement.
    function allLegsDeposited(bytes32 settlementId) external view returns (bool);
}
