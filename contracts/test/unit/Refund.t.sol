// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MAX_LEGS } from "../../src/types/Limits.sol";
import { CreateParams, Leg, Settlement, SettlementState } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";
import { BlocklistToken, TestNft } from "../mocks/WeirdTokens.sol";

contract RefundTest is KeystoneTest {
    function test_AfterTheDeadline_AStrangerRefundsWithoutTimeoutFirst() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        vm.warp(terms.deadline);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.SettlementTimedOut(terms.settlementId);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.LegRefunded(terms.settlementId, 0, seller.wallet, address(bond), 0, BOND_AMOUNT);
        vm.prank(stranger);
        escrow.refund(terms, payersOf(terms));
        assertEq(bond.balanceOf(seller.wallet), BOND_AMOUNT);
        assertEq(stateOf(terms), SettlementState.TIMED_OUT);

        vm.expectRevert(abi.encodeWithSelector(IGate.NothingToRefund.selector, terms.settlementId));
        escrow.refund(terms, payersOf(terms));
    }

    /// @dev The last leg has the highest bit of its field in the coordinator's slot: nothing beside it may change.
    function test_AllButOneOfTheMostLegs_ComeBack_AndNothingElseChanges() external {
        Leg[] memory legs = new Leg[](MAX_LEGS);
        for (uint256 i; i < MAX_LEGS; ++i) {
            legs[i] = legOf(address(cash), 1 + i, SELLER, BUYER);
        }
        CreateParams memory terms = termsWith(1, legs);
        open(terms);
        for (uint256 i = 1; i < MAX_LEGS; ++i) {
            deposit(terms, i);
        }
        vm.warp(terms.deadline);
        Settlement memory expected = coordinator.settlementOf(terms.settlementId);
        assertEq(expected.depositedBits, 0xfe);
        escrow.refund(terms, payersOf(terms));
        expected.state = SettlementState.TIMED_OUT;
        expected.refundedBits = 0xfe;
        assertEq(abi.encode(coordinator.settlementOf(terms.settlementId)), abi.encode(expected));
    }

    function testFuzz_WhateverWasPaidInComesBack(uint8 subset, bool rollback, bool pausedMeanwhile) external {
        Leg[] memory legs = new Leg[](4);
        TestNft nft = new TestNft();
        legs[0] = legOf(address(bond), 7e18, SELLER, BUYER);
        legs[1] = legOf(address(cash), 11e6, BUYER, SELLER);
        legs[2] = nftLegOf(address(nft), 0, SELLER, BUYER);
        legs[3] = legOf(address(cash), 13e6, BUYER, SELLER);
        CreateParams memory terms = termsWith(1, legs);
        open(terms);
        subset = uint8(bound(subset, 1, 14));
        for (uint256 i; i < 4; ++i) {
            if ((subset >> i) & 1 == 1) deposit(terms, i);
        }
        if (pausedMeanwhile) {
            vm.prank(pauser);
            coordinator.pause();
        }
        if (rollback) {
            vm.prank(engine);
            coordinator.transition(terms.settlementId, SettlementState.ROLLED_BACK, "abort");
        } else {
            vm.warp(terms.deadline);
        }
        escrow.refund(terms, payersOf(terms));
        assertEq(bond.balanceOf(seller.wallet), subset & 1 == 1 ? 7e18 : 0);
        uint256 expectedCash = (subset & 2 == 2 ? uint256(11e6) : 0) + (subset & 8 == 8 ? uint256(13e6) : 0);
        assertEq(cash.balanceOf(buyer.wallet), expectedCash);
        if (subset & 4 == 4) assertEq(nft.ownerOf(0), seller.wallet);
        assertEq(bond.balanceOf(address(escrow)) + cash.balanceOf(address(escrow)), 0);
        assertEq(coordinator.settlementOf(terms.settlementId).refundedBits, subset);
    }

    function test_RevertGiven_TheSettlementCanStillSucceed() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        vm.warp(terms.deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(IGate.RefundNotAvailable.selector, terms.settlementId, 3));
        escrow.refund(terms, payersOf(terms));
    }

    function test_RevertGiven_Finalized() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        vm.warp(terms.deadline + GRACE);
        vm.expectRevert(abi.encodeWithSelector(IGate.RefundNotAvailable.selector, terms.settlementId, 5));
        escrow.refund(terms, payersOf(terms));
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.InvalidTransition.selector, terms.settlementId, 5, 7)
        );
        coordinator.timeout(terms.settlementId);
    }

    function test_RevertGiven_NothingWasPaidIn() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        vm.warp(terms.deadline);
        vm.expectRevert(abi.encodeWithSelector(IGate.NothingToRefund.selector, terms.settlementId));
        escrow.refund(terms, payersOf(terms));
    }

    function test_RevertWhen_TermsAreNotTheSettlements() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        bytes32 stored = coordinator.hashTerms(terms);
        vm.warp(terms.deadline);
        terms.legs[0].payer = BUYER_ENTITY;
        bytes32 actual = coordinator.hashTerms(terms);
        vm.expectRevert(abi.encodeWithSelector(IGate.TermsMismatch.selector, terms.settlementId, stored, actual));
        escrow.refund(terms, payersOf(terms));
    }

    function test_CompleteButNotExecuted_WaitsForTheGraceBeforeItTimesOut() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        vm.mockCallRevert(address(coordinator), abi.encodeWithSelector(IGate.beginExecution.selector), "not now");
        deposit(terms, 1);
        vm.clearMockedCalls();

        vm.warp(terms.deadline + GRACE - 1);
        vm.expectRevert(abi.encodeWithSelector(IGate.RefundNotAvailable.selector, terms.settlementId, 3));
        escrow.refund(terms, payersOf(terms));
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlementCoordinator.TimeoutNotDue.selector, terms.settlementId, terms.deadline + GRACE
            )
        );
        coordinator.timeout(terms.settlementId);

        vm.warp(terms.deadline + GRACE);
        escrow.refund(terms, payersOf(terms));
        assertEq(bond.balanceOf(seller.wallet), BOND_AMOUNT);
        assertEq(cash.balanceOf(buyer.wallet), CASH_AMOUNT);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.InvalidTransition.selector, terms.settlementId, 7, 4)
        );
        coordinator.execute(terms, payeesOf(terms));
    }

    function test_RefusedRefund_BecomesACreditOfThatPayerAlone() external {
        BlocklistToken token = new BlocklistToken();
        Leg[] memory legs = new Leg[](3);
        legs[0] = legOf(address(token), 100, SELLER, BUYER);
        legs[1] = legOf(address(cash), 200, BUYER, SELLER);
        legs[2] = legOf(address(bond), 300, BUYER, SELLER);
        CreateParams memory terms = termsWith(1, legs);
        open(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        token.setBlocked(seller.wallet, true);
        vm.warp(terms.deadline);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.PayoutCredited(terms.settlementId, 0, seller.wallet, address(token), 0, 100);
        escrow.refund(terms, payersOf(terms));
        assertEq(cash.balanceOf(buyer.wallet), 200);
        assertEq(escrow.creditOf(address(token), 0, 0, seller.wallet), 100);
        assertEq(escrow.creditOf(address(token), 0, 0, buyer.wallet), 0);

        vm.expectRevert(abi.encodeWithSelector(BlocklistToken.Refused.selector, seller.wallet));
        escrow.withdraw(address(token), 0, 0, seller.wallet);
        bytes memory nothing = abi.encodeWithSelector(
            IKeystoneEscrow.NothingToWithdraw.selector, address(token), 0, bytes32(0), stranger
        );
        vm.expectRevert(nothing);
        vm.prank(stranger);
        escrow.withdraw(address(token), 0, 0, stranger);

        token.setBlocked(seller.wallet, false);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.CreditWithdrawn(seller.wallet, address(token), 0, 0, 100);
        vm.prank(stranger);
        escrow.withdraw(address(token), 0, 0, seller.wallet);
        assertEq(token.balanceOf(seller.wallet), 100);
        assertEq(escrow.creditOf(address(token), 0, 0, seller.wallet), 0);
        vm.expectRevert();
        escrow.withdraw(address(token), 0, 0, seller.wallet);
    }

    function test_FrozenNft_IsCreditedAndWithdrawnLater() external {
        TestNft nft = new TestNft();
        Leg[] memory legs = new Leg[](2);
        legs[0] = nftLegOf(address(nft), 42, SELLER, BUYER);
        legs[1] = legOf(address(cash), 1, BUYER, SELLER);
        CreateParams memory terms = termsWith(1, legs);
        open(terms);
        deposit(terms, 0);
        nft.setFrozen(true);
        deposit(terms, 1);
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(cash.balanceOf(seller.wallet), 1);
        assertEq(escrow.creditOf(address(nft), 42, 0, buyer.wallet), 1);
        nft.setFrozen(false);
        escrow.withdraw(address(nft), 42, 0, buyer.wallet);
        assertEq(nft.ownerOf(42), buyer.wallet);
    }
}
