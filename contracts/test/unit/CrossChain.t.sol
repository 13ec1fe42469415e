// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IGate } from "../../src/interfaces/IGate.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MessageCodec, MessageKind } from "../../src/messaging/MessageCodec.sol";
import {
    ComplianceStatus,
    CreateParams,
    Leg,
    RemotePhase,
    Settlement,
    SettlementState
} from "../../src/types/SettlementTypes.sol";
import { CrossChainTest } from "../crosschain/CrossChainTest.sol";
import { HookToken } from "../mocks/WeirdTokens.sol";

/// @title The decision across chains; see cross-chain.tree.
contract CrossChainUnitTest is CrossChainTest {
    uint64 private constant THIRD_CHAIN = 137;
    uint32 private constant THIRD_EID = 30_109;
    Remote private third;

    function connectMore() internal override {
        third = buildRemote(THIRD_CHAIN, THIRD_EID);
    }

    function test_BondHereAndCashThere_SettleAtomically_WhenAVoteIsLast() external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        assertEq(phaseOf(terms), RemotePhase.PREPARED);
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        sendVote(terms);
        uint256 next = pendingPackets()[0];
        verify(next);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.VoteCounted(terms.settlementId, REMOTE_CHAIN, MessageKind.PREPARED);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.StateTransition(terms.settlementId, 3, 4, 0);
        deliver(next);
        assertFalse(coordinator.settlementOf(terms.settlementId).homeExecuted, "a vote decides, and pays nothing");
        assertEq(bond.balanceOf(address(escrow)), BOND_AMOUNT);

        coordinator.execute(terms, payeesOf(terms));
        assertEq(bond.balanceOf(buyer.wallet), BOND_AMOUNT);
        assertEq(stateOf(terms), SettlementState.EXECUTING_SWAP);
        vm.expectRevert(abi.encodeWithSelector(IGate.NothingToExecute.selector, terms.settlementId, 4));
        coordinator.execute(terms, payeesOf(terms));
        finishThere(terms);
    }

    function test_BondHereAndCashThere_SettleAtomically_WhenADepositIsLast() external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        deposit(terms, 1);
        sendVote(terms);
        deliverAll();
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        deposit(terms, 0);
        assertEq(bond.balanceOf(buyer.wallet), BOND_AMOUNT, "the deciding deposit pays out here at once");
        assertEq(stateOf(terms), SettlementState.EXECUTING_SWAP);
        finishThere(terms);
    }

    function test_TheLastDepositHere_TriesNothing_WhileAVoteIsMissing() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        fund(terms, 0);
        vm.expectCall(address(coordinator), abi.encodeWithSelector(IGate.beginExecution.selector), 0);
        pay(terms, 0);
        assertTrue(escrow.allLegsDeposited(terms.settlementId));
    }

    function test_WithoutLegsHere_TheVoteDecides_AndExecutedFinalizes() external {
        CreateParams memory terms = remoteDvp(1);
        openEverywhere(terms);
        assertFalse(coordinator.settlementOf(terms.settlementId).homeExecuted);
        deposit(terms, 0);
        deposit(terms, 1);
        sendVote(terms);
        deliverAll();
        assertTrue(coordinator.settlementOf(terms.settlementId).homeExecuted, "nothing is left to do here");
        vm.expectRevert(abi.encodeWithSelector(IGate.NothingToExecute.selector, terms.settlementId, 4));
        coordinator.execute(terms, payeesOf(terms));
        sendDecision(terms);
        deliverAll();
        executeThere(terms);
        assertEq(remoteBond.balanceOf(remoteBuyer.wallet), BOND_AMOUNT);
        assertEq(remoteCash.balanceOf(remoteSeller.wallet), CASH_AMOUNT);
        sendVote(terms);
        deliverAll();
        assertEq(stateOf(terms), SettlementState.FINALIZED);
    }

    function test_ThreeChains_EachMustVoteAndExecute() external {
        CreateParams memory terms = threeChains(1);
        open(terms);
        Settlement memory stored = coordinator.settlementOf(terms.settlementId);
        assertEq(stored.remoteChainBits, 3);
        assertEq(stored.homeLegBits, 1);
        vote(terms, REMOTE_EID, MessageKind.PREPARED);
        deposit(terms, 0);
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        vote(terms, THIRD_EID, MessageKind.PREPARED);
        assertEq(stateOf(terms), SettlementState.EXECUTING_SWAP);
        vote(terms, THIRD_EID, MessageKind.EXECUTED);
        vote(terms, REMOTE_EID, MessageKind.EXECUTED);
        assertEq(stateOf(terms), SettlementState.EXECUTING_SWAP, "the legs here are not paid out yet");
        coordinator.execute(terms, payeesOf(terms));
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        stored = coordinator.settlementOf(terms.settlementId);
        assertEq(stored.preparedBits, 3);
        assertEq(stored.executedBits, 3);
    }

    function test_Votes_HaveNoEffect_WhenRepeated_Early_OfOtherTerms_OrOfOtherChains() external {
        CreateParams memory terms = crossDvp(1);
        create(terms);
        expectIgnored(terms, REMOTE_EID, MessageKind.PREPARED);
        attestAll(terms, ComplianceStatus.Pass);
        advance(terms);
        expectIgnored(terms, REMOTE_EID, MessageKind.EXECUTED);
        expectIgnored(terms, THIRD_EID, MessageKind.PREPARED);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.VoteIgnored(terms.settlementId, REMOTE_CHAIN, MessageKind.PREPARED);
        receiveHere(REMOTE_EID, address(gateway), MessageCodec.encodePrepared(terms.settlementId, "other terms"));
        assertEq(coordinator.settlementOf(terms.settlementId).preparedBits, 0);

        vote(terms, REMOTE_EID, MessageKind.PREPARED);
        expectIgnored(terms, REMOTE_EID, MessageKind.PREPARED);
        deposit(terms, 0);
        expectIgnored(terms, THIRD_EID, MessageKind.EXECUTED);
        vote(terms, REMOTE_EID, MessageKind.EXECUTED);
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        expectIgnored(terms, REMOTE_EID, MessageKind.EXECUTED);
        expectIgnored(terms, REMOTE_EID, MessageKind.PREPARED);
        expectIgnored(crossDvp(99), REMOTE_EID, MessageKind.PREPARED);
        expectIgnored(crossDvp(99), REMOTE_EID, MessageKind.EXECUTED);
    }

    function test_AVote_CountsStrictlyBeforeTheEndOfTheGrace() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        deposit(terms, 0);
        vm.warp(terms.deadline + GRACE - 1);
        uint256 snapshot = vm.snapshotState();
        vote(terms, REMOTE_EID, MessageKind.PREPARED);
        assertEq(stateOf(terms), SettlementState.EXECUTING_SWAP);
        vm.revertToState(snapshot);
        vm.warp(terms.deadline + GRACE);
        expectIgnored(terms, REMOTE_EID, MessageKind.PREPARED);
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        coordinator.timeout(terms.settlementId);
        expectIgnored(terms, REMOTE_EID, MessageKind.PREPARED);
    }

    function testFuzz_TimeoutAndVotesNeverOverlap(uint16 offset) external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        deposit(terms, 0);
        vm.warp(terms.deadline - 2 + bound(offset, 0, GRACE + 4));
        uint256 snapshot = vm.snapshotState();
        (bool timedOut,) = address(coordinator).call(abi.encodeCall(coordinator.timeout, (terms.settlementId)));
        vm.revertToState(snapshot);
        vote(terms, REMOTE_EID, MessageKind.PREPARED);
        assertEq(timedOut, stateOf(terms) == SettlementState.AWAITING_DEPOSITS);
    }

    function test_Timeout_IsDueAtTheDeadline_WhenALegHereIsMissing_OrDepositsNeverOpened() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        vote(terms, REMOTE_EID, MessageKind.PREPARED);
        CreateParams memory unopened = remoteDvp(2);
        create(unopened);
        CreateParams memory waiting = remoteDvp(3);
        open(waiting);
        vm.warp(terms.deadline);
        coordinator.timeout(terms.settlementId);
        coordinator.timeout(unopened.settlementId);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlementCoordinator.TimeoutNotDue.selector, waiting.settlementId, terms.deadline + GRACE
            )
        );
        coordinator.timeout(waiting.settlementId);
    }

    function test_Execute_NeedsEveryVote() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.LegsMissing.selector, terms.settlementId, 0, 1));
        coordinator.execute(terms, payeesOf(terms));
        deposit(terms, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.VotesMissing.selector, terms.settlementId, 0, 1));
        coordinator.execute(terms, payeesOf(terms));
    }

    function test_Rollback_ByTheEngine_ReachesAPreparedChain() external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        deposit(terms, 1);
        vm.prank(engine);
        coordinator.transition(terms.settlementId, SettlementState.ROLLED_BACK, "a party failed");
        sendDecision(terms);
        deliverAll();
        refundThere(terms);
        assertEq(remoteCash.balanceOf(remoteBuyer.wallet), CASH_AMOUNT);
        sendDecision(terms);
        deliverAll();
        assertEq(phaseOf(terms), RemotePhase.ROLLED_BACK);
    }

    function test_Rollback_ByTheEngine_IsTooLateOnceExecuteIsDecided() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        deposit(terms, 0);
        vote(terms, REMOTE_EID, MessageKind.PREPARED);
        vm.prank(engine);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.InvalidTransition.selector, terms.settlementId, 4, 6)
        );
        coordinator.transition(terms.settlementId, SettlementState.ROLLED_BACK, 0);
        vm.warp(terms.deadline + 365 days);
        vm.expectRevert();
        coordinator.timeout(terms.settlementId);
        vm.expectRevert(abi.encodeWithSelector(IGate.RefundNotAvailable.selector, terms.settlementId, 4));
        escrow.refund(terms, payersOf(terms));
        coordinator.execute(terms, payeesOf(terms));
        assertEq(bond.balanceOf(buyer.wallet), BOND_AMOUNT, "an execution has no time limit");
    }

    function test_TheLastExecuted_MayArriveInsideAPayoutHere() external {
        HookToken token = new HookToken();
        Leg[] memory legs = new Leg[](2);
        legs[0] = legOf(address(token), 5, SELLER_HERE, BUYER_HERE);
        legs[1] = remoteLegOf(address(remoteCash), 7, BUYER_THERE, SELLER_THERE);
        CreateParams memory terms = crossTerms(1, legs);
        openEverywhere(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        sendVote(terms);
        deliverAll();
        sendDecision(terms);
        deliverAll();
        executeThere(terms);
        sendVote(terms);
        uint256[] memory pending = pendingPackets();
        verify(pending[0]);
        Packet memory packet = packets[pending[0]];
        token.callOut(
            address(escrow),
            address(stations[HOME_EID].endpoint),
            abi.encodeCall(
                stations[HOME_EID].endpoint.lzReceive, (packet.origin, packet.receiver, packet.guid, packet.message, "")
            )
        );
        coordinator.execute(terms, payeesOf(terms));
        assertTrue(token.anySucceeded());
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(token.balanceOf(buyer.wallet), 5);
    }

    function test_OnlyTheGatewaysOwnChainVotesForIt() external {
        CreateParams memory terms = threeChains(1);
        open(terms);
        vote(terms, THIRD_EID, MessageKind.PREPARED);
        assertEq(coordinator.settlementOf(terms.settlementId).preparedBits, 2);
    }

    function finishThere(CreateParams memory terms) private {
        sendDecision(terms);
        deliverAll();
        assertEq(phaseOf(terms), RemotePhase.EXECUTE_DECIDED);
        executeThere(terms);
        assertEq(remoteCash.balanceOf(remoteSeller.wallet), CASH_AMOUNT);
        sendVote(terms);
        deliverAll();
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        sendDecision(terms);
        deliverAll();
        assertEq(phaseOf(terms), RemotePhase.EXECUTED, "a late copy of the decision changes nothing");
    }

    /// @dev Bond here, cash on the second chain, a second bond on the third.
    function threeChains(uint256 number) private view returns (CreateParams memory) {
        Leg[] memory legs = new Leg[](3);
        legs[0] = legOf(address(bond), 5, SELLER_HERE, BUYER_HERE);
        legs[1] = remoteLegOf(address(remoteCash), 7, BUYER_THERE, SELLER_THERE);
        legs[2] = legOf(address(remoteBond), 9, SELLER_THERE, BUYER_THERE);
        (legs[2].chainId, legs[2].escrow) = (THIRD_CHAIN, address(third.escrow));
        return crossTerms(number, legs);
    }

    function vote(CreateParams memory terms, uint32 eid, uint8 kind) private {
        bytes memory message = kind == MessageKind.PREPARED
            ? MessageCodec.encodePrepared(terms.settlementId, coordinator.hashTerms(terms))
            : MessageCodec.encode(kind, terms.settlementId);
        receiveHere(eid, address(eid == REMOTE_EID ? gateway : third.gateway), message);
    }

    function expectIgnored(CreateParams memory terms, uint32 eid, uint8 kind) private {
        uint64 chainId = eid == REMOTE_EID ? REMOTE_CHAIN : THIRD_CHAIN;
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.VoteIgnored(terms.settlementId, chainId, kind);
        vote(terms, eid, kind);
    }
}
