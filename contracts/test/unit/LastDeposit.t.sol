// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IGate } from "../../src/interfaces/IGate.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MAX_FEES, MAX_LEGS, MAX_PARTIES } from "../../src/types/Limits.sol";
import { CreateParams, Fee, Leg, Opening, SettlementState, TokenStandard } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";
import { DrainingToken, SlowPullToken, TestNft } from "../mocks/WeirdTokens.sol";

contract LastDepositTest is KeystoneTest {
    function test_LastDeposit_SwapsInTheSameTransaction() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        fund(terms, 1);
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
        fund(terms, 1);
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

    /// @dev Gas estimation finds the least gas with which the call succeeds. It must not find one that starves the swap.
    function testFuzz_LastDeposit_SwapsOrDoesNothing_WhateverTheGas(uint256 gasLimit) external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        fund(terms, 1);
        gasLimit = bound(gasLimit, 30_000, 2_000_000);
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

    /// @dev The same when the token eats what the deposit had set aside for the execution.
    function testFuzz_LastDepositOfASlowToken_SwapsOrDoesNothing(uint256 gasLimit) external {
        SlowPullToken token = new SlowPullToken();
        CreateParams memory terms = swapTerms(1, address(bond), BOND_AMOUNT, address(token), CASH_AMOUNT);
        open(terms);
        deposit(terms, 0);
        fund(terms, 1);
        gasLimit = bound(gasLimit, 1_200_000, 2_500_000);
        bytes memory call = abi.encodeCall(escrow.depositLeg, (terms, 1, buyer, seller, coordinator.hashTerms(terms)));
        vm.prank(buyer.wallet);
        (bool success,) = address(escrow).call{ gas: gasLimit }(call);
        assertEq(stateOf(terms), success ? SettlementState.FINALIZED : SettlementState.AWAITING_DEPOSITS);
        assertEq(token.balanceOf(buyer.wallet), success ? 0 : CASH_AMOUNT);
    }

    /// @dev Both parties estimate before either has paid in, and both transactions land in one block: the least gas that a deposit needs as
    /// the first one is enough for it as the last one. Each estimates its own call; how many legs precede it costs it a few gas.
    function test_TheLeastGasOfAFirstDeposit_IsEnoughForTheLast() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms, 0);
        fund(terms, 1);
        uint256 start = vm.snapshotState();
        for (uint256 last; last < 2; ++last) {
            uint256 enough = 2_000_000;
            uint256 tooLittle = 100_000;
            while (enough - tooLittle > 1) {
                uint256 limit = (enough + tooLittle) / 2;
                if (depositWithin(limit, terms, last)) enough = limit;
                else tooLittle = limit;
                vm.revertToState(start);
            }
            assertTrue(depositWithin(2_000_000, terms, 1 - last));
            assertTrue(depositWithin(enough, terms, last));
            assertSwapped(terms);
            vm.revertToState(start);
        }
    }

    /// @dev Two payouts, then forty, each of which takes all the gas that it may, after a deposit that has left no more than it must: whatever
    /// a last deposit accepts pays everybody.
    function test_TheLeastGasLeftByADeposit_CoversEveryPayout() external {
        for (uint256 size; size < 2; ++size) {
            DrainingToken token = new DrainingToken();
            CreateParams memory terms = size == 0
                ? swapTerms(1, address(token), 1_000, address(token), 1_000)
                : largestTerms(2, address(token));
            uint256 last = terms.legs.length - 1;
            open(terms);
            for (uint256 i; i < last; ++i) {
                deposit(terms, i);
            }
            fund(terms, last);
            uint256 start = vm.snapshotState();
            uint256 enough = 1 << 24;
            uint256 tooLittle = 100_000;
            while (enough - tooLittle > 1) {
                token.leave((enough + tooLittle) / 2);
                if (depositWithin(1 << 24, terms, last)) enough = token.leaves();
                else tooLittle = token.leaves();
                vm.revertToState(start);
            }
            token.leave(enough);
            assertTrue(depositWithin(1 << 24, terms, last));
            assertEq(stateOf(terms), SettlementState.FINALIZED);
            uint256 rest = size == 0 ? 1_000 : 4 * (1_000 - MAX_FEES);
            assertEq(escrow.creditOf(address(token), 0, 0, buyer.wallet), rest);
            assertEq(escrow.creditOf(address(token), 0, 0, seller.wallet), rest);
        }
    }

    function testFuzz_TwoDepositsEstimatedAsFirst_BothPassOrTheFirstIsRefused(uint256 gasLimit, bool buyerIsLast)
        external
    {
        CreateParams memory terms = dvp(1);
        open(terms);
        fund(terms, 0);
        fund(terms, 1);
        gasLimit = bound(gasLimit, 100_000, 2_000_000);
        uint256 last = buyerIsLast ? 1 : 0;
        uint256 start = vm.snapshotState();
        vm.assume(depositWithin(gasLimit, terms, last));
        vm.revertToState(start);
        assertTrue(depositWithin(2_000_000, terms, 1 - last));
        assertTrue(depositWithin(gasLimit, terms, last));
        assertSwapped(terms);
    }

    function testFuzz_Execute_PaysOrDoesNothing_WhateverTheGas(uint256 gasLimit) external {
        CreateParams memory terms = failedAutoExecution(1);
        gasLimit = bound(gasLimit, 30_000, 1_200_000);
        vm.prank(stranger);
        (bool success,) =
            address(coordinator).call{ gas: gasLimit }(abi.encodeCall(coordinator.execute, (terms, payeesOf(terms))));
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
        coordinator.execute(terms, payeesOf(terms));
        assertSwapped(terms);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.InvalidTransition.selector, terms.settlementId, 5, 4)
        );
        coordinator.execute(terms, payeesOf(terms));
    }

    function test_TheLargestSettlement_FitsIntoOneTransaction() external {
        CreateParams memory terms = largestTerms(1, address(cash));
        bytes32[] memory parties = new bytes32[](MAX_PARTIES);
        for (uint256 i; i < MAX_PARTIES; ++i) {
            parties[i] = i < 4 ? terms.partyHashes[i] : keccak256(abi.encode(i));
        }
        terms.partyHashes = parties;
        open(terms);
        for (uint256 i; i + 1 < MAX_LEGS; ++i) {
            deposit(terms, i);
        }
        fund(terms, MAX_LEGS - 1);
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

    /// @dev As many legs as there can be, each with as many fees, all in one token.
    function largestTerms(uint256 number, address token) private view returns (CreateParams memory) {
        Leg[] memory legs = new Leg[](MAX_LEGS);
        for (uint256 i; i < MAX_LEGS; ++i) {
            legs[i] = legOf(token, 1_000, i % 2 == 0 ? SELLER : BUYER, i % 2 == 0 ? BUYER : SELLER);
            legs[i].fees = new Fee[](MAX_FEES);
            for (uint256 j; j < MAX_FEES; ++j) {
                legs[i].fees[j] = Fee(address(uint160(0xfee000 + 10 * i + j)), 1);
            }
        }
        return termsWith(number, legs);
    }

    /// @dev No ordinary cause makes an automatic execution fail, so the gate is made to refuse it once.
    function failedAutoExecution(uint256 number) internal returns (CreateParams memory terms) {
        terms = dvp(number);
        open(terms);
        deposit(terms, 0);
        fund(terms, 1);
        vm.mockCallRevert(address(coordinator), abi.encodeWithSelector(IGate.beginExecution.selector), "not now");
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.ExecutionFailed(terms.settlementId, "not now");
        pay(terms, 1);
        vm.clearMockedCalls();
    }

    function depositWithin(uint256 gasLimit, CreateParams memory terms, uint256 leg) private returns (bool success) {
        (Opening memory payer, Opening memory payee) = leg % 2 == 0 ? (seller, buyer) : (buyer, seller);
        bytes memory call = abi.encodeCall(escrow.depositLeg, (terms, leg, payer, payee, coordinator.hashTerms(terms)));
        vm.prank(payer.wallet);
        (success,) = address(escrow).call{ gas: gasLimit }(call);
    }

    function assertSwapped(CreateParams memory terms) private view {
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(bond.balanceOf(buyer.wallet), BOND_AMOUNT);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT);
        assertEq(bond.balanceOf(address(escrow)), 0);
        assertEq(cash.balanceOf(address(escrow)), 0);
    }
}
