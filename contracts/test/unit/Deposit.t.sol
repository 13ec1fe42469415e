// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Pausable } from "@openzeppelin/contracts/utils/Pausable.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MAX_LEGS } from "../../src/types/Limits.sol";
import { ComplianceStatus, CreateParams, Leg, Opening, SettlementState } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";
import { TestNft } from "../mocks/WeirdTokens.sol";

contract DepositTest is KeystoneTest {
    function test_FirstDeposit_IsHeldAndOpensBothWallets() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms, 0);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.LegDeposited(terms.settlementId, 0, seller.wallet, address(bond), 0, BOND_AMOUNT);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.LegOpened(terms.settlementId, 0, seller.participantId, buyer.participantId, buyer.wallet);
        pay(terms, 0);

        assertEq(bond.balanceOf(address(escrow)), BOND_AMOUNT);
        assertEq(bond.balanceOf(seller.wallet), 0);
        assertEq(coordinator.settlementOf(terms.settlementId).depositedBits, 1);
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        assertFalse(escrow.allLegsDeposited(terms.settlementId));
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
        fund(terms, 0);
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
        fund(terms, 0);
        bytes32 stored = coordinator.hashTerms(terms);
        field = field % 5;
        if (field == 0) terms.legs[1].amount = uint256(value) + 1;
        if (field == 1) terms.deadline = uint64(value);
        if (field == 2) terms.legs[1].payer = 1;
        if (field == 3) terms.attesterSet = bytes32(uint256(value));
        if (field == 4) terms.legs[1].token = address(bond);
        bytes32 actual = coordinator.hashTerms(terms);
        vm.assume(actual != stored);
        vm.expectRevert(abi.encodeWithSelector(IGate.TermsMismatch.selector, terms.settlementId, stored, actual));
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

        // Nobody could have created this: it has one leg more than there are bits for.
        CreateParams memory large = termsWith(2, new Leg[](MAX_LEGS + 1));
        for (uint256 i; i <= MAX_LEGS; ++i) {
            large.legs[i] = terms.legs[i % 2];
        }
        termsHash = coordinator.hashTerms(large);
        vm.prank(seller.wallet);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.UnknownLeg.selector, large.settlementId, MAX_LEGS));
        escrow.depositLeg(large, MAX_LEGS, seller, buyer, termsHash);

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
        fund(terms, 0);
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
        fund(terms, 0);
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.prank(seller.wallet);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 0, BUYER));
        escrow.depositLeg(terms, 0, seller, payee, termsHash);
    }

    function test_RevertWhen_ParticipantHasNoEntityCheck() external {
        CreateParams memory terms = dvp(1);
        terms.partyHashes[BUYER_ENTITY] = keccak256("somebody else");
        open(terms);
        fund(terms, 0);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.EntityNotRegistered.selector, buyer.participantId));
        this.payExternally(terms, 0);
    }

    function test_RevertWhen_PayeeCannotBePaid() external {
        Opening memory original = buyer;
        address[4] memory wallets = [seller.wallet, address(0), address(escrow), address(bond)];
        for (uint256 i; i < wallets.length; ++i) {
            buyer = Opening(original.participantId, wallets[i]);
            know(buyer);
            CreateParams memory terms = dvp(1 + i);
            if (wallets[i] == address(0)) terms.partyHashes[BUYER_ENTITY] = keccak256("somebody else");
            open(terms);
            fund(terms, 0);
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
        fund(terms, 0);
        vm.prank(pauser);
        coordinator.pause();
        vm.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        this.payExternally(terms, 0);
        assertEq(bond.balanceOf(seller.wallet), BOND_AMOUNT);
    }

    function test_RevertGiven_LegWasPaidIn() external {
        for (uint256 leg; leg < 2; ++leg) {
            CreateParams memory terms = dvp(1 + leg);
            open(terms);
            deposit(terms, leg);
            fund(terms, leg);
            vm.expectRevert(abi.encodeWithSelector(IGate.LegAlreadyDeposited.selector, terms.settlementId, leg));
            this.payExternally(terms, leg);
        }
    }

    function testFuzz_DepositAndTimeoutNeverOverlap(int8 offset) external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms, 0);
        vm.warp(uint256(int256(uint256(terms.deadline)) + bound(offset, -2, 2)));
        bool early = block.timestamp < terms.deadline;
        uint256 snapshot = vm.snapshotState();
        (bool timedOut,) = address(coordinator).call(abi.encodeCall(coordinator.timeout, (terms.settlementId)));
        assertEq(timedOut, !early);
        vm.revertToState(snapshot);
        if (!early) {
            vm.expectRevert(abi.encodeWithSelector(IGate.DeadlinePassed.selector, terms.settlementId, terms.deadline));
        }
        this.payExternally(terms, 0);
    }

    function test_TheBoundary_LastDepositAtTMinusOne_TimeoutAtT() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms, 0);
        fund(terms, 1);
        vm.warp(terms.deadline - 1);
        pay(terms, 0);
        for (uint256 late; late < 2; ++late) {
            vm.warp(terms.deadline + late);
            vm.expectRevert(abi.encodeWithSelector(IGate.DeadlinePassed.selector, terms.settlementId, terms.deadline));
            this.payExternally(terms, 1);
        }
        vm.warp(terms.deadline - 1);
        pay(terms, 1);
        assertEq(stateOf(terms), SettlementState.FINALIZED);
    }

    /// @dev So that expectRevert meets the deposit and not the preparations for it.
    function payExternally(CreateParams memory terms, uint256 legIndex) external {
        pay(terms, legIndex);
    }

    function expectNotOpen(CreateParams memory terms, uint8 state) private {
        fund(terms, 0);
        vm.expectRevert(abi.encodeWithSelector(IGate.DepositsNotOpen.selector, terms.settlementId, state));
        this.payExternally(terms, 0);
    }
}
