// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Pausable } from "@openzeppelin/contracts/utils/Pausable.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MAX_FEES, MAX_LEGS, MAX_PARTIES } from "../../src/types/Limits.sol";
import {
    ComplianceStatus,
    CreateParams,
    Fee,
    Leg,
    Opening,
    SettlementState,
    TokenStandard
} from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";
import { TestNft } from "../mocks/WeirdTokens.sol";

contract DepositTest is KeystoneTest {
    function test_FirstDeposit_IsHeldAndOpensBothWallets() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms.legs[0]);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.LegDeposited(terms.settlementId, 0, seller.wallet, address(bond), 0, BOND_AMOUNT);
        pay(terms, 0);

        assertEq(bond.balanceOf(address(escrow)), BOND_AMOUNT);
        assertEq(bond.balanceOf(seller.wallet), 0);
        assertEq(coordinator.settlementOf(terms.settlementId).depositedBits, 1);
        assertEq(escrow.openedWallet(terms.settlementId, SELLER), seller.wallet);
        assertEq(escrow.openedWallet(terms.settlementId, BUYER), buyer.wallet);
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        assertFalse(escrow.allLegsDeposited(terms.settlementId));
    }

    function test_LastDeposit_SwapsInTheSameTransaction() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        fund(terms.legs[1]);
        bytes32 id = terms.settlementId;
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.LegDeposited(id, 1, buyer.wallet, address(cash), 0, CASH_AMOUNT);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.StateTransition(id, 3, 4, 0);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.LegReleased(id, 0, buyer.wallet, address(bond), 0, BOND_AMOUNT);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.LegReleased(id, 1, seller.wallet, address(cash), 0, CASH_AMOUNT);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.StateTransition(id, 4, 5, 0);
        pay(terms, 1);

        assertSwapped(terms);
        assertTrue(escrow.allLegsDeposited(id));
    }

    function test_TheOrderOfDepositsDoesNotMatter() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 1);
        deposit(terms, 0);
        assertSwapped(terms);
    }

    function test_Fees_ComeOutOfTheLegsAmount() external {
        CreateParams memory terms = dvp(1);
        terms.legs[1].fees = new Fee[](2);
        terms.legs[1].fees[0] = Fee(makeAddr("platform"), 100e6);
        terms.legs[1].fees[1] = Fee(makeAddr("operator"), 25e6);
        open(terms);
        deposit(terms, 0);
        fund(terms.legs[1]);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.FeePaid(terms.settlementId, 1, makeAddr("platform"), address(cash), 100e6);
        pay(terms, 1);
        assertEq(cash.balanceOf(makeAddr("platform")), 100e6);
        assertEq(cash.balanceOf(makeAddr("operator")), 25e6);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT - 125e6);
        assertEq(cash.balanceOf(address(escrow)), 0);
    }

    function testFuzz_FeesAndPayoutAddUpToTheDeposit(uint128 amount, uint96[4] memory fees, uint8 count) external {
        CreateParams memory terms = dvp(1);
        count = count % 5;
        uint256 total;
        terms.legs[1].fees = new Fee[](count);
        for (uint256 i; i < count; ++i) {
            terms.legs[1].fees[i] = Fee(address(uint160(0xfee0 + i)), uint256(fees[i]) + 1);
            total += uint256(fees[i]) + 1;
        }
        terms.legs[1].amount = bound(amount, total + 1, type(uint128).max);
        open(terms);
        deposit(terms, 1);
        deposit(terms, 0);
        uint256 paid = cash.balanceOf(seller.wallet);
        for (uint256 i; i < count; ++i) {
            paid += cash.balanceOf(address(uint160(0xfee0 + i)));
        }
        assertEq(paid, terms.legs[1].amount);
        assertEq(cash.balanceOf(address(escrow)), 0);
    }

    function test_Nft_IsSwappedAgainstCash() external {
        TestNft nft = new TestNft();
        Leg[] memory legs = new Leg[](2);
        legs[0] = nftLegOf(address(nft), 42, SELLER, BUYER);
        legs[1] = legOf(address(cash), CASH_AMOUNT, BUYER, SELLER);
        CreateParams memory terms = termsWith(1, legs);
        open(terms);
        deposit(terms, 0);
        assertEq(nft.ownerOf(42), address(escrow));
        deposit(terms, 1);
        assertEq(nft.ownerOf(42), buyer.wallet);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT);
    }

    function test_Erc3643_MovesByPlainTransfer() external {
        CreateParams memory terms = dvp(1);
        terms.legs[0].tokenStandard = TokenStandard.ERC3643;
        open(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        assertSwapped(terms);
    }

    function test_RevertWhen_StandardDoesNotFitTheToken() external {
        TestNft nft = new TestNft();
        Leg[] memory legs = new Leg[](2);
        legs[0] = legOf(address(nft), 1, SELLER, BUYER);
        legs[1] = nftLegOf(address(cash), CASH_AMOUNT, BUYER, SELLER);
        CreateParams memory terms = termsWith(1, legs);
        open(terms);
        nft.mint(seller.wallet, 1);
        vm.prank(seller.wallet);
        nft.approve(address(escrow), 1);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.TokenStandardMismatch.selector, nft, uint8(0)));
        this.payExternally(terms, 0);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.TokenStandardMismatch.selector, cash, uint8(1)));
        this.payExternally(terms, 1);
    }

    function test_RevertWhen_TermsAreNotWhatThePayerAgreedTo() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms.legs[0]);
        bytes32 agreed = coordinator.hashTerms(terms);
        terms.legs[1].amount -= 1;
        bytes32 actual = coordinator.hashTerms(terms);
        vm.prank(seller.wallet);
        vm.expectRevert(
            abi.encodeWithSelector(IKeystoneEscrow.TermsHashMismatch.selector, terms.settlementId, agreed, actual)
        );
        escrow.depositLeg(terms, 0, seller, buyer, agreed);
    }

    function testFuzz_RevertWhen_TermsAreNotTheSettlements(uint8 field, uint128 value) external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms.legs[0]);
        bytes32 stored = coordinator.hashTerms(terms);
        field = field % 5;
        if (field == 0) terms.legs[1].amount = uint256(value) + 1;
        if (field == 1) terms.deadline = uint64(value);
        if (field == 2) terms.legs[1].payer = 1;
        if (field == 3) terms.attesterSet = bytes32(uint256(value));
        if (field == 4) terms.legs[1].token = address(bond);
        bytes32 actual = coordinator.hashTerms(terms);
        vm.assume(actual != stored);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.TermsMismatch.selector, terms.settlementId, stored, actual)
        );
        this.payExternally(terms, 0);
        assertEq(bond.balanceOf(seller.wallet), BOND_AMOUNT);
    }

    function test_RevertWhen_LegDoesNotExistOrLivesElsewhere() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.prank(seller.wallet);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.UnknownLeg.selector, terms.settlementId, 2));
        escrow.depositLeg(terms, 2, seller, buyer, termsHash);

        terms.legs[0].chainId = 1;
        vm.expectRevert(
            abi.encodeWithSelector(IKeystoneEscrow.LegNotInThisEscrow.selector, 0, uint64(1), address(escrow))
        );
        this.payExternally(terms, 0);
    }

    function testFuzz_RevertWhen_CallerIsNotThePayer(address caller) external {
        vm.assume(caller != seller.wallet);
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms.legs[0]);
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.CallerNotPayer.selector, caller, seller.wallet));
        escrow.depositLeg(terms, 0, seller, buyer, termsHash);
        // Nor by passing itself off as the payer.
        vm.expectRevert();
        escrow.depositLeg(terms, 0, Opening(seller.participantId, caller), buyer, termsHash);
        vm.stopPrank();
    }

    function testFuzz_RevertWhen_PayeeIsNotTheOneOfTheTerms(Opening calldata payee) external {
        vm.assume(payee.wallet != buyer.wallet || payee.participantId != buyer.participantId);
        vm.assume(payee.wallet != address(0) && payee.wallet != seller.wallet);
        vm.assume(payee.wallet != address(escrow) && payee.wallet != address(bond));
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms.legs[0]);
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.prank(seller.wallet);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 0, BUYER));
        escrow.depositLeg(terms, 0, seller, payee, termsHash);
    }

    function test_RevertWhen_ParticipantHasNoEntityCheck() external {
        CreateParams memory terms = dvp(1);
        terms.partyHashes[BUYER_ENTITY] = keccak256("somebody else");
        open(terms);
        fund(terms.legs[0]);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.EntityNotRegistered.selector, buyer.participantId));
        this.payExternally(terms, 0);
    }

    function test_RevertWhen_PayeeCannotBePaid() external {
        Opening memory original = buyer;
        address[4] memory wallets = [seller.wallet, address(0), address(escrow), address(bond)];
        for (uint256 i; i < wallets.length; ++i) {
            buyer = Opening(original.participantId, wallets[i]);
            CreateParams memory terms = dvp(1 + i);
            if (wallets[i] == address(0)) terms.partyHashes[BUYER_ENTITY] = keccak256("somebody else");
            open(terms);
            fund(terms.legs[0]);
            vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.InvalidPayee.selector, wallets[i]));
            this.payExternally(terms, 0);
        }
    }

    function test_RevertGiven_DepositsAreNotOpen() external {
        CreateParams memory terms = dvp(1);
        create(terms);
        expectNotOpen(terms, 1);
        attestAll(terms, ComplianceStatus.Pass);
        vm.prank(engine);
        coordinator.transition(terms.settlementId, 2, 0);
        expectNotOpen(terms, 2);
        vm.prank(engine);
        coordinator.transition(terms.settlementId, 6, 0);
        expectNotOpen(terms, 6);

        terms = dvp(2);
        open(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        expectNotOpen(terms, 5);

        terms = dvp(3);
        open(terms);
        vm.warp(terms.deadline);
        coordinator.timeout(terms.settlementId);
        expectNotOpen(terms, 7);
    }

    function test_RevertGiven_Paused_AndTheDepositorKeepsItsTokens() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms.legs[0]);
        vm.prank(pauser);
        coordinator.pause();
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        this.payExternally(terms, 0);
        assertEq(bond.balanceOf(seller.wallet), BOND_AMOUNT);
    }

    function test_RevertGiven_LegWasPaidIn() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        fund(terms.legs[0]);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.LegAlreadyDeposited.selector, terms.settlementId, 0)
        );
        this.payExternally(terms, 0);
    }

    function testFuzz_DepositAndTimeoutNeverOverlap(int8 offset) external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms.legs[0]);
        vm.warp(uint256(int256(uint256(terms.deadline)) + bound(offset, -2, 2)));
        bool early = block.timestamp < terms.deadline;
        uint256 snapshot = vm.snapshotState();
        (bool timedOut,) = address(coordinator).call(abi.encodeCall(coordinator.timeout, (terms.settlementId)));
        assertEq(timedOut, !early);
        vm.revertToState(snapshot);
        if (!early) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    ISettlementCoordinator.DeadlinePassed.selector, terms.settlementId, terms.deadline
                )
            );
        }
        this.payExternally(terms, 0);
    }

    function test_TheBoundary_LastDepositAtTMinusOne_TimeoutAtT() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms.legs[0]);
        fund(terms.legs[1]);
        vm.warp(terms.deadline - 1);
        pay(terms, 0);
        for (uint256 late; late < 2; ++late) {
            vm.warp(terms.deadline + late);
            vm.expectRevert(
                abi.encodeWithSelector(
                    ISettlementCoordinator.DeadlinePassed.selector, terms.settlementId, terms.deadline
                )
            );
            this.payExternally(terms, 1);
        }
        vm.warp(terms.deadline - 1);
        pay(terms, 1);
        assertSwapped(terms);
    }

    /// @dev Gas estimation finds the least gas with which the call succeeds. It must not find one that starves the swap.
    function testFuzz_LastDeposit_SwapsOrDoesNothing_WhateverTheGas(uint256 gasLimit) external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        fund(terms.legs[1]);
        gasLimit = bound(gasLimit, 30_000, 1_400_000);
        bytes memory call = abi.encodeCall(escrow.depositLeg, (terms, 1, buyer, seller, coordinator.hashTerms(terms)));
        vm.prank(buyer.wallet);
        (bool success,) = address(escrow).call{ gas: gasLimit }(call);
        if (success) {
            assertSwapped(terms);
        } else {
            assertEq(cash.balanceOf(buyer.wallet), CASH_AMOUNT);
            assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        }
    }

    function testFuzz_Execute_PaysOrDoesNothing_WhateverTheGas(uint256 gasLimit) external {
        CreateParams memory terms = failedAutoExecution(1);
        gasLimit = bound(gasLimit, 30_000, 1_200_000);
        vm.prank(stranger);
        (bool success,) = address(coordinator).call{ gas: gasLimit }(abi.encodeCall(coordinator.execute, (terms)));
        if (success) {
            assertSwapped(terms);
        } else {
            assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        }
        assertEq(escrow.creditOf(address(bond), 0, 0, buyer.wallet), 0);
        assertEq(escrow.creditOf(address(cash), 0, 0, seller.wallet), 0);
    }

    function test_FailedAutoExecution_KeepsTheDeposit_AndAStrangerExecutes() external {
        CreateParams memory terms = failedAutoExecution(1);
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        assertEq(cash.balanceOf(address(escrow)), CASH_AMOUNT);
        assertTrue(escrow.allLegsDeposited(terms.settlementId));

        // Even after the deadline, since everything was paid in before it.
        vm.warp(terms.deadline + GRACE - 1);
        vm.prank(stranger);
        coordinator.execute(terms);
        assertSwapped(terms);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.InvalidTransition.selector, terms.settlementId, 5, 4)
        );
        coordinator.execute(terms);
    }

    function test_TheLargestSettlement_FitsIntoOneTransaction() external {
        Leg[] memory legs = new Leg[](MAX_LEGS);
        for (uint256 i; i < MAX_LEGS; ++i) {
            legs[i] = legOf(address(cash), 1_000, i % 2 == 0 ? SELLER : BUYER, i % 2 == 0 ? BUYER : SELLER);
            legs[i].fees = new Fee[](MAX_FEES);
            for (uint256 j; j < MAX_FEES; ++j) {
                legs[i].fees[j] = Fee(address(uint160(0xfee000 + 10 * i + j)), 1);
            }
        }
        CreateParams memory terms = termsWith(1, legs);
        bytes32[] memory parties = new bytes32[](MAX_PARTIES);
        for (uint256 i; i < MAX_PARTIES; ++i) {
            parties[i] = i < 4 ? terms.partyHashes[i] : keccak256(abi.encode(i));
        }
        terms.partyHashes = parties;
        open(terms);
        for (uint256 i; i + 1 < MAX_LEGS; ++i) {
            deposit(terms, i);
        }
        fund(terms.legs[MAX_LEGS - 1]);
        bytes memory call =
            abi.encodeCall(escrow.depositLeg, (terms, MAX_LEGS - 1, buyer, seller, coordinator.hashTerms(terms)));
        // 2^24 gas per transaction (EIP-7825), less what the calldata costs before the call begins.
        uint256 available = (1 << 24) - 21_000 - 16 * call.length;
        vm.prank(buyer.wallet);
        (bool success,) = address(escrow).call{ gas: available }(call);
        assertTrue(success);
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(cash.balanceOf(address(escrow)), 0);
    }

    /// @dev So that expectRevert meets the deposit and not the preparations for it.
    function payExternally(CreateParams memory terms, uint256 legIndex) external {
        pay(terms, legIndex);
    }

    /// @dev No ordinary cause makes an automatic execution fail, so the gate is made to refuse it once.
    function failedAutoExecution(uint256 number) internal returns (CreateParams memory terms) {
        terms = dvp(number);
        open(terms);
        deposit(terms, 0);
        fund(terms.legs[1]);
        vm.mockCallRevert(address(coordinator), abi.encodeWithSelector(IGate.beginExecution.selector), "not now");
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.ExecutionFailed(terms.settlementId, "not now");
        pay(terms, 1);
        vm.clearMockedCalls();
    }

    function expectNotOpen(CreateParams memory terms, uint8 state) private {
        fund(terms.legs[0]);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.DepositsNotOpen.selector, terms.settlementId, state)
        );
        this.payExternally(terms, 0);
    }

    function assertSwapped(CreateParams memory terms) private view {
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(bond.balanceOf(buyer.wallet), BOND_AMOUNT);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT);
        assertEq(bond.balanceOf(address(escrow)), 0);
        assertEq(cash.balanceOf(address(escrow)), 0);
    }
}
