// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Vm } from "forge-std/Vm.sol";
import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { Pausable } from "@openzeppelin/contracts/utils/Pausable.sol";
import { Gateway } from "../../src/Gateway.sol";
import { KeystoneEscrow } from "../../src/KeystoneEscrow.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { IGateway } from "../../src/interfaces/IGateway.sol";
import { IMessaging } from "../../src/interfaces/IMessaging.sol";
import { MessageCodec, MessageKind } from "../../src/messaging/MessageCodec.sol";
import {
    CreateParams,
    Opening,
    RemotePhase,
    RemoteSettlement,
    RollbackReason
} from "../../src/types/SettlementTypes.sol";
import { CrossChainTest } from "../crosschain/CrossChainTest.sol";

/// @title The phases of a settlement on another chain; see gateway.tree. Messages are handed in as the endpoint would.
contract GatewayTest is CrossChainTest {
    Vm.Log private announced;

    function test_Open_StartsDeposits_Once() external {
        CreateParams memory terms = remoteDvp(1);
        open(terms);
        fund(terms, 0);
        vm.expectRevert(abi.encodeWithSelector(IGate.UnknownSettlement.selector, terms.settlementId));
        this.payExternally(terms, 0);
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.expectEmit(address(gateway));
        emit IGateway.RemoteOpened(terms.settlementId, termsHash, terms.deadline, 3);
        receiveOpen(terms);
        pay(terms, 0);
        RemoteSettlement memory status = gateway.statusOf(terms.settlementId);
        assertEq(status.termsHash, termsHash);
        assertEq(status.phase, RemotePhase.OPEN);
        assertEq(status.deadline, terms.deadline);
        assertEq(status.legBits, 3);
        assertEq(status.depositedBits, 1);
        expectIgnored(terms, MessageKind.OPEN);
        assertEq(gateway.statusOf(terms.settlementId).depositedBits, 1);
    }

    function test_Deposit_NeverAsksForTheGasOfAnExecution() external {
        CreateParams memory terms = remoteDvp(1);
        opened(terms);
        fund(terms, 0);
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.prank(remoteSeller.wallet);
        remoteEscrow.depositLeg{ gas: 200_000 }(terms, 0, remoteSeller, remoteBuyer, termsHash);
        assertEq(gateway.statusOf(terms.settlementId).depositedBits, 1);
    }

    function test_TheLastDeposit_Prepares_AndExecutesNothing() external {
        CreateParams memory terms = remoteDvp(1);
        opened(terms);
        deposit(terms, 1);
        assertFalse(remoteEscrow.allLegsDeposited(terms.settlementId));
        fund(terms, 0);
        vm.expectEmit(address(gateway));
        emit IGateway.RemotePrepared(terms.settlementId);
        vm.expectCall(address(gateway), abi.encodeWithSelector(IGate.beginExecution.selector), 0);
        pay(terms, 0);
        assertEq(phaseOf(terms), RemotePhase.PREPARED);
        assertTrue(remoteEscrow.allLegsDeposited(terms.settlementId));
        assertEq(remoteBond.balanceOf(address(remoteEscrow)), BOND_AMOUNT);
    }

    function test_APreparedChain_ExecutesNothingByItself() external {
        CreateParams memory terms = remoteDvp(1);
        opened(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        expectNoExecution(terms, RemotePhase.PREPARED);
    }

    function test_RevertWhen_DepositIsUnsound() external {
        CreateParams memory terms = remoteDvp(1);
        opened(terms);
        deposit(terms, 0);
        fund(terms, 0);
        fund(terms, 1);
        vm.expectRevert(abi.encodeWithSelector(IGate.LegAlreadyDeposited.selector, terms.settlementId, 0));
        this.payExternally(terms, 0);
        CreateParams memory other = remoteDvp(2);
        opened(other);
        deposit(other, 1);
        fund(other, 1);
        vm.expectRevert(abi.encodeWithSelector(IGate.LegAlreadyDeposited.selector, other.settlementId, 1));
        this.payExternally(other, 1);

        bytes32 stored = coordinator.hashTerms(terms);
        terms.legs[1].amount -= 1;
        bytes32 actual = coordinator.hashTerms(terms);
        vm.expectRevert(abi.encodeWithSelector(IGate.TermsMismatch.selector, terms.settlementId, stored, actual));
        this.payExternally(terms, 1);
        terms.legs[1].amount += 1;

        vm.warp(terms.deadline);
        vm.expectRevert(abi.encodeWithSelector(IGate.DeadlinePassed.selector, terms.settlementId, terms.deadline));
        this.payExternally(terms, 1);
        vm.warp(terms.deadline - 1);
        pay(terms, 1);
        fund(terms, 1);
        vm.expectRevert(abi.encodeWithSelector(IGate.DepositsNotOpen.selector, terms.settlementId, 2));
        this.payExternally(terms, 1);
    }

    function test_Pause_StopsDeposits_AndNothingElse() external {
        CreateParams memory terms = remoteDvp(1);
        opened(terms);
        deposit(terms, 0);
        fund(terms, 1);
        vm.prank(pauser);
        gateway.pause();
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        this.payExternally(terms, 1);
        vm.prank(pauser);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, pauser, bytes32(0))
        );
        gateway.unpause();
        vm.warp(terms.deadline);
        refundThere(terms);
        assertEq(remoteBond.balanceOf(remoteSeller.wallet), BOND_AMOUNT);
        vm.prank(admin);
        gateway.unpause();
        assertFalse(gateway.paused());
        bytes32 role = gateway.PAUSER_ROLE();
        vm.prank(stranger);
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, role)
        );
        gateway.pause();
    }

    function test_Execute_IsFollowedOncePrepared_AndPaidOutByAnybody_Once() external {
        CreateParams memory terms = remoteDvp(1);
        opened(terms);
        expectIgnored(terms, MessageKind.EXECUTE);
        deposit(terms, 0);
        deposit(terms, 1);
        vm.expectEmit(address(gateway));
        emit IGateway.DecisionReceived(terms.settlementId, MessageKind.EXECUTE);
        receiveThere(MessageCodec.encode(MessageKind.EXECUTE, terms.settlementId));
        assertEq(phaseOf(terms), RemotePhase.EXECUTE_DECIDED);
        expectIgnored(terms, MessageKind.ROLLBACK);
        expectIgnored(terms, MessageKind.EXECUTE);
        expectNoRefund(terms, RemotePhase.EXECUTE_DECIDED);
        vm.expectRevert(abi.encodeWithSelector(IGateway.NothingToVote.selector, terms.settlementId, 3));
        gateway.quoteVote(terms.settlementId);

        vm.expectEmit(address(gateway));
        emit IGateway.RemoteExecuted(terms.settlementId);
        executeThere(terms);
        assertEq(remoteBond.balanceOf(remoteBuyer.wallet), BOND_AMOUNT);
        assertEq(remoteCash.balanceOf(remoteSeller.wallet), CASH_AMOUNT);
        expectNoExecution(terms, RemotePhase.EXECUTED);
        expectNoRefund(terms, RemotePhase.EXECUTED);
        expectIgnored(terms, MessageKind.ROLLBACK);
        expectIgnored(terms, MessageKind.OPEN);
    }

    function test_Rollback_IsFollowed_OpenOrPrepared_AndRefundedByAnybody_Once() external {
        for (uint256 legs = 1; legs <= 2; ++legs) {
            CreateParams memory terms = remoteDvp(legs);
            opened(terms);
            for (uint256 i; i < legs; ++i) {
                deposit(terms, i);
            }
            vm.expectEmit(address(gateway));
            emit IGateway.DecisionReceived(terms.settlementId, MessageKind.ROLLBACK);
            vm.expectEmit(address(gateway));
            emit IGateway.RemoteRolledBack(terms.settlementId, RollbackReason.DECISION);
            receiveThere(MessageCodec.encode(MessageKind.ROLLBACK, terms.settlementId));
            expectIgnored(terms, MessageKind.EXECUTE);
            expectIgnored(terms, MessageKind.ROLLBACK);
            refundThere(terms);
            vm.expectRevert(abi.encodeWithSelector(IGate.NothingToRefund.selector, terms.settlementId));
            remoteEscrow.refund(terms, payersOf(terms));
            expectNoExecution(terms, RemotePhase.ROLLED_BACK);
        }
        assertEq(remoteBond.balanceOf(remoteSeller.wallet), 2 * BOND_AMOUNT);
        assertEq(remoteCash.balanceOf(remoteBuyer.wallet), CASH_AMOUNT);
    }

    function test_EachPayerTakesItsLegBack_Once() external {
        CreateParams memory terms = remoteDvp(1);
        opened(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        receiveThere(MessageCodec.encode(MessageKind.ROLLBACK, terms.settlementId));
        for (uint256 i; i < 2; ++i) {
            remoteEscrow.refund(terms, onlyPayerOf(terms, i));
        }
        assertEq(gateway.statusOf(terms.settlementId).refundedBits, 3);
        for (uint256 i; i < 2; ++i) {
            Opening[] memory openings = onlyPayerOf(terms, i);
            vm.expectRevert(abi.encodeWithSelector(IGate.NothingToRefund.selector, terms.settlementId));
            remoteEscrow.refund(terms, openings);
        }
    }

    function test_ARollbackThatOvertakesOpen_LeavesATombstone() external {
        CreateParams memory terms = remoteDvp(1);
        open(terms);
        vm.expectEmit(address(gateway));
        emit IGateway.RemoteRolledBack(terms.settlementId, RollbackReason.BEFORE_OPEN);
        receiveThere(MessageCodec.encode(MessageKind.ROLLBACK, terms.settlementId));
        expectIgnored(terms, MessageKind.OPEN);
        fund(terms, 0);
        vm.expectRevert();
        this.payExternally(terms, 0);
        assertEq(phaseOf(terms), RemotePhase.ROLLED_BACK);
        assertFalse(gateway.allLegsDeposited(terms.settlementId));
    }

    function test_UnilateralRefund_FromTheDeadlineOn_OnlyWhileALegIsMissing() external {
        CreateParams memory terms = remoteDvp(1);
        opened(terms);
        deposit(terms, 0);
        vm.warp(terms.deadline - 1);
        expectNoRefund(terms, RemotePhase.OPEN);
        vm.warp(terms.deadline);
        vm.expectEmit(address(gateway));
        emit IGateway.RemoteRolledBack(terms.settlementId, RollbackReason.UNILATERAL);
        refundThere(terms);
        assertEq(remoteBond.balanceOf(remoteSeller.wallet), BOND_AMOUNT);
        expectIgnored(terms, MessageKind.ROLLBACK);
        expectIgnored(terms, MessageKind.EXECUTE);

        CreateParams memory complete = remoteDvp(2);
        complete.deadline = uint64(block.timestamp) + LIFETIME;
        opened(complete);
        deposit(complete, 0);
        deposit(complete, 1);
        vm.warp(complete.deadline + 365 days);
        expectNoRefund(complete, RemotePhase.PREPARED);
    }

    function test_Vote_SaysWhatThePhaseIs_AndNothingElse() external {
        CreateParams memory terms = remoteDvp(1);
        for (uint8 phase; phase <= 1; ++phase) {
            vm.expectRevert(abi.encodeWithSelector(IGateway.NothingToVote.selector, terms.settlementId, phase));
            gateway.sendVote(terms.settlementId);
            if (phase == 0) opened(terms);
        }
        deposit(terms, 0);
        deposit(terms, 1);
        collect();
        sendVote(terms);
        assertEq(
            lastMessage(), MessageCodec.encodePrepared(terms.settlementId, coordinator.hashTerms(terms)), "PREPARED"
        );
        assertAnnounced(terms, MessageKind.PREPARED);
        receiveThere(MessageCodec.encode(MessageKind.EXECUTE, terms.settlementId));
        executeThere(terms);
        sendVote(terms);
        sendVote(terms);
        assertEq(lastMessage(), MessageCodec.encode(MessageKind.EXECUTED, terms.settlementId), "EXECUTED");
        assertAnnounced(terms, MessageKind.EXECUTED);
    }

    function test_RevertWhen_CallerIsNotTheEscrow() external {
        bytes32 id = idOf(1);
        bytes[] memory calls = new bytes[](5);
        calls[0] = abi.encodeCall(gateway.recordDeposit, (id, 0, 0));
        calls[1] = abi.encodeCall(gateway.beginExecution, (id, 0));
        calls[2] = abi.encodeCall(gateway.endExecution, (id));
        calls[3] = abi.encodeCall(gateway.claimRefund, (id, 0, 1));
        calls[4] = abi.encodeCall(gateway.claimRelease, (id, 0, 1));
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(address(escrow));
            (bool success, bytes memory reason) = address(gateway).call(calls[i]);
            assertFalse(success);
            assertEq(reason, abi.encodeWithSelector(IGate.CallerNotEscrow.selector, address(escrow)));
        }
    }

    function test_RevertWhen_DeploymentIsMiswired() external {
        Gateway.Home memory sound = Gateway.Home(address(coordinator), homeChain, HOME_EID);
        // An escrow of another gate, of another coordinator, of another chain; no coordinator; and the coordinator's own chain.
        expectMiswired(address(remoteEscrow), address(coordinator), homeChain, sound, REMOTE_CHAIN);
        expectMiswired(address(0), stranger, homeChain, sound, REMOTE_CHAIN);
        expectMiswired(address(0), address(coordinator), 5, sound, REMOTE_CHAIN);
        expectMiswired(address(0), address(0), homeChain, Gateway.Home(address(0), homeChain, HOME_EID), REMOTE_CHAIN);
        expectMiswired(address(0), address(coordinator), homeChain, sound, homeChain);
        // Nothing else was wrong with those.
        vm.chainId(REMOTE_CHAIN);
        Gateway wired = this.deployPair(address(0), address(coordinator), homeChain, sound);
        vm.chainId(homeChain);
        assertEq(wired.coordinatorChainId(), homeChain);
        assertEq(wired.coordinatorEndpointId(), HOME_EID);
        assertEq(wired.coordinator(), address(coordinator));
        assertEq(address(wired.escrow().gate()), address(wired));
    }

    function expectMiswired(
        address wrongGate,
        address escrowsCoordinator,
        uint64 escrowsHome,
        Gateway.Home memory home,
        uint64 here
    ) private {
        vm.chainId(here);
        vm.expectPartialRevert(IGateway.MiswiredGateway.selector);
        this.deployPair(wrongGate, escrowsCoordinator, escrowsHome, home);
        vm.chainId(homeChain);
    }

    /// @dev A call of its own: a deployment that fails as expected would end the test that does it, which then passes, whatever follows.
    /// @param wrongGate Zero: the escrow is deployed for the gateway that comes next.
    function deployPair(address wrongGate, address itsCoordinator, uint64 itsHome, Gateway.Home memory home)
        external
        returns (Gateway)
    {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        IGate gate = IGate(wrongGate == address(0) ? next : wrongGate);
        KeystoneEscrow its = new KeystoneEscrow(gate, itsCoordinator, itsHome);
        return new Gateway(its, stations[REMOTE_EID].endpoint, home, admin, pauser);
    }

    /// @dev So that expectRevert meets the deposit and not the preparations for it.
    function payExternally(CreateParams memory terms, uint256 legIndex) external {
        pay(terms, legIndex);
    }

    function opened(CreateParams memory terms) private {
        open(terms);
        receiveOpen(terms);
    }

    /// @dev Openings that ask for one leg's refund and for no other.
    function onlyPayerOf(CreateParams memory terms, uint256 leg) private view returns (Opening[] memory openings) {
        openings = new Opening[](terms.legs.length);
        openings[leg] = payersOf(terms)[leg];
    }

    function receiveOpen(CreateParams memory terms) private {
        receiveThere(MessageCodec.encodeOpen(terms.settlementId, coordinator.hashTerms(terms), terms.deadline, 3));
    }

    function expectIgnored(CreateParams memory terms, uint8 kind) private {
        uint8 phase = phaseOf(terms);
        vm.expectEmit(address(gateway));
        emit IGateway.MessageIgnored(terms.settlementId, kind);
        if (kind == MessageKind.OPEN) receiveOpen(terms);
        else receiveThere(MessageCodec.encode(kind, terms.settlementId));
        assertEq(phaseOf(terms), phase);
    }

    function expectNoExecution(CreateParams memory terms, uint8 phase) private {
        vm.expectRevert(abi.encodeWithSelector(IGate.NothingToExecute.selector, terms.settlementId, phase));
        remoteEscrow.execute(terms, payeesOf(terms));
    }

    function expectNoRefund(CreateParams memory terms, uint8 phase) private {
        vm.expectRevert(abi.encodeWithSelector(IGate.RefundNotAvailable.selector, terms.settlementId, phase));
        remoteEscrow.refund(terms, payersOf(terms));
    }

    /// @dev What the last event of the gateway says of the message that left.
    function assertAnnounced(CreateParams memory terms, uint8 kind) private view {
        assertEq(announced.topics[1], terms.settlementId);
        assertEq(uint256(announced.topics[2]), homeChain);
        assertEq(announced.data, abi.encode(kind, packets[packets.length - 1].guid));
    }

    function onLog(Vm.Log memory log) internal override {
        if (log.emitter == address(gateway) && log.topics[0] == IMessaging.MessageSent.selector) announced = log;
    }

    function lastMessage() private returns (bytes memory) {
        collect();
        return packets[packets.length - 1].message;
    }
}
