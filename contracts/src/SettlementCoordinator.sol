// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { AccessControl } from "@openzeppelin/contracts/access/AccessControl.sol";
import { Pausable } from "@openzeppelin/contracts/utils/Pausable.sol";
import { IComplianceRegistry } from "./interfaces/IComplianceRegistry.sol";
import { IGate } from "./interfaces/IGate.sol";
import { IKeystoneEscrow } from "./interfaces/IKeystoneEscrow.sol";
import { ISettlementCoordinator } from "./interfaces/ISettlementCoordinator.sol";
import { TermsLibrary } from "./libraries/TermsLibrary.sol";
import { TermsRules } from "./libraries/TermsRules.sol";
import { CreateParams, Settlement, SettlementState } from "./types/SettlementTypes.sol";

/// @title The state machine of settlements, and the gate of the escrow on its own chain.
/// @notice It holds no tokens. States, edges and both compliance gates are code: no role can change or skip them, there is no upgrade. The
/// engine can carry a settlement forward through the gates, stall it, or roll it back before it executes; nothing else.
contract SettlementCoordinator is ISettlementCoordinator, AccessControl, Pausable {
    using TermsLibrary for CreateParams;

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

    /// @dev All edges, eight bits for each state they leave from, INSTRUCTED in the lowest byte:
    /// 0: 1 6 7 | 1: 2 6 7 | 2: 3 6 7 | 3: 4 6 7 | 4: 5 | 5, 6, 7: none.
    /// The lifecycle's own table: a settlement leaves 0 within the creating transaction, so 0 to 6 and 7 happen only before it is here.
    uint64 private constant EDGES = 0x00_00_00_20_D0_C8_C4_C2;
    /// @dev The states that the engine may propose: 2, 3 and 6.
    uint256 private constant PROPOSABLE = 0x4C;

    /// @notice Where attestations are kept.
    IComplianceRegistry public immutable registry;
    /// @notice The escrow on this chain.
    IKeystoneEscrow public immutable escrow;
    /// @notice Part of every terms hash. Fixed at deployment: after a chain splits, running settlements must still find their terms.
    uint64 public immutable chainId;
    /// @notice Seconds after the deadline for which a settlement with all its legs in waits to be executed before it may time out.
    uint64 public immutable messageGrace;

    mapping(bytes32 settlementId => Settlement) private _settlements;

    modifier onlyEscrow() {
        if (msg.sender != address(escrow)) revert CallerNotEscrow(msg.sender);
        _;
    }

    /// @param registry_ Deployed for the address of this contract, which follows from the deployer's nonce.
    /// @param escrow_ Likewise.
    /// @param roles Who holds which role from the start, so that no transaction has to grant them afterwards.
    /// @param messageGrace_ Seconds, see {messageGrace}.
    constructor(IComplianceRegistry registry_, IKeystoneEscrow escrow_, Roles memory roles, uint64 messageGrace_) {
        if (registry_.coordinator() != address(this) || address(escrow_.gate()) != address(this)) {
            revert MiswiredDeployment(address(registry_), address(escrow_));
        }
        registry = registry_;
        escrow = escrow_;
        chainId = uint64(block.chainid);
        messageGrace = messageGrace_;
        _grantRole(DEFAULT_ADMIN_ROLE, roles.admin);
        _grantRole(CREATOR_ROLE, roles.creator);
        _grantRole(ENGINE_ROLE, roles.engine);
        _grantRole(PAUSER_ROLE, roles.pauser);
    }

    /// @inheritdoc ISettlementCoordinator
    function createSettlement(CreateParams calldata terms) external onlyRole(CREATOR_ROLE) whenNotPaused {
        bytes32 id = terms.settlementId;
        Settlement storage settlement = _settlements[id];
        if (settlement.deadline != 0) revert SettlementAlreadyExists(id);

        uint32 homeLegBits = TermsRules.check(terms, address(escrow));
        bytes32 termsHash = hashTerms(terms);
        settlement.termsHash = termsHash;
        settlement.state = SettlementState.COMPLIANCE_CHECKING;
        settlement.deadline = terms.deadline;
        settlement.homeLegBits = homeLegBits;
        emit SettlementCreated(id, termsHash);
        emit StateTransition(id, SettlementState.INSTRUCTED, SettlementState.COMPLIANCE_CHECKING, termsHash);

        registry.registerParties(id, terms.attesterSet, terms.partyHashes);
    }

    /// @inheritdoc ISettlementCoordinator
    function transition(bytes32 settlementId, uint8 targetState, bytes32 evidenceHash) external onlyRole(ENGINE_ROLE) {
        Settlement storage settlement = _existing(settlementId);
        if (targetState > SettlementState.TIMED_OUT || (PROPOSABLE >> targetState) & 1 == 0) {
            revert StateNotProposable(settlementId, targetState);
        }
        if (targetState != SettlementState.ROLLED_BACK) {
            // Asked first, so that a late proposal is told that the settlement moved on, not that its gate is closed.
            _requireEdge(settlementId, settlement.state, targetState);
            if (targetState == SettlementState.AWAITING_DEPOSITS && evidenceHash == 0) {
                revert ZeroDecisionDigest(settlementId);
            }
            _requireOpenGate(settlementId, settlement);
        }
        _enter(settlementId, settlement, targetState, evidenceHash);
    }

    /// @inheritdoc ISettlementCoordinator
    function advance(bytes32 settlementId, bytes32 decisionDigest) external onlyRole(ENGINE_ROLE) {
        Settlement storage settlement = _existing(settlementId);
        _requireEdge(settlementId, settlement.state, SettlementState.COMPLIANCE_CLEARED);
        if (decisionDigest == 0) revert ZeroDecisionDigest(settlementId);
        _requireOpenGate(settlementId, settlement);
        _enter(settlementId, settlement, SettlementState.COMPLIANCE_CLEARED, 0);
        _enter(settlementId, settlement, SettlementState.AWAITING_DEPOSITS, decisionDigest);
    }

    /// @inheritdoc ISettlementCoordinator
    function timeout(bytes32 settlementId) external {
        Settlement storage settlement = _existing(settlementId);
        uint256 dueAt = _timeoutDueAt(settlement);
        if (block.timestamp < dueAt) revert TimeoutNotDue(settlementId, dueAt);
        _timeOut(settlementId, settlement);
    }

    /// @inheritdoc ISettlementCoordinator
    function execute(CreateParams calldata terms) external {
        escrow.execute(terms);
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
        Settlement storage settlement = _underTerms(settlementId, termsHash);
        if (settlement.state != SettlementState.AWAITING_DEPOSITS) {
            revert DepositsNotOpen(settlementId, settlement.state);
        }
        _requireBeforeDeadline(settlementId, settlement);
        uint256 deposited = settlement.depositedBits;
        if ((deposited >> legIndex) & 1 != 0) revert LegAlreadyDeposited(settlementId, legIndex);

        deposited |= 1 << legIndex;
        // casting to uint32 is safe: the escrow has checked legIndex against the legs, of which there are at most MAX_LEGS = 8
        settlement.depositedBits = uint32(deposited);
        return deposited == settlement.homeLegBits;
    }

    /// @inheritdoc IGate
    /// @dev No time limit: whatever is complete was paid in before the deadline.
    function beginExecution(bytes32 settlementId, bytes32 termsHash) external onlyEscrow {
        Settlement storage settlement = _underTerms(settlementId, termsHash);
        if (settlement.depositedBits != settlement.homeLegBits) {
            revert LegsMissing(settlementId, settlement.depositedBits, settlement.homeLegBits);
        }
        _enter(settlementId, settlement, SettlementState.EXECUTING_SWAP, 0);
    }

    /// @inheritdoc IGate
    function endExecution(bytes32 settlementId) external onlyEscrow {
        _enter(settlementId, _existing(settlementId), SettlementState.FINALIZED, 0);
    }

    /// @inheritdoc IGate
    function claimRefund(bytes32 settlementId, bytes32 termsHash) external onlyEscrow returns (uint256 legBits) {
        Settlement storage settlement = _underTerms(settlementId, termsHash);
        uint8 state = settlement.state;
        if (state < SettlementState.EXECUTING_SWAP && block.timestamp >= _timeoutDueAt(settlement)) {
            _timeOut(settlementId, settlement);
        } else if (state < SettlementState.ROLLED_BACK) {
            revert RefundNotAvailable(settlementId, state);
        }
        legBits = settlement.depositedBits & ~settlement.refundedBits;
        if (legBits == 0) revert NothingToRefund(settlementId);
        settlement.refundedBits = settlement.depositedBits;
    }

    /// @inheritdoc ISettlementCoordinator
    function stateOf(bytes32 settlementId) external view returns (uint8) {
        return _existing(settlementId).state;
    }

    /// @inheritdoc ISettlementCoordinator
    function exists(bytes32 settlementId) external view returns (bool) {
        return _settlements[settlementId].deadline != 0;
    }

    /// @inheritdoc ISettlementCoordinator
    function settlementOf(bytes32 settlementId) external view returns (Settlement memory) {
        return _existing(settlementId);
    }

    /// @inheritdoc IGate
    function allLegsDeposited(bytes32 settlementId) external view returns (bool) {
        Settlement storage settlement = _settlements[settlementId];
        return settlement.deadline != 0 && settlement.depositedBits == settlement.homeLegBits;
    }

    /// @inheritdoc ISettlementCoordinator
    function hashTerms(CreateParams calldata terms) public view returns (bytes32) {
        return terms.hash(address(this), chainId);
    }

    /// @inheritdoc ISettlementCoordinator
    function targetsOf(uint8 fromState) public pure returns (uint8) {
        return fromState > SettlementState.TIMED_OUT ? 0 : uint8(EDGES >> (8 * fromState));
    }

    /// @dev The one place where a state changes after creation.
    function _enter(bytes32 id, Settlement storage settlement, uint8 toState, bytes32 evidenceHash) private {
        uint8 fromState = settlement.state;
        _requireEdge(id, fromState, toState);
        settlement.state = toState;
        emit StateTransition(id, fromState, toState, evidenceHash);
    }

    function _timeOut(bytes32 id, Settlement storage settlement) private {
        _enter(id, settlement, SettlementState.TIMED_OUT, 0);
        emit SettlementTimedOut(id);
    }

    function _requireEdge(bytes32 id, uint8 fromState, uint8 toState) private pure {
        if ((targetsOf(fromState) >> toState) & 1 == 0) revert InvalidTransition(id, fromState, toState);
    }

    function _existing(bytes32 id) private view returns (Settlement storage settlement) {
        settlement = _settlements[id];
        if (settlement.deadline == 0) revert UnknownSettlement(id);
    }

    function _underTerms(bytes32 id, bytes32 termsHash) private view returns (Settlement storage settlement) {
        settlement = _existing(id);
        if (settlement.termsHash != termsHash) revert TermsMismatch(id, settlement.termsHash, termsHash);
    }

    function _requireOpenGate(bytes32 id, Settlement storage settlement) private view {
        _requireBeforeDeadline(id, settlement);
        if (!registry.areAllPartiesCleared(id)) revert GateClosed(id);
    }

    function _requireBeforeDeadline(bytes32 id, Settlement storage settlement) private view {
        if (block.timestamp >= settlement.deadline) revert DeadlinePassed(id, settlement.deadline);
    }

    function _timeoutDueAt(Settlement storage settlement) private view returns (uint256) {
        bool complete = settlement.depositedBits == settlement.homeLegBits;
        return settlement.deadline + (complete ? messageGrace : 0);
    }
}
