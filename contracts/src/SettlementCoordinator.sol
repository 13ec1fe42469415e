// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { AccessControl } from "@openzeppelin/contracts/access/AccessControl.sol";
import { Pausable } from "@openzeppelin/contracts/utils/Pausable.sol";
import { ILayerZeroEndpointV2 } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { IComplianceRegistry } from "./interfaces/IComplianceRegistry.sol";
import { IGate } from "./interfaces/IGate.sol";
import { IKeystoneEscrow } from "./interfaces/IKeystoneEscrow.sol";
import { ISettlementCoordinator } from "./interfaces/ISettlementCoordinator.sol";
import { TermsLibrary } from "./libraries/TermsLibrary.sol";
import { TermsRules } from "./libraries/TermsRules.sol";
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
    /// @notice Seconds after the deadline for which a settlement with every leg of this chain in waits for votes and execution before it may
    /// time out. Votes count strictly before that.
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
        if (_settlements[id].deadline != 0) revert SettlementAlreadyExists(id);

        (uint32 homeLegBits, uint16 remoteChainBits) = _check(terms);
        bytes32 termsHash = hashTerms(terms);
        _settlements[id] = Settlement({
            termsHash: termsHash,
            state: SettlementState.COMPLIANCE_CHECKING,
            deadline: terms.deadline,
            homeLegBits: homeLegBits,
            depositedBits: 0,
            refundedBits: 0,
            remoteChainBits: remoteChainBits,
            preparedBits: 0,
            executedBits: 0,
            homeExecuted: false
        });
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
    function execute(CreateParams calldata terms, Opening[] calldata openings) external {
        escrow.execute(terms, openings);
    }

    /// @inheritdoc ISettlementCoordinator
    function sendOpen(CreateParams calldata terms, uint64 remoteChainId) external payable {
        bytes32 id = terms.settlementId;
        Settlement storage settlement = _underTerms(id, hashTerms(terms));
        if (settlement.state != SettlementState.AWAITING_DEPOSITS) revert NothingToSend(id, settlement.state);
        RemoteChain memory chain = _chainOfSettlement(id, settlement, remoteChainId);
        _send(id, remoteChainId, chain.endpointId, MessageKind.OPEN, _openMessage(terms, remoteChainId));
    }

    /// @inheritdoc ISettlementCoordinator
    function sendDecision(bytes32 settlementId, uint64 remoteChainId) external payable {
        Settlement storage settlement = _existing(settlementId);
        RemoteChain memory chain = _chainOfSettlement(settlementId, settlement, remoteChainId);
        uint8 kind = _decisionOf(settlementId, settlement.state);
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
        return deposited == settlement.homeLegBits && settlement.preparedBits == settlement.remoteChainBits;
    }

    /// @inheritdoc IGate
    /// @dev No time limit: whatever is complete was paid in before the deadline. A vote may have decided before; then only the payout is left.
    function beginExecution(bytes32 settlementId, bytes32 termsHash) external onlyEscrow {
        Settlement storage settlement = _underTerms(settlementId, termsHash);
        if (settlement.state != SettlementState.EXECUTING_SWAP) {
            if (settlement.depositedBits != settlement.homeLegBits) {
                revert LegsMissing(settlementId, settlement.depositedBits, settlement.homeLegBits);
            }
            if (settlement.preparedBits != settlement.remoteChainBits) {
                revert VotesMissing(settlementId, settlement.preparedBits, settlement.remoteChainBits);
            }
            _enter(settlementId, settlement, SettlementState.EXECUTING_SWAP, 0);
        } else if (settlement.homeExecuted) {
            revert NothingToExecute(settlementId, settlement.state);
        }
        settlement.homeExecuted = true;
    }

    /// @inheritdoc IGate
    /// @dev A token's hook may have delivered the last EXECUTED within the payouts; the settlement is then finalized already.
    function endExecution(bytes32 settlementId) external onlyEscrow {
        _finalizeIfExecuted(settlementId, _existing(settlementId));
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

    /// @inheritdoc IGate
    /// @dev This chain takes the decision itself, and never has to wait for a message.
    function claimRelease(bytes32 settlementId, bytes32, uint8) external view onlyEscrow {
        revert ReleaseNotAvailable(settlementId, _existing(settlementId).state, 0);
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

    /// @dev A vote that has no effect must not revert: its message would be delivered again and again, to no end.
    function _receive(uint32 endpointId, bytes calldata message) internal override {
        (uint8 kind, bytes32 id) = MessageCodec.header(message);
        uint64 remoteChainId = _chainOf(endpointId);
        uint16 bit = uint16(1 << (_connected(remoteChainId).number - 1));
        Settlement storage settlement = _settlements[id];

        bool counted;
        if (kind == MessageKind.PREPARED) {
            counted = _countPrepared(settlement, bit, MessageCodec.decodePrepared(message));
        } else if (kind == MessageKind.EXECUTED) {
            counted = _countExecuted(settlement, bit);
        } else {
            revert UnexpectedMessage(kind);
        }
        if (!counted) {
            emit VoteIgnored(id, remoteChainId, kind);
            return;
        }
        emit VoteCounted(id, remoteChainId, kind);
        if (kind == MessageKind.PREPARED) _decideIfComplete(id, settlement);
        else _finalizeIfExecuted(id, settlement);
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

    /// @dev False for terms other than the settlement's, a chain that is not part of it, and a vote that comes too late.
    function _countPrepared(Settlement storage settlement, uint16 bit, bytes32 termsHash) private returns (bool) {
        bool isAwaited = settlement.state == SettlementState.AWAITING_DEPOSITS
            && settlement.remoteChainBits & ~settlement.preparedBits & bit != 0;
        bool isInTime = block.timestamp < settlement.deadline + messageGrace;
        if (!isAwaited || !isInTime || settlement.termsHash != termsHash) return false;
        settlement.preparedBits |= bit;
        return true;
    }

    /// @dev False unless EXECUTE was decided. A chain reports EXECUTED also after its parties agreed to pay on their own.
    function _countExecuted(Settlement storage settlement, uint16 bit) private returns (bool) {
        bool isAwaited = settlement.state == SettlementState.EXECUTING_SWAP
            && settlement.remoteChainBits & ~settlement.executedBits & bit != 0;
        if (isAwaited) settlement.executedBits |= bit;
        return isAwaited;
    }

    /// @dev Records EXECUTE. Paying out needs the terms, and is {execute} by anybody.
    function _decideIfComplete(bytes32 id, Settlement storage settlement) private {
        bool isComplete =
            settlement.preparedBits == settlement.remoteChainBits && settlement.depositedBits == settlement.homeLegBits;
        if (!isComplete) return;
        _enter(id, settlement, SettlementState.EXECUTING_SWAP, 0);
        if (settlement.homeLegBits == 0) settlement.homeExecuted = true;
    }

    function _finalizeIfExecuted(bytes32 id, Settlement storage settlement) private {
        bool isExecuted = settlement.homeExecuted && settlement.executedBits == settlement.remoteChainBits;
        if (isExecuted && settlement.state == SettlementState.EXECUTING_SWAP) {
            _enter(id, settlement, SettlementState.FINALIZED, 0);
        }
    }

    function _homeChainId() internal view override returns (uint64) {
        return chainId;
    }

    /// @dev Checks the terms against every rule, and finds out where their legs live.
    function _check(CreateParams calldata terms) private view returns (uint32 homeLegBits, uint16 remoteChainBits) {
        TermsRules.checkFrame(terms);
        uint256 parties = terms.partyHashes.length;
        for (uint256 i; i < terms.legs.length; ++i) {
            Leg calldata leg = terms.legs[i];
            bool isHome = leg.chainId == chainId;
            address expected = address(escrow);
            if (isHome) {
                homeLegBits |= uint32(1 << i);
            } else {
                RemoteChain memory chain = _connected(leg.chainId);
                expected = chain.escrow;
                remoteChainBits |= uint16(1 << (chain.number - 1));
            }
            if (leg.escrow != expected) revert WrongEscrow(i, leg.escrow, expected);
            TermsRules.checkLeg(leg, i, parties, isHome);
        }
        if (remoteChainBits != 0 && configurator != address(0)) revert ConfigurationNotFrozen();
    }

    function _openMessage(CreateParams calldata terms, uint64 remoteChainId) private view returns (bytes memory) {
        uint8 legBits;
        for (uint256 i; i < terms.legs.length; ++i) {
            if (terms.legs[i].chainId == remoteChainId) legBits |= uint8(1 << i);
        }
        return MessageCodec.encodeOpen(terms.settlementId, hashTerms(terms), terms.deadline, legBits);
    }

    function _chainOfSettlement(bytes32 id, Settlement storage settlement, uint64 remoteChainId)
        private
        view
        returns (RemoteChain memory chain)
    {
        chain = _connected(remoteChainId);
        if ((settlement.remoteChainBits >> (chain.number - 1)) & 1 == 0) {
            revert ChainNotInSettlement(id, remoteChainId);
        }
    }

    function _decisionOf(bytes32 id, uint8 state) private pure returns (uint8 kind) {
        if (state < SettlementState.EXECUTING_SWAP) revert NothingToSend(id, state);
        return state <= SettlementState.FINALIZED ? MessageKind.EXECUTE : MessageKind.ROLLBACK;
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
        bool mayComplete =
            settlement.state == SettlementState.AWAITING_DEPOSITS && settlement.depositedBits == settlement.homeLegBits;
        return settlement.deadline + (mayComplete ? messageGrace : 0);
    }
}
