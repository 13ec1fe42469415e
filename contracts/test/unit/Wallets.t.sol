// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IGate } from "../../src/interfaces/IGate.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { MAX_LEGS } from "../../src/types/Limits.sol";
import { CreateParams, Fee, Leg, Opening, SettlementState } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";

/// @title Parties with several wallets, and settlements of many parties and legs; see wallets.tree.
contract WalletsTest is KeystoneTest {
    /// @dev Indexes into partyHashes of {withDepositWallets}.
    uint8 private constant SELLER_PAYS = 2;
    uint8 private constant SELLER_RECEIVES = 1;
    uint8 private constant BUYER_PAYS = 5;
    uint8 private constant BUYER_RECEIVES = 4;
    Opening private sellerPays;
    Opening private buyerPays;

    function setUp() public override {
        super.setUp();
        // Another wallet of the same participant.
        sellerPays = Opening(seller.participantId, makeAddr("seller's deposit wallet"));
        buyerPays = Opening(buyer.participantId, makeAddr("buyer's deposit wallet"));
        know(sellerPays);
        know(buyerPays);
    }

    function test_SeparateDepositWallets_PayAndAreRefunded_ReceivingWalletsArePaid() external {
        CreateParams memory terms = withDepositWallets(1);
        open(terms);
        uint256 snapshot = vm.snapshotState();
        deposit(terms, 0);
        deposit(terms, 1);
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(bond.balanceOf(buyer.wallet), BOND_AMOUNT);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT);

        vm.revertToState(snapshot);
        deposit(terms, 0);
        vm.warp(terms.deadline);
        escrow.refund(terms, payersOf(terms));
        assertEq(bond.balanceOf(sellerPays.wallet), BOND_AMOUNT);
    }

    function test_TwoWallets_StoreNothing_MoreStoreThePayeeOfEachDepositButTheLast() external {
        CreateParams memory usual = dvp(1);
        open(usual);
        fund(usual, 0);
        assertEq(slotsWrittenBy(usual, 0), 0, "the usual trade");
        CreateParams memory terms = withDepositWallets(2);
        open(terms);
        fund(terms, 0);
        fund(terms, 1);
        assertEq(slotsWrittenBy(terms, 0), 1, "four wallets, the first deposit");
        assertEq(slotsWrittenBy(terms, 1), 0, "four wallets, the last deposit");
        assertEq(stateOf(terms), SettlementState.FINALIZED);
    }

    function test_SeveralLegsOfOneParty_BetweenTwoWallets() external {
        Leg[] memory legs = new Leg[](4);
        legs[0] = legOf(address(bond), 1, SELLER, BUYER);
        legs[1] = legOf(address(cash), 2, BUYER, SELLER);
        legs[2] = legOf(address(bond), 4, SELLER, BUYER);
        legs[3] = legOf(address(cash), 8, BUYER, SELLER);
        CreateParams memory terms = termsWith(1, legs);
        open(terms);
        uint8[4] memory order = [3, 0, 2, 1];
        for (uint256 i; i < 4; ++i) {
            deposit(terms, order[i]);
        }
        assertEq(bond.balanceOf(buyer.wallet), 5);
        assertEq(cash.balanceOf(seller.wallet), 10);
    }

    function testFuzz_ARingOfParties_IsPaidWhoeverIsLast(uint8 parties, uint8 last, uint96[8] calldata amounts)
        external
    {
        CreateParams memory terms = ring(bound(parties, 2, MAX_LEGS), amounts);
        uint256 count = terms.legs.length;
        open(terms);
        last = uint8(bound(last, 0, count - 1));
        for (uint256 i; i < count; ++i) {
            if (i != last) deposit(terms, i);
        }
        deposit(terms, last);
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        for (uint256 i; i < count; ++i) {
            address payee = openingIn(terms, terms.legs[i].payee).wallet;
            assertEq(bond.balanceOf(payee), terms.legs[i].amount);
        }
        assertEq(bond.balanceOf(address(escrow)), 0);
    }

    /// @dev Whoever is told to nobody else is stored, also where its index is the least there can be: a mask that loses it would pay nobody.
    function test_AWalletAtTheFirstIndex_IsPaid_WhoeverIsLast() external {
        for (uint256 roles; roles < 2; ++roles) {
            Opening[3] memory parties = [seller, buyer, newParty("third")];
            CreateParams memory terms = termsWith(1 + roles, new Leg[](2));
            terms.partyHashes = new bytes32[](6);
            for (uint256 i; i < 3; ++i) {
                terms.partyHashes[2 * i] = partyHash(parties[i]);
                terms.partyHashes[2 * i + 1] = entityHash(parties[i]);
            }
            // The first party as payee of the first leg, which the second leg does not know; then as its payer.
            if (roles == 0) {
                (terms.legs[0], terms.legs[1]) = (legOf(address(bond), 5, 2, 0), legOf(address(cash), 7, 2, 4));
            } else {
                (terms.legs[0], terms.legs[1]) = (legOf(address(bond), 5, 0, 2), legOf(address(cash), 7, 4, 0));
            }
            open(terms);
            deposit(terms, 0);
            address payee = openingIn(terms, terms.legs[0].payee).wallet;
            uint256 before = bond.balanceOf(payee);
            deposit(terms, 1);
            assertEq(stateOf(terms), SettlementState.FINALIZED);
            assertEq(bond.balanceOf(payee), before + 5);
        }
    }

    function test_AFailedAutomaticExecution_IsMadeUpByOpenings_WithSeveralWallets() external {
        CreateParams memory terms = withDepositWallets(1);
        open(terms);
        deposit(terms, 0);
        vm.mockCallRevert(address(coordinator), abi.encodeWithSelector(IGate.beginExecution.selector), "not now");
        deposit(terms, 1);
        vm.clearMockedCalls();
        vm.prank(stranger);
        escrow.execute(terms, payeesOf(terms));
        assertEq(bond.balanceOf(buyer.wallet), BOND_AMOUNT);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT);
    }

    function test_RevertWhen_OpeningsAreNotTheTerms() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        vm.mockCallRevert(address(coordinator), abi.encodeWithSelector(IGate.beginExecution.selector), "not now");
        deposit(terms, 1);
        vm.clearMockedCalls();
        Opening[] memory openings = payeesOf(terms);
        openings[1].wallet = stranger;
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 1, SELLER));
        escrow.execute(terms, openings);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.InvalidOpeningCount.selector, 1, 2));
        escrow.execute(terms, new Opening[](1));
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.InvalidOpeningCount.selector, 3, 2));
        escrow.refund(terms, new Opening[](3));
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 0, BUYER));
        escrow.execute(terms, new Opening[](2));
    }

    function testFuzz_APayer_WhoKnowsNobodyElse_HasItsOwnBack(uint8 who) external {
        CreateParams memory terms = withDepositWallets(1);
        Leg[] memory legs = new Leg[](3);
        (legs[0], legs[1]) = (terms.legs[0], terms.legs[1]);
        legs[2] = legOf(address(cash), 7, BUYER_PAYS, SELLER_RECEIVES);
        terms.legs = legs;
        open(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        vm.warp(terms.deadline);
        Opening[] memory mine = new Opening[](3);
        uint256 first = who % 2;
        mine[first] = openingIn(terms, terms.legs[first].payer);
        escrow.refund(terms, mine);
        assertEq(bond.balanceOf(sellerPays.wallet), first == 0 ? BOND_AMOUNT : 0);
        assertEq(cash.balanceOf(buyerPays.wallet), first == 1 ? CASH_AMOUNT : 0);
        vm.expectRevert(abi.encodeWithSelector(IGate.NothingToRefund.selector, terms.settlementId));
        escrow.refund(terms, mine);
        vm.expectRevert(abi.encodeWithSelector(IGate.NothingToRefund.selector, terms.settlementId));
        escrow.refund(terms, new Opening[](3));

        // The other leg needs its own payer's opening, however the rest of the openings looks.
        Opening[] memory wrong = payersOf(terms);
        wrong[1 - first].wallet = stranger;
        vm.expectRevert(
            abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 1 - first, terms.legs[1 - first].payer)
        );
        escrow.refund(terms, wrong);
        wrong[1 - first] = openingIn(terms, terms.legs[1 - first].payer);
        wrong[2].wallet = stranger;
        escrow.refund(terms, wrong);
        assertEq(bond.balanceOf(sellerPays.wallet), BOND_AMOUNT);
        assertEq(cash.balanceOf(buyerPays.wallet), CASH_AMOUNT);
        assertEq(coordinator.settlementOf(terms.settlementId).refundedBits, 3);
    }

    function test_FeesOfSeveralLegs_AreExact_AlsoWithSeveralWallets() external {
        CreateParams memory terms = withDepositWallets(1);
        for (uint256 i; i < 2; ++i) {
            terms.legs[i].fees = new Fee[](1);
            terms.legs[i].fees[0] = Fee(stranger, 3 + i);
        }
        open(terms);
        deposit(terms, 1);
        deposit(terms, 0);
        assertEq(bond.balanceOf(stranger), 3);
        assertEq(cash.balanceOf(stranger), 4);
        assertEq(bond.balanceOf(buyer.wallet), BOND_AMOUNT - 3);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT - 4);
    }

    /// @dev Per party: the entity, the wallet that receives, the wallet that pays.
    function withDepositWallets(uint256 number) private view returns (CreateParams memory terms) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = legOf(address(bond), BOND_AMOUNT, SELLER_PAYS, BUYER_RECEIVES);
        legs[1] = legOf(address(cash), CASH_AMOUNT, BUYER_PAYS, SELLER_RECEIVES);
        terms = termsWith(number, legs);
        terms.partyHashes = new bytes32[](6);
        terms.partyHashes[0] = entityHash(seller);
        terms.partyHashes[SELLER_RECEIVES] = partyHash(seller);
        terms.partyHashes[SELLER_PAYS] = partyHash(sellerPays);
        terms.partyHashes[3] = entityHash(buyer);
        terms.partyHashes[BUYER_RECEIVES] = partyHash(buyer);
        terms.partyHashes[BUYER_PAYS] = partyHash(buyerPays);
    }

    /// @dev Each party pays the next one.
    function ring(uint256 parties, uint96[8] calldata amounts) private returns (CreateParams memory terms) {
        Leg[] memory legs = new Leg[](parties);
        bytes32[] memory hashes = new bytes32[](2 * parties);
        for (uint8 i; i < parties; ++i) {
            Opening memory opening = newParty(string.concat("party ", vm.toString(uint256(i))));
            hashes[2 * i] = entityHash(opening);
            hashes[2 * i + 1] = partyHash(opening);
            uint8 next = uint8((i + 1) % parties);
            legs[i] = legOf(address(bond), uint256(amounts[i]) + 1, 2 * i + 1, 2 * next + 1);
        }
        terms = termsWith(1, legs);
        terms.partyHashes = hashes;
    }

    /// @dev How many fresh slots of the escrow a deposit writes; what it holds in credits and balances is none of them.
    function slotsWrittenBy(CreateParams memory terms, uint256 legIndex) private returns (uint256 count) {
        vm.record();
        pay(terms, legIndex);
        (, bytes32[] memory writes) = vm.accesses(address(escrow));
        return writes.length;
    }
}
