// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ILayerZeroEndpointV2 } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { SettlementCoordinator } from "../../src/SettlementCoordinator.sol";
import { IComplianceRegistry } from "../../src/interfaces/IComplianceRegistry.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { CreateParams, Settlement } from "../../src/types/SettlementTypes.sol";
import { AnyRegistry, CHEATS, deliveryOf, NamedEndpoint, NamedEscrow, SYMBOLIC } from "./Symbolic.sol";

/// @title One step of the real coordinator, from any storage whatever, by any caller, at any time.
/// @dev Together with creation, which starts in COMPLIANCE_CHECKING, a step that keeps these promises keeps them for ever: the proof is by
/// induction, so that no number of settlements, calls or messages is left out.
contract CoordinatorProof {
    uint64 private constant GRACE = 1 hours;

    SettlementCoordinator private coordinator;
    AnyRegistry private registry;
    NamedEscrow private escrow;
    NamedEndpoint private endpoint;

    function setUp() external {
        endpoint = new NamedEndpoint();
        registry = new AnyRegistry();
        escrow = new NamedEscrow(address(0), uint64(block.chainid));
        coordinator = new SettlementCoordinator(
            IComplianceRegistry(address(registry)),
            IKeystoneEscrow(address(escrow)),
            SettlementCoordinator.Roles(address(1), address(2), address(3), address(4)),
            GRACE,
            ILayerZeroEndpointV2(address(endpoint))
        );
        SYMBOLIC.enableSymbolicStorage(address(coordinator));
        SYMBOLIC.enableSymbolicStorage(address(registry));
    }

    /// @notice transition: listed edges only; forward only through the open gate, in time, by an engine; with a digest into AWAITING_DEPOSITS.
    function check_TransitionKeepsThePromises(bytes32 id, uint8 target, bytes32 evidence, address caller, uint64 time)
        external
    {
        Settlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        coordinator.transition(id, target, evidence);
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(coordinator.hasRole(coordinator.ENGINE_ROLE(), caller));
        assert(afterwards.state == target && _isListed(before.state, target));
        assert(target == 2 || target == 3 || target == 6);
        if (target != 6) assert(registry.isOpen() && time < before.deadline);
        if (target == 3) assert(evidence != 0);
        _requireSameMoney(before, afterwards);
    }

    /// @notice advance: from COMPLIANCE_CHECKING to AWAITING_DEPOSITS, through the open gate, in time, by an engine, with a digest.
    function check_AdvanceKeepsThePromises(bytes32 id, bytes32 digest, address caller, uint64 time) external {
        Settlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        coordinator.advance(id, digest);
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(coordinator.hasRole(coordinator.ENGINE_ROLE(), caller));
        assert(before.state == 1 && afterwards.state == 3);
        assert(registry.isOpen() && time < before.deadline && digest != 0);
        _requireSameMoney(before, afterwards);
    }

    /// @notice timeout: never before the deadline, never before the grace ends while everything here is in, never after a decision.
    function check_TimeoutKeepsThePromises(bytes32 id, address caller, uint64 time) external {
        Settlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        coordinator.timeout(id);
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(before.state < 4 && afterwards.state == 7 && time >= before.deadline);
        if (before.state == 3 && before.depositedBits == before.homeLegBits) {
            assert(uint256(time) >= uint256(before.deadline) + GRACE);
        }
        _requireSameMoney(before, afterwards);
    }

    /// @notice A deposit counts once, in time, while deposits are open, under the settlement's terms, and only from the escrow.
    function check_DepositKeepsThePromises(bytes32 id, bytes32 termsHash, uint256 leg, address caller, uint64 time)
        external
    {
        CHEATS.assume(leg < 8);
        Settlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        bool executes = coordinator.recordDeposit(id, termsHash, leg);
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(caller == address(escrow) && termsHash == before.termsHash);
        assert(before.state == 3 && afterwards.state == 3 && time < before.deadline);
        assert((before.depositedBits >> leg) & 1 == 0);
        assert(afterwards.depositedBits == before.depositedBits | (uint256(1) << leg));
        assert(afterwards.refundedBits == before.refundedBits && afterwards.preparedBits == before.preparedBits);
        assert(executes == (_isComplete(afterwards) && afterwards.preparedBits == afterwards.remoteChainBits));
    }

    /// @notice Paying out starts once, from a complete settlement, and is the decision EXECUTE if there was none.
    function check_ExecutionKeepsThePromises(bytes32 id, bytes32 termsHash, address caller, uint64 time) external {
        Settlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        coordinator.beginExecution(id, termsHash);
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(caller == address(escrow) && termsHash == before.termsHash);
        assert(afterwards.state == 4 && afterwards.homeExecuted);
        if (before.state == 4) assert(!before.homeExecuted);
        else assert(before.state == 3 && _isComplete(before) && before.preparedBits == before.remoteChainBits);
        assert(afterwards.depositedBits == before.depositedBits && afterwards.refundedBits == before.refundedBits);
    }

    /// @notice FINALIZED comes after every payout here and EXECUTED from every chain, out of EXECUTING_SWAP alone.
    function check_EndOfExecutionKeepsThePromises(bytes32 id, address caller, uint64 time) external {
        Settlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        coordinator.endExecution(id);
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(caller == address(escrow));
        if (afterwards.state != before.state) {
            assert(before.state == 4 && afterwards.state == 5);
            assert(before.homeExecuted && before.executedBits == before.remoteChainBits);
        }
        _requireSameMoney(before, afterwards);
    }

    /// @notice A refund hands back what is in and was not handed back, of a settlement that failed, and never after EXECUTE.
    function check_RefundKeepsThePromises(bytes32 id, bytes32 termsHash, uint256 wanted, address caller, uint64 time)
        external
    {
        Settlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        uint256 legs = coordinator.claimRefund(id, termsHash, wanted);
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(caller == address(escrow) && termsHash == before.termsHash);
        assert(before.state != 4 && before.state != 5 && afterwards.state >= 6);
        if (before.state < 6) assert(afterwards.state == 7 && time >= before.deadline);
        else assert(afterwards.state == before.state);
        assert(legs != 0 && legs & ~uint256(before.depositedBits) == 0 && legs & before.refundedBits == 0);
        assert(afterwards.refundedBits == before.refundedBits | legs);
        assert(afterwards.depositedBits == before.depositedBits);
    }

    /// @notice A PREPARED vote counts only under the same terms, in time and while undecided; it decides only when nothing is missing.
    function check_PreparedKeepsThePromises(
        bytes32 id,
        bytes32 termsHash,
        uint32 endpointId,
        bytes32 sender,
        address caller,
        uint64 time
    ) external {
        Settlement memory before = _begin(id, time);
        bytes memory message = abi.encode(uint8(1), uint8(2), id, termsHash);
        _deliver(message, endpointId, sender, caller);
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(afterwards.executedBits == before.executedBits);
        assert(afterwards.depositedBits == before.depositedBits && afterwards.refundedBits == before.refundedBits);
        if (afterwards.preparedBits != before.preparedBits) {
            assert(before.state == 3 && termsHash == before.termsHash);
            assert(uint256(time) < uint256(before.deadline) + GRACE);
            assert(before.preparedBits & ~afterwards.preparedBits == 0);
            assert(afterwards.preparedBits & ~before.preparedBits & ~before.remoteChainBits == 0);
        }
        if (afterwards.state != before.state) {
            assert(before.state == 3 && afterwards.state == 4 && afterwards.preparedBits != before.preparedBits);
            assert(_isComplete(afterwards) && afterwards.preparedBits == afterwards.remoteChainBits);
        }
    }

    /// @notice An EXECUTED vote counts only after EXECUTE was decided; it finalizes only when nothing is missing.
    function check_ExecutedKeepsThePromises(bytes32 id, uint32 endpointId, bytes32 sender, address caller, uint64 time)
        external
    {
        Settlement memory before = _begin(id, time);
        _deliver(abi.encode(uint8(1), uint8(5), id), endpointId, sender, caller);
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(afterwards.preparedBits == before.preparedBits && afterwards.homeExecuted == before.homeExecuted);
        assert(afterwards.depositedBits == before.depositedBits && afterwards.refundedBits == before.refundedBits);
        if (afterwards.executedBits != before.executedBits) {
            assert(before.state == 4);
            assert(afterwards.executedBits & ~before.executedBits & ~before.remoteChainBits == 0);
        }
        if (afterwards.state != before.state) {
            assert(before.state == 4 && afterwards.state == 5 && before.homeExecuted);
            assert(afterwards.executedBits == afterwards.remoteChainBits);
        }
    }

    /// @notice Creation starts in COMPLIANCE_CHECKING with nothing paid in, voted or decided, by a creator, and never over something.
    /// @custom:halmos --array-lengths terms.partyHashes=2,terms.legs=1,terms.legs[0].fees={0,1}
    function check_CreationKeepsThePromises(CreateParams memory terms, address caller, uint64 time) external {
        bytes32 id = terms.settlementId;
        CHEATS.warp(time);
        bool existed = coordinator.exists(id);
        CHEATS.prank(caller);
        coordinator.createSettlement(terms);
        Settlement memory created = coordinator.settlementOf(id);
        assert(!existed && coordinator.hasRole(coordinator.CREATOR_ROLE(), caller));
        assert(created.state == 1 && created.deadline == terms.deadline && terms.deadline > time);
        assert(created.depositedBits == 0 && created.refundedBits == 0 && !created.homeExecuted);
        assert(created.preparedBits == 0 && created.executedBits == 0);
        assert(created.homeLegBits == (terms.legs[0].chainId == coordinator.chainId() ? 1 : 0));
    }

    /// @notice Nothing else touches a settlement: neither roles, nor pauses, nor connections, nor sending. Left out are {freeze}, which loops over
    /// the connected chains, {sendOpen} and {execute}, whose terms have no bound; they write no settlement.
    function check_NothingElseTouchesASettlement(
        bytes32 id,
        uint8 choice,
        address caller,
        bytes32 word,
        address account,
        uint64 number,
        uint64 time
    ) external {
        Settlement memory before = _begin(id, time);
        bytes[8] memory calls = [
            abi.encodeCall(coordinator.grantRole, (word, account)),
            abi.encodeCall(coordinator.revokeRole, (word, account)),
            abi.encodeCall(coordinator.renounceRole, (word, account)),
            abi.encodeCall(coordinator.pause, ()),
            abi.encodeCall(coordinator.unpause, ()),
            abi.encodeCall(coordinator.connect, (number, uint32(number), account, caller)),
            abi.encodeCall(coordinator.sendDecision, (id, number)),
            abi.encodeCall(coordinator.claimRelease, (id, word, 1))
        ];
        CHEATS.assume(choice < calls.length);
        for (uint256 i; i < calls.length; ++i) {
            if (i != choice) continue;
            CHEATS.prank(caller);
            (bool success,) = address(coordinator).call(calls[i]);
            CHEATS.assume(success);
        }
        Settlement memory afterwards = coordinator.settlementOf(id);
        assert(afterwards.state == before.state);
        _requireSameMoney(before, afterwards);
    }

    function _begin(bytes32 id, uint64 time) private returns (Settlement memory before) {
        CHEATS.warp(time);
        CHEATS.assume(coordinator.exists(id));
        before = coordinator.settlementOf(id);
        CHEATS.assume(before.state <= 7);
        // Deadlines are at most MAX_LIFETIME beyond the block that created them.
        CHEATS.assume(before.deadline < type(uint40).max);
    }

    function _deliver(bytes memory message, uint32 endpointId, bytes32 sender, address caller) private {
        CHEATS.prank(caller);
        (bool success,) = address(coordinator).call(deliveryOf(message, endpointId, sender));
        CHEATS.assume(success);
        assert(caller == address(endpoint));
        assert(sender != 0 && sender == coordinator.peers(endpointId));
    }

    function _isComplete(Settlement memory settlement) private pure returns (bool) {
        return settlement.depositedBits == settlement.homeLegBits;
    }

    function _requireSameMoney(Settlement memory a, Settlement memory b) private pure {
        assert(a.termsHash == b.termsHash && a.deadline == b.deadline && a.homeLegBits == b.homeLegBits);
        assert(a.depositedBits == b.depositedBits && a.refundedBits == b.refundedBits);
        assert(a.remoteChainBits == b.remoteChainBits && a.preparedBits == b.preparedBits);
        assert(a.executedBits == b.executedBits && a.homeExecuted == b.homeExecuted);
    }

    /// @dev The lifecycle as its own sentences.
    function _isListed(uint8 from, uint8 to) private pure returns (bool) {
        if (from == 4) return to == 5;
        if (from < 4) return to == from + 1 || to == 6 || to == 7;
        return false;
    }
}
