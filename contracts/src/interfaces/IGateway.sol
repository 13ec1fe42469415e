// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { RemoteSettlement } from "../types/SettlementTypes.sol";
import { IGate } from "./IGate.sol";
import { IMessaging } from "./IMessaging.sol";

/// @title The coordinator's representative on another chain: the gate of that chain's escrow.
interface IGateway is IGate, IMessaging {
    /// @notice Deposits of a settlement may begin here.
    event RemoteOpened(bytes32 indexed settlementId, bytes32 termsHash, uint64 deadline, uint8 legBits);

    /// @notice Every leg of this chain is in; from here on only the coordinator's decision counts.
    event RemotePrepared(bytes32 indexed settlementId);

    /// @notice The coordinator's decision, EXECUTE or ROLLBACK (`kind`), took effect here.
    event DecisionReceived(bytes32 indexed settlementId, uint8 kind);

    /// @notice Every leg of this chain was paid out or credited.
    event RemoteExecuted(bytes32 indexed settlementId);

    /// @notice The settlement failed here; deposits can be handed back. `reason` is one of {RollbackReason}.
    event RemoteRolledBack(bytes32 indexed settlementId, uint8 reason);

    /// @notice The parties' own agreement took effect; `outcome` is one of {ReleaseOutcome}.
    event CooperativeRelease(bytes32 indexed settlementId, uint8 outcome);

    /// @notice A message had no effect: repeated, or overtaken.
    event MessageIgnored(bytes32 indexed settlementId, uint8 kind);

    /// @notice Thrown when the escrow was deployed for another gate or coordinator than these.
    error MiswiredGateway(address escrow);
    /// @notice Thrown when there is nothing to tell the coordinator.
    error NothingToVote(bytes32 settlementId, uint8 phase);

    /// @notice Sends PREPARED once every leg of this chain is in, EXECUTED once they are paid out. Anybody, for ever; the value pays the fee,
    /// what is too much comes back.
    function sendVote(bytes32 settlementId) external payable;

    /// @notice Native fee of {sendVote}, in wei.
    function quoteVote(bytes32 settlementId) external view returns (uint256 nativeFee);

    /// @notice Stops deposits, nothing else. Needs PAUSER_ROLE.
    function pause() external;

    /// @notice Lifts a pause. Needs DEFAULT_ADMIN_ROLE.
    function unpause() external;

    /// @notice Everything stored about a settlement; zeroes for one that is unknown here.
    function statusOf(bytes32 settlementId) external view returns (RemoteSettlement memory);
}
