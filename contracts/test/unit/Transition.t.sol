// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { ComplianceStatus, CreateParams, SettlementState } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";

contract TransitionTest is KeystoneTest {
    bytes private _terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        CreateParams memory terms = dvp(1);
        // The legacy pipeline cannot store nested structs, so the terms are kept encoded.
        _terms = abi.encode(terms);
        id = terms.settlementId;
        create(terms);
    }

    function _recall() private view returns (CreateParams memory) {
        return abi.decode(_terms, (CreateParams));
    }

    function propose(uint8 target, bytes32 evidence) private {
        vm.prank(engine);
        coordinator.transition(id, target, evidence);
    }

    function test_Advance_TakesBothGatesInOneTransactionAndAnchorsTheDigest() external {
        CreateParams memory terms = _recall();
        attestAll(terms, ComplianceStatus.Pass);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.StateTransition(id, 1, 2, 0);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.StateTransition(id, 2, 3, DIGEST);
        advance(terms);
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
    }

    function test_Transition_TakesTheGatesOneByOne() external {
        CreateParams memory terms = _recall();
        attestAll(terms, ComplianceStatus.Pass);
        propose(2, "screened");
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.StateTransition(id, 2, 3, DIGEST);
        propose(3, DIGEST);
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
    }

    function test_RevertWhen_CallerIsNotEngine() external {
        CreateParams memory terms = _recall();
        attestAll(terms, ComplianceStatus.Pass);
        bytes32 role = coordinator.ENGINE_ROLE();
        address[4] memory others = [creator, admin, attester, stranger];
        for (uint256 i; i < others.length; ++i) {
            bytes memory reason =
                abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], role);
            vm.startPrank(others[i]);
            vm.expectRevert(reason);
            coordinator.advance(id, DIGEST);
            vm.expectRevert(reason);
            coordinator.transition(id, 6, 0);
            vm.stopPrank();
        }
    }

    function test_RevertWhen_SettlementIsUnknown() external {
        bytes memory reason = abi.encodeWithSelector(IGate.UnknownSettlement.selector, idOf(9));
        vm.startPrank(engine);
        vm.expectRevert(reason);
        coordinator.transition(idOf(9), 2, 0);
        vm.expectRevert(reason);
        coordinator.advance(idOf(9), DIGEST);
        vm.expectRevert(reason);
        coordinator.timeout(idOf(9));
        vm.stopPrank();
    }

    function test_RevertWhen_GateIsClosed_IntoClearedAndIntoDeposits() external {
        CreateParams memory terms = _recall();
        bytes memory closed = abi.encodeWithSelector(ISettlementCoordinator.GateClosed.selector, id);
        vm.expectRevert(closed);
        propose(2, 0);
        vm.expectRevert(closed);
        advance(terms);

        attestAll(terms, ComplianceStatus.Pass);
        propose(2, 0);
        vm.prank(attester);
        registry.attest(id, terms.partyHashes[BUYER], ComplianceStatus.Flagged, "ref");
        vm.expectRevert(closed);
        propose(3, DIGEST);
        assertEq(stateOf(terms), SettlementState.COMPLIANCE_CLEARED);
    }

    function test_ALateProposal_IsToldThatTheSettlementMovedOn_NotThatItsGateIsClosed() external {
        CreateParams memory terms = _recall();
        attestAll(terms, ComplianceStatus.Pass);
        advance(terms);
        attestAll(terms, ComplianceStatus.Fail);
        bytes memory movedOn = abi.encodeWithSelector(ISettlementCoordinator.InvalidTransition.selector, id, 3, 2);
        vm.expectRevert(movedOn);
        propose(2, "screened");
        vm.expectRevert(movedOn);
        advance(terms);
    }

    function testFuzz_GateOpensOnlyWhenEveryPartyPassed(uint8[4] memory statuses) external {
        CreateParams memory terms = _recall();
        bool all = true;
        for (uint256 i; i < 4; ++i) {
            uint8 status = statuses[i] % 4;
            if (status != 1) all = false;
            if (status == 0) continue;
            vm.prank(attester);
            registry.attest(id, terms.partyHashes[i], ComplianceStatus(status), "ref");
        }
        assertEq(registry.areAllPartiesCleared(id), all);
        if (!all) vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.GateClosed.selector, id));
        advance(terms);
    }

    function test_RevertWhen_DepositsWouldOpenWithoutADecision() external {
        CreateParams memory terms = _recall();
        attestAll(terms, ComplianceStatus.Pass);
        bytes memory reason = abi.encodeWithSelector(ISettlementCoordinator.ZeroDecisionDigest.selector, id);
        vm.prank(engine);
        vm.expectRevert(reason);
        coordinator.advance(id, 0);
        propose(2, 0);
        vm.expectRevert(reason);
        propose(3, 0);
    }

    function test_RevertGiven_DeadlinePassed() external {
        CreateParams memory terms = _recall();
        attestAll(terms, ComplianceStatus.Pass);
        vm.warp(terms.deadline);
        bytes memory reason = abi.encodeWithSelector(IGate.DeadlinePassed.selector, id, terms.deadline);
        vm.expectRevert(reason);
        propose(2, 0);
        vm.expectRevert(reason);
        advance(terms);
    }

    function test_Rollback_IsPossibleUntilTheDecision() external {
        CreateParams memory terms = _recall();
        propose(6, "1");
        assertEq(stateOf(terms), SettlementState.ROLLED_BACK);

        CreateParams memory second = dvp(2);
        create(second);
        attestAll(second, ComplianceStatus.Pass);
        vm.startPrank(engine);
        coordinator.transition(second.settlementId, 2, 0);
        coordinator.transition(second.settlementId, 6, "2");
        vm.stopPrank();

        CreateParams memory third = dvp(3);
        open(third);
        deposit(third, 0);
        vm.prank(engine);
        coordinator.transition(third.settlementId, 6, "3");
        assertEq(stateOf(third), SettlementState.ROLLED_BACK);
    }

    /// @dev The engine as an adversary: from every reachable state, every byte as target. Only the listed edges may exist.
    function test_Engine_ReachesOnlyWhatItMay() external {
        uint256[8] memory allowed;
        allowed[1] = (1 << 2) | (1 << 6);
        allowed[2] = (1 << 3) | (1 << 6);
        allowed[3] = 1 << 6;
        CreateParams[6] memory all = _oneOfEachState();
        uint8[6] memory states = [1, 2, 3, 5, 6, 7];
        for (uint256 i; i < states.length; ++i) {
            assertEq(stateOf(all[i]), states[i]);
            for (uint256 target; target < 256; ++target) {
                uint256 snapshot = vm.snapshotState();
                vm.prank(engine);
                (bool success, bytes memory reason) = address(coordinator)
                    .call(abi.encodeCall(coordinator.transition, (all[i].settlementId, uint8(target), DIGEST)));
                assertEq(success, (allowed[states[i]] >> target) & 1 == 1);
                if (target != 2 && target != 3 && target != 6) {
                    assertEq(
                        reason,
                        abi.encodeWithSelector(
                            ISettlementCoordinator.StateNotProposable.selector, all[i].settlementId, target
                        )
                    );
                }
                vm.revertToState(snapshot);
            }
        }
    }

    function test_TheEdgesAreThoseOfTheLifecycle() external view {
        uint8[8] memory edges = [194, 196, 200, 208, 32, 0, 0, 0];
        for (uint8 from; from < 8; ++from) {
            assertEq(coordinator.targetsOf(from), edges[from]);
        }
        assertEq(coordinator.targetsOf(8), 0);
        assertEq(coordinator.targetsOf(255), 0);
    }

    function test_RevertWhen_GateFunctionsAreCalledFromOutside() external {
        CreateParams memory terms = _recall();
        address[4] memory callers = [admin, engine, creator, stranger];
        for (uint256 i; i < callers.length; ++i) {
            bytes memory reason = abi.encodeWithSelector(IGate.CallerNotEscrow.selector, callers[i]);
            vm.startPrank(callers[i]);
            vm.expectRevert(reason);
            coordinator.recordDeposit(id, 0, 0);
            vm.expectRevert(reason);
            coordinator.beginExecution(id, 0);
            vm.expectRevert(reason);
            coordinator.endExecution(id);
            vm.expectRevert(reason);
            coordinator.claimRefund(id, 0, 0);
            vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.CallerNotSelf.selector, callers[i]));
            escrow.executeFromDeposit(terms, 0, seller, buyer, 0);
            vm.stopPrank();
        }
    }

    function test_Timeout_IsDueFromTheDeadlineOn() external {
        CreateParams memory terms = _recall();
        vm.warp(terms.deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.TimeoutNotDue.selector, id, terms.deadline));
        coordinator.timeout(id);

        vm.warp(terms.deadline);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.StateTransition(id, 1, 7, 0);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.SettlementTimedOut(id);
        vm.prank(stranger);
        coordinator.timeout(id);
        assertEq(stateOf(terms), SettlementState.TIMED_OUT);

        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.InvalidTransition.selector, id, 7, 7));
        coordinator.timeout(id);
    }

    function test_PauseStopsNeitherRollbackNorTimeout() external {
        CreateParams memory terms = _recall();
        vm.prank(pauser);
        coordinator.pause();
        uint256 snapshot = vm.snapshotState();
        propose(6, 0);
        vm.revertToState(snapshot);
        vm.warp(terms.deadline);
        coordinator.timeout(id);
    }

    function test_OnlyThePauserPausesAndOnlyTheAdminUnpauses() external {
        vm.prank(admin);
        vm.expectRevert();
        coordinator.pause();
        vm.prank(pauser);
        coordinator.pause();
        vm.prank(pauser);
        vm.expectRevert();
        coordinator.unpause();
        vm.prank(admin);
        coordinator.unpause();
        create(dvp(2));
    }

    function _oneOfEachState() private returns (CreateParams[6] memory all) {
        for (uint256 i; i < 6; ++i) {
            all[i] = dvp(10 + i);
            create(all[i]);
            attestAll(all[i], ComplianceStatus.Pass);
        }
        vm.startPrank(engine);
        coordinator.transition(all[1].settlementId, 2, 0);
        coordinator.advance(all[2].settlementId, DIGEST);
        coordinator.advance(all[3].settlementId, DIGEST);
        coordinator.transition(all[4].settlementId, 6, 0);
        vm.stopPrank();
        deposit(all[3], 0);
        deposit(all[3], 1);
        vm.warp(all[5].deadline);
        coordinator.timeout(all[5].settlementId);
        vm.warp(all[5].deadline - 1);
    }
}
