// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What an escrow asks before it moves anything.
/// @notice At home the gate is the coordinator itself; on another chain it is a small contract that follows the coordinator's messages. The
/// escrow's code is the same. The gate keeps the state, the escrow keeps the tokens. All changing functions accept the escrow only.
interface IGate {
    /// @notice Records that a leg was paid in. Reverts unless the terms match, deposits are open, the deadline is ahead and the leg is missing.
    /// @return executeNow True when this deposit decides the settlement, so that the escrow executes at once.
    function recordDeposit(bytes32 settlementId, bytes32 termsHash, uint256 legIndex) external returns (bool executeNow);

    /// @notice Moves the settlement into execution, before any token leaves. Reverts unless every leg is in and nothing else was decided.
    function beginExecution(bytes32 settlementId, bytes32 termsHash) external;

    /// @notice Records that every leg of this escrow was paid out or credited.
    function endExecution(bytes32 settlementId) external;

    /// @notice Hands over the right to refund, once. Records the timeout first when it is due.
    /// @return legBits Bit i is set when leg i was paid in and is to be handed back.
    function claimRefund(bytes32 settlementId, bytes32 termsHash) external returns (uint256 legBits);

    /// @notice Whether every leg of this chain was paid in. False for an unknown settlement.
    function allLegsDeposited(bytes32 settlementId) external view returns (bool);
}
