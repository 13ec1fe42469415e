// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { AccessControl } from "@openzeppelin/contracts/access/AccessControl.sol";
import { Pausable } from "@openzeppelin/contracts/utils/Pausable.sol";
import { ILayerZeroEndpointV2 } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { IComplianceRegistry } from "./interfaces/IComplianceRegistry.sol";
import { IGate } from "./interfaces/IGate.sol";
import { IKeystoneEscrow } from "./interfaces/IKeystoneEscrow.sol";
import { ISettlementCoordinator } from "./interfaces/ISettlementCoordinator.sol";
import { SettlementRecord, SettlementRecordLibrary } from "./libraries/SettlementRecord.sol";
import { TermsLibrary } from "./libraries/TermsLibrary.sol";
import { TermsRules } from "./libraries/TermsRules.sol";
import { TransitionRules } from "./libraries/TransitionRules.sol";
import { MessageCodec, MessageKind } from "./messaging/MessageCodec.sol";
import { MessagingBase } from "./messaging/MessagingBase.sol";
import { RemoteChains } from "./messaging/RemoteChains.sol";
import { CreateParams, Leg, Opening, Settlement, SettlementState } from "./types/SettlementTypes.sol";

/// @title The state machine of settlements, the gate of the escrow on its own chain, and the one that decides for all chains.
/// @notice It holds no tokens. States, edges and both compliance gates are code: no role can change or skip them, there is no upgrade. The
/// engine can carry a settlement forward through the gates, stall it, or roll it back before it executes; nothing else.
/// @dev The decision is the state itself, and is taken once: EXECUTING_SWAP is EXECUTE, ROLLED_BACK and TIMED_OUT are ROLLBACK. It becomes
/// EXECUTE when every leg of this chain is in and every other chain of the settlement has voted PREPARED.
contract SettlementCoordinator is RemoteChains, AccessControl, Pausable {
    using TermsLibrary for CreateParams;

    struct StoredSettlement {
        bytes32 termsHash;
        SettlementRecord record;
    }

    /// @notice The holders of the roles at deployment.
    struct Roles {
        address admin;
        address creator;
        address engine;
        address pauser;
    }

    /// @notice May create settlements.
    bytes32 public constant CREATOR_ROLE = keccak256("CREATOR_ROLE");
    /// @notice May propose COMPLIANCE_CLEARED, AWAITING_DEPOSITS and ROLLED_BACK.
    bytes32 public constant ENGINE_ROLE = keccak256("ENGINE_ROLE");
    /// @notice May stop creation and deposits.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// @notice Where attestations are kept.
    IComplianceRegistry public immutable registry;
    /// @notice The escrow on this chain.
    IKeystoneEscrow public immutable escrow;
    /// @notice Seconds after the deadline for which a settlement with every leg of this chain in waits for votes and execution before it may
    /// time out. Votes count strictly before that.
    uint64 public immutable messageGrace;

    mapping(bytes32 settlementId => StoredSettlement) private _settlements;

    modifier onlyEscrow() {
        if (msg.sender != address(escrow)) revert CallerNotEscrow(msg.sender);
        _;
    }

    /// @param registry_ Deployed for the address of this contract, which follows from the deployer's nonce.
    /// @param escrow_ Likewise.
    /// @param roles Who holds which role from the start, so that no transaction has to grant them afterwards.
    /// @param messageGrace_ Seconds, see {messageGrace}.
    /// @param endpoint_ LayerZero's endpoint; zero for a coordinator that never settles across chains.
    constructor(
        IComplianceRegistry registry_,
        IKeystoneEscrow escrow_,
        Roles memory roles,
        uint64 messageGrace_,
        ILayerZeroEndpointV2 endpoint_
    ) MessagingBase(endpoint_) {
        bool isEscrowOurs = address(escrow_.gate()) == address(this) && escrow_.coordinator() == address(this)
            && escrow_.coordinatorChainId() == block.chainid;
        if (registry_.coordinator() != address(this) || !isEscrowOurs) {
            revert MiswiredDeployment(address(registry_), address(escrow_));
        }
        registry = registry_;
        escrow = escrow_;
        messageGrace = messageGrace_;
        _grantRole(DEFAULT_ADMIN_ROLE, roles.admin);
        _grantRole(CREATOR_ROLE, roles.creator);
        _grantRole(ENGINE_ROLE, roles.engine);
        _grantRole(PAUSER_ROLE, roles.pauser);
    }

    /// @inheritdoc ISettlementCoordinator
    function createSettlement(CreateParams calldata terms) external onlyRole(CREATOR_ROLE) whenNotPaused {
        bytes32 id = terms.settlementId;
        StoredSettlement storage settlement = _settlements[id];
        if (settlement.record.exists()) revert SettlementAlreadyExists(id);

        (uint8 homeLegBits, uint16 remoteChainBits) = _check(terms);
        bytes32 termsHash = hashTerms(terms);
        settlement.termsHash = termsHash;
        settlement.record = SettlementRecordLibrary.created(
            SettlementState.COMPLIANCE_CHECKING, terms.deadline, homeLegBits, remoteChainBits
        );
        emit SettlementCreated(id, termsHash);
        emit StateTransition(id, SettlementState.INSTRUCTED, SettlementState.COMPLIANCE_CHECKING, termsHash);

        registry.registerParties(id, terms.attesterSet, terms.partyHashes);
    }

    /// @inheritdoc ISettlementCoordinator
    function transition(bytes32 settlementId, uint8 targetState, bytes32 evidenceHash) external onlyRole(ENGINE_ROLE) {
        SettlementRecord record = _existing(settlementId);
        if (!TransitionRules.isProposable(targetState)) revert StateNotProposable(settlementId, targetState);
        if (targetState != SettlementState.ROLLED_BACK) {
            // Asked first, so that a late proposal is told that the settlement moved on, not that its gate is closed.
            _requireEdge(settlementId, record.state(), targetState);
            if (targetState == SettlementState.AWAITING_DEPOSITS && evidenceHash == 0) {
                revert ZeroDecisionDigest(settlementId);
            }
            _requireOpenGate(settlementId, record);
        }
        _settlements[settlementId].record = _enter(settlementId, record, targetState, evidenceHash);
    }

    /// @inheritdoc ISettlementCoordinator
    function advance(bytes32 settlementId, bytes32 decisionDigest) external onlyRole(ENGINE_ROLE) {
        SettlementRecord record = _existing(settlementId);
        _requireEdge(settlementId, record.state(), SettlementState.COMPLIANCE_CLEARED);
        if (decisionDigest == 0) revert ZeroDecisionDigest(settlementId);
        _requireOpenGate(settlementId, record);
        record = _enter(settlementId, record, SettlementState.COMPLIANCE_CLEARED, 0);
        _settlements[settlementId].record =
            _enter(settlementId, record, SettlementState.AWAITING_DEPOSITS, decisionDigest);
    }

    /// @inheritdoc ISettlementCoordinator
    function timeout(bytes32 settlementId) external {
        SettlementRecord record = _existing(settlementId);
        uint256 dueAt = _timeoutDueAt(record);
        if (block.timestamp < dueAt) revert TimeoutNotDue(settlementId, dueAt);
        _settlements[settlementId].record = _timeOut(settlementId, record);
    }

    /// @inheritdoc ISettlementCoordinator
    function execute(CreateParams calldata terms, Opening[] calldata openings) external {
        escrow.execute(terms, openings);
    }

    /// @inheritdoc ISettlementCoordinator
    function sendOpen(CreateParams calldata terms, uint64 remoteChainId) external payable {
        bytes32 id = terms.settlementId;
        SettlementRecord record = _underTerms(id, hashTerms(terms));
        if (record.state() != SettlementState.AWAITING_DEPOSITS) revert NothingToSend(id, record.state());
        RemoteChain memory chain = _connectedIn(id, record.remoteChainBits(), remoteChainId);
        _send(id, remoteChainId, chain.endpointId, MessageKind.OPEN, _openMessage(terms, remoteChainId));
    }

    /// @inheritdoc ISettlementCoordinator
    function sendDecision(bytes32 settlementId, uint64 remoteChainId) external payable {
        SettlementRecord record = _existing(settlementId);
        RemoteChain memory chain = _connectedIn(settlementId, record.remoteChainBits(), remoteChainId);
        uint8 state = record.state();
        if (state < SettlementState.EXECUTING_SWAP) revert NothingToSend(settlementId, state);
        uint8 kind = state <= SettlementState.FINALIZED ? MessageKind.EXECUTE : MessageKind.ROLLBACK;
        _send(settlementId, remoteChainId, chain.endpointId, kind, MessageCodec.encode(kind, settlementId));
    }

    /// @inheritdoc ISettlementCoordinator
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @inheritdoc ISettlementCoordinator
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    /// @inheritdoc IGate
    function recordDeposit(bytes32 settlementId, bytes32 termsHash, uint256 legIndex)
        external
        onlyEscrow
        whenNotPaused
        returns (bool executeNow)
    {
        SettlementRecord record = _underTerms(settlementId, termsHash);
        if (record.state() != SettlementState.AWAITING_DEPOSITS) revert DepositsNotOpen(settlementId, record.state());
        _requireBeforeDeadline(settlementId, record);
        if (record.isDeposited(legIndex)) revert LegAlreadyDeposited(settlementId, legIndex);

        record = record.withDeposit(legIndex);
        _settlements[settlementId].record = record;
        return record.isHomeComplete() && record.isPrepared();
    }

    /// @inheritdoc IGate
    /// @dev No time limit: whatever is complete was paid in before the deadline. A vote may have decided before; then only the payout is left.
    function beginExecution(bytes32 settlementId, bytes32 termsHash) external onlyEscrow {
        SettlementRecord record = _underTerms(settlementId, termsHash);
        if (record.state() != SettlementState.EXECUTING_SWAP) {
            if (!record.isHomeComplete()) {
                revert LegsMissing(settlementId, record.depositedBits(), record.homeLegBits());
            }
            if (!record.isPrepared()) {
                revert VotesMissing(settlementId, record.preparedBits(), record.remoteChainBits());
            }
            record = _enter(settlementId, record, SettlementState.EXECUTING_SWAP, 0);
        } else if (record.isHomeExecuted()) {
            revert NothingToExecute(settlementId, record.state());
        }
        _settlements[settlementId].record = record.withHomeExecuted();
    }

    /// @inheritdoc IGate
    /// @dev A token's hook may have delivered the last EXECUTED within the payouts; the settlement is then finalized already.
    function endExecution(bytes32 settlementId) external onlyEscrow {
        _finalizeIfExecuted(settlementId, _existing(settlementId));
    }

    /// @inheritdoc IGate
    function claimRefund(bytes32 settlementId, bytes32 termsHash, uint256 wantedBits)
        external
        onlyEscrow
        returns (uint256 legBits)
    {
        SettlementRecord record = _underTerms(settlementId, termsHash);
        uint8 state = record.state();
        if (state < SettlementState.EXECUTING_SWAP && block.timestamp >= _timeoutDueAt(record)) {
            record = _timeOut(settlementId, record);
        } else if (state < SettlementState.ROLLED_BACK) {
            revert RefundNotAvailable(settlementId, state);
        }
        // casting to uint8 is safe: a narrower selection of bits that fit
        uint8 claimed = record.depositedBits() & ~record.refundedBits() & uint8(wantedBits);
        if (claimed == 0) revert NothingToRefund(settlementId);
        _settlements[settlementId].record = record.withRefunds(claimed);
        return claimed;
    }

    /// @inheritdoc IGate
    /// @dev This chain takes the decision itself, and never has to wait for a message.
    function claimRelease(bytes32 settlementId, bytes32, uint8) external view onlyEscrow {
        revert ReleaseNotAvailable(settlementId, _existing(settlementId).state(), 0);
    }

    /// @inheritdoc ISettlementCoordinator
    function quoteOpen(CreateParams calldata terms, uint64 remoteChainId) external view returns (uint256 nativeFee) {
        return _quote(_connected(remoteChainId).endpointId, _openMessage(terms, remoteChainId));
    }

    /// @inheritdoc ISettlementCoordinator
    function quoteDecision(bytes32 settlementId, uint64 remoteChainId) external view returns (uint256 nativeFee) {
        // Either decision costs the same, so that the fee can be known before there is one.
        return _quote(_connected(remoteChainId).endpointId, MessageCodec.encode(MessageKind.EXECUTE, settlementId));
    }

    /// @inheritdoc ISettlementCoordinator
    function stateOf(bytes32 settlementId) external view returns (uint8) {
        return _existing(settlementId).state();
    }

    /// @inheritdoc ISettlementCoordinator
    function exists(bytes32 settlementId) external view returns (bool) {
        return _settlements[settlementId].record.exists();
    }

    /// @inheritdoc ISettlementCoordinator
    function settlementOf(bytes32 settlementId) external view returns (Settlement memory) {
        return _existing(settlementId).unpacked(_settlements[settlementId].termsHash);
    }

    /// @inheritdoc IGate
    function allLegsDeposited(bytes32 settlementId) external view returns (bool) {
        SettlementRecord record = _settlements[settlementId].record;
        return record.exists() && record.isHomeComplete();
    }

    /// @inheritdoc ISettlementCoordinator
    function targetsOf(uint8 fromState) external pure returns (uint8) {
        return TransitionRules.targetsOf(fromState);
    }

    /// @inheritdoc ISettlementCoordinator
    function hashTerms(CreateParams calldata terms) public view returns (bytes32) {
        return terms.hash(address(this), chainId);
    }

    /// @dev A vote that has no effect must not revert: its message would be delivered again and again, to no end.
    function _receive(uint32 endpointId, bytes calldata message) internal override {
        (uint8 kind, bytes32 id) = MessageCodec.header(message);
        (uint64 remoteChainId, uint16 bit) = _chainOf(endpointId);
        SettlementRecord record = _settlements[id].record;

        bool counts;
        if (kind == MessageKind.PREPARED) {
            counts = _countsAsPrepared(record, bit, _settlements[id].termsHash == MessageCodec.decodePrepared(message));
            if (counts) record = record.withPrepared(bit);
        } else if (kind == MessageKind.EXECUTED) {
            counts = record.state() == SettlementState.EXECUTING_SWAP && record.awaitsChain(bit, record.executedBits());
            if (counts) record = record.withExecuted(bit);
        } else {
            revert UnexpectedMessage(kind);
        }
        if (!counts) {
            emit VoteIgnored(id, remoteChainId, kind);
            return;
        }
        _settlements[id].record = record;
        emit VoteCounted(id, remoteChainId, kind);
        if (kind == MessageKind.PREPARED) _decideIfComplete(id, record);
        else _finalizeIfExecuted(id, record);
    }

    /// @dev The one place where a state changes after creation. The caller stores the record that it returns.
    function _enter(bytes32 id, SettlementRecord record, uint8 toState, bytes32 evidenceHash)
        private
        returns (SettlementRecord)
    {
        uint8 fromState = record.state();
        _requireEdge(id, fromState, toState);
        emit StateTransition(id, fromState, toState, evidenceHash);
        return record.inState(toState);
    }

    function _timeOut(bytes32 id, SettlementRecord record) private returns (SettlementRecord timedOut) {
        timedOut = _enter(id, record, SettlementState.TIMED_OUT, 0);
        emit SettlementTimedOut(id);
    }

    /// @dev Records EXECUTE. Paying out needs the terms, and is {execute} by anybody; without legs here there is nothing to pay out.
    function _decideIfComplete(bytes32 id, SettlementRecord record) private {
        if (!record.isHomeComplete() || !record.isPrepared()) return;
        record = _enter(id, record, SettlementState.EXECUTING_SWAP, 0);
        if (record.homeLegBits() == 0) record = record.withHomeExecuted();
        _settlements[id].record = record;
    }

    function _finalizeIfExecuted(bytes32 id, SettlementRecord record) private {
        if (record.state() != SettlementState.EXECUTING_SWAP || !record.isExecuted()) return;
        _settlements[id].record = _enter(id, record, SettlementState.FINALIZED, 0);
    }

    /// @dev Checks the terms against every rule, and finds out where their legs live.
    function _check(CreateParams calldata terms) private view returns (uint8 homeLegBits, uint16 remoteChainBits) {
        TermsRules.checkFrame(terms);
        uint256 parties = terms.partyHashes.length;
        for (uint256 i; i < terms.legs.length; ++i) {
            Leg calldata leg = terms.legs[i];
            bool isHome = leg.chainId == chainId;
            address expected = address(escrow);
            if (isHome) {
                homeLegBits |= uint8(1 << i);
            } else {
                RemoteChain memory chain = _connected(leg.chainId);
                expected = chain.escrow;
                remoteChainBits |= _bitOf(chain);
            }
            if (leg.escrow != expected) revert WrongEscrow(i, leg.escrow, expected);
            TermsRules.checkLeg(leg, i, parties, isHome);
        }
        if (remoteChainBits != 0 && configurator != address(0)) revert ConfigurationNotFrozen();
    }

    function _openMessage(CreateParams calldata terms, uint64 remoteChainId) private view returns (bytes memory) {
        uint8 legBits = terms.legBitsOn(remoteChainId);
        return MessageCodec.encodeOpen(terms.settlementId, hashTerms(terms), terms.deadline, legBits);
    }

    /// @dev False for other terms, a chain that is not part of the settlement or has voted, and a vote that comes too late.
    function _countsAsPrepared(SettlementRecord record, uint16 bit, bool underSameTerms) private view returns (bool) {
        return underSameTerms && record.state() == SettlementState.AWAITING_DEPOSITS
            && record.awaitsChain(bit, record.preparedBits()) && block.timestamp < record.deadline() + messageGrace;
    }

    function _existing(bytes32 id) private view returns (SettlementRecord record) {
        record = _settlements[id].record;
        if (!record.exists()) revert UnknownSettlement(id);
    }

    function _underTerms(bytes32 id, bytes32 termsHash) private view returns (SettlementRecord record) {
        record = _existing(id);
        bytes32 expected = _settlements[id].termsHash;
        if (expected != termsHash) revert TermsMismatch(id, expected, termsHash);
    }

    function _requireOpenGate(bytes32 id, SettlementRecord record) private view {
        _requireBeforeDeadline(id, record);
        if (!registry.areAllPartiesCleared(id)) revert GateClosed(id);
    }

    function _requireBeforeDeadline(bytes32 id, SettlementRecord record) private view {
        if (block.timestamp >= record.deadline()) revert DeadlinePassed(id, record.deadline());
    }

    /// @dev Only where deposits are open can everything be in, so that votes and an execution may still be on their way.
    function _timeoutDueAt(SettlementRecord record) private view returns (uint256) {
        bool mayComplete = record.state() == SettlementState.AWAITING_DEPOSITS && record.isHomeComplete();
        return record.deadline() + (mayComplete ? messageGrace : 0);
    }

    function _requireEdge(bytes32 id, uint8 fromState, uint8 toState) private pure {
        if (!TransitionRules.isEdge(fromState, toState)) revert InvalidTransition(id, fromState, toState);
    }
}
