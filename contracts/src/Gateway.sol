// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { AccessControl } from "@openzeppelin/contracts/access/AccessControl.sol";
import { Pausable } from "@openzeppelin/contracts/utils/Pausable.sol";
import { ILayerZeroEndpointV2 } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { IGate } from "./interfaces/IGate.sol";
import { IGateway } from "./interfaces/IGateway.sol";
import { IKeystoneEscrow } from "./interfaces/IKeystoneEscrow.sol";
import { IMessaging } from "./interfaces/IMessaging.sol";
import { MessageCodec, MessageKind } from "./messaging/MessageCodec.sol";
import { MessagingBase } from "./messaging/MessagingBase.sol";
import { RELEASE_DELAY } from "./types/Limits.sol";
import { ReleaseOutcome, RemotePhase, RemoteSettlement, RollbackReason } from "./types/SettlementTypes.sol";

/// @title The coordinator's representative on another chain: the gate of that chain's escrow.
/// @notice It decides nothing, with one exception: while its own legs are incomplete, nothing has been promised, and from the deadline on
/// anybody may have them handed back. Once they are complete it is PREPARED and follows the coordinator's decision alone, however long that
/// takes; should it never come, the signatures of every party concerned.
contract Gateway is IGateway, MessagingBase, AccessControl, Pausable {
    /// @notice The coordinator that is followed here.
    /// @param coordinator Its address, which is also its name as a peer.
    /// @param chainId Its chain.
    /// @param endpointId LayerZero's id of that chain's endpoint.
    struct Home {
        address coordinator;
        uint64 chainId;
        uint32 endpointId;
    }

    /// @notice May stop deposits.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// @notice The escrow on this chain.
    IKeystoneEscrow public immutable escrow;
    /// @notice The coordinator that is followed here.
    address public immutable coordinator;
    /// @notice The coordinator's chain.
    uint64 public immutable coordinatorChainId;
    /// @notice LayerZero's id of that chain's endpoint.
    uint32 public immutable coordinatorEndpointId;

    mapping(bytes32 settlementId => RemoteSettlement) private _settlements;

    modifier onlyEscrow() {
        if (msg.sender != address(escrow)) revert CallerNotEscrow(msg.sender);
        _;
    }

    /// @param escrow_ Deployed for the address of this contract, which follows from the deployer's nonce.
    /// @param endpoint_ LayerZero's endpoint on this chain.
    /// @param home See {Home}.
    /// @param admin Unpauses.
    /// @param pauser Stops deposits.
    constructor(
        IKeystoneEscrow escrow_,
        ILayerZeroEndpointV2 endpoint_,
        Home memory home,
        address admin,
        address pauser
    ) MessagingBase(endpoint_) {
        bool isEscrowOurs = address(escrow_.gate()) == address(this) && escrow_.coordinator() == home.coordinator
            && escrow_.coordinatorChainId() == home.chainId;
        if (!isEscrowOurs || home.coordinator == address(0) || home.chainId == block.chainid) {
            revert MiswiredGateway(address(escrow_));
        }
        escrow = escrow_;
        coordinator = home.coordinator;
        coordinatorChainId = home.chainId;
        coordinatorEndpointId = home.endpointId;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(PAUSER_ROLE, pauser);
    }

    /// @inheritdoc IMessaging
    function freeze() external onlyConfigurator {
        _requireChosenLibraries(coordinatorEndpointId);
        _freeze();
    }

    /// @inheritdoc IGateway
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @inheritdoc IGateway
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    /// @inheritdoc IGateway
    function sendVote(bytes32 settlementId) external payable {
        (uint8 kind, bytes memory message) = _vote(settlementId);
        _send(settlementId, coordinatorChainId, coordinatorEndpointId, kind, message);
    }

    /// @inheritdoc IGate
    /// @dev Never executes at once: the decision comes from the coordinator.
    function recordDeposit(bytes32 settlementId, bytes32 termsHash, uint256 legIndex)
        external
        onlyEscrow
        whenNotPaused
        returns (bool executeNow)
    {
        RemoteSettlement storage settlement = _underTerms(settlementId, termsHash);
        if (settlement.phase != RemotePhase.OPEN) revert DepositsNotOpen(settlementId, settlement.phase);
        if (block.timestamp >= settlement.deadline) revert DeadlinePassed(settlementId, settlement.deadline);
        uint256 deposited = settlement.depositedBits;
        if ((deposited >> legIndex) & 1 != 0) revert LegAlreadyDeposited(settlementId, legIndex);

        deposited |= 1 << legIndex;
        // casting to uint8 is safe: the escrow has checked legIndex against the legs, of which there are at most MAX_LEGS = 8
        settlement.depositedBits = uint8(deposited);
        if (deposited == settlement.legBits) {
            settlement.phase = RemotePhase.PREPARED;
            emit RemotePrepared(settlementId);
        }
        return false;
    }

    /// @inheritdoc IGate
    function beginExecution(bytes32 settlementId, bytes32 termsHash) external onlyEscrow {
        RemoteSettlement storage settlement = _underTerms(settlementId, termsHash);
        if (settlement.phase != RemotePhase.EXECUTE_DECIDED) revert NothingToExecute(settlementId, settlement.phase);
        settlement.phase = RemotePhase.EXECUTED;
    }

    /// @inheritdoc IGate
    function endExecution(bytes32 settlementId) external onlyEscrow {
        emit RemoteExecuted(settlementId);
    }

    /// @inheritdoc IGate
    /// @dev From the deadline on also without a decision, as long as a leg is missing: this chain can then never become PREPARED, so that the
    /// coordinator can never decide EXECUTE.
    function claimRefund(bytes32 settlementId, bytes32 termsHash, uint256 wantedBits)
        external
        onlyEscrow
        returns (uint256 legBits)
    {
        RemoteSettlement storage settlement = _underTerms(settlementId, termsHash);
        uint8 phase = settlement.phase;
        if (phase == RemotePhase.OPEN && block.timestamp >= settlement.deadline) {
            _rollBack(settlementId, settlement, RollbackReason.UNILATERAL);
        } else if (phase != RemotePhase.ROLLED_BACK) {
            revert RefundNotAvailable(settlementId, phase);
        }
        // casting to uint8 is safe: a narrower selection of bits that fit
        uint8 claimed = settlement.depositedBits & ~settlement.refundedBits & uint8(wantedBits);
        if (claimed == 0) revert NothingToRefund(settlementId);
        settlement.refundedBits |= claimed;
        return claimed;
    }

    /// @inheritdoc IGate
    function claimRelease(bytes32 settlementId, bytes32 termsHash, uint8 outcome) external onlyEscrow {
        RemoteSettlement storage settlement = _underTerms(settlementId, termsHash);
        bool isUndecided = settlement.phase == RemotePhase.PREPARED;
        uint256 availableAt = isUndecided ? settlement.deadline + RELEASE_DELAY : 0;
        if (!isUndecided || block.timestamp < availableAt) {
            revert ReleaseNotAvailable(settlementId, settlement.phase, availableAt);
        }
        emit CooperativeRelease(settlementId, outcome);
        if (outcome == ReleaseOutcome.PAY) {
            settlement.phase = RemotePhase.EXECUTED;
        } else {
            settlement.refundedBits = settlement.depositedBits;
            _rollBack(settlementId, settlement, RollbackReason.COOPERATIVE);
        }
    }

    /// @inheritdoc IGateway
    function quoteVote(bytes32 settlementId) external view returns (uint256 nativeFee) {
        (, bytes memory message) = _vote(settlementId);
        return _quote(coordinatorEndpointId, message);
    }

    /// @inheritdoc IGateway
    function statusOf(bytes32 settlementId) external view returns (RemoteSettlement memory) {
        return _settlements[settlementId];
    }

    /// @inheritdoc IGate
    function allLegsDeposited(bytes32 settlementId) external view returns (bool) {
        RemoteSettlement storage settlement = _settlements[settlementId];
        return settlement.legBits != 0 && settlement.depositedBits == settlement.legBits;
    }

    /// @inheritdoc IMessaging
    function peers(uint32 endpointId) public view override(IMessaging, MessagingBase) returns (bytes32) {
        return endpointId == coordinatorEndpointId ? bytes32(uint256(uint160(coordinator))) : bytes32(0);
    }

    /// @dev What a message does depends on the phase alone, so that order and repetition do not matter. One without effect must not revert:
    /// it would be delivered again and again, to no end.
    function _receive(uint32, bytes calldata message) internal override {
        (uint8 kind, bytes32 id) = MessageCodec.header(message);
        RemoteSettlement storage settlement = _settlements[id];
        uint8 phase = settlement.phase;
        if (kind == MessageKind.OPEN && phase == RemotePhase.NONE) {
            _open(id, settlement, message);
        } else if (kind == MessageKind.EXECUTE && phase == RemotePhase.PREPARED) {
            settlement.phase = RemotePhase.EXECUTE_DECIDED;
            emit DecisionReceived(id, kind);
        } else if (kind == MessageKind.ROLLBACK && phase <= RemotePhase.PREPARED) {
            emit DecisionReceived(id, kind);
            // Before OPEN this leaves a tombstone: an OPEN that was overtaken must not open anything.
            _rollBack(id, settlement, phase == RemotePhase.NONE ? RollbackReason.BEFORE_OPEN : RollbackReason.DECISION);
        } else if (kind == MessageKind.PREPARED || kind == MessageKind.EXECUTED) {
            revert UnexpectedMessage(kind);
        } else {
            emit MessageIgnored(id, kind);
        }
    }

    function _open(bytes32 id, RemoteSettlement storage settlement, bytes calldata message) private {
        (bytes32 termsHash, uint64 deadline, uint8 legBits) = MessageCodec.decodeOpen(message);
        settlement.termsHash = termsHash;
        settlement.phase = RemotePhase.OPEN;
        settlement.deadline = deadline;
        settlement.legBits = legBits;
        emit RemoteOpened(id, termsHash, deadline, legBits);
    }

    function _rollBack(bytes32 id, RemoteSettlement storage settlement, uint8 reason) private {
        settlement.phase = RemotePhase.ROLLED_BACK;
        emit RemoteRolledBack(id, reason);
    }

    function _vote(bytes32 id) private view returns (uint8 kind, bytes memory message) {
        RemoteSettlement storage settlement = _settlements[id];
        uint8 phase = settlement.phase;
        if (phase == RemotePhase.PREPARED) {
            return (MessageKind.PREPARED, MessageCodec.encodePrepared(id, settlement.termsHash));
        }
        if (phase == RemotePhase.EXECUTED) {
            return (MessageKind.EXECUTED, MessageCodec.encode(MessageKind.EXECUTED, id));
        }
        revert NothingToVote(id, phase);
    }

    function _underTerms(bytes32 id, bytes32 termsHash) private view returns (RemoteSettlement storage settlement) {
        settlement = _settlements[id];
        if (settlement.phase == RemotePhase.NONE) revert UnknownSettlement(id);
        if (settlement.termsHash != termsHash) revert TermsMismatch(id, settlement.termsHash, termsHash);
    }
}
