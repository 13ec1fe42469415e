// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { CreateParams, Leg, SettlementState } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";
import {
    BlocklistToken,
    FalseToken,
    FeeToken,
    GasBombToken,
    GasHungryToken,
    HookToken,
    NoReturnToken,
    PlainToken,
    StayingNft,
    TalkativeToken,
    TestNft
} from "../mocks/WeirdTokens.sol";

contract WeirdTokensTest is KeystoneTest {
    uint256 private constant AMOUNT = 1000;
    /// @dev What a wallet would give a last deposit. With forge's billion a gas bomb would leave enough for everybody.
    uint256 private constant ORDINARY_GAS = 1_500_000;
    /// @dev Enough for two payouts, one of which burns all that it gets; not enough to copy 330 kB besides.
    uint256 private constant FRUGAL_GAS = 900_000;
    /// @dev Ways back in, see {arm}.
    uint256 private constant ENTRIES = 10;

    function test_RevertWhen_TokenTakesAFee() external {
        FeeToken token = new FeeToken();
        CreateParams memory terms = against(token, 1);
        open(terms);
        fund(terms, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IKeystoneEscrow.DepositAmountMismatch.selector, address(token), AMOUNT, 990)
        );
        this.payExternally(terms, 0);
    }

    function test_RevertWhen_TokenSaysFalseOnDeposit() external {
        FalseToken token = new FalseToken();
        CreateParams memory terms = against(token, 1);
        open(terms);
        fund(terms, 0);
        token.setRefuses(true);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        this.payExternally(terms, 0);
    }

    function test_RevertWhen_AnNftIsNotHereAfterItsTransfer() external {
        StayingNft nft = new StayingNft();
        Leg[] memory legs = new Leg[](2);
        legs[0] = nftLegOf(address(nft), 1, SELLER, BUYER);
        legs[1] = legOf(address(cash), 1, BUYER, SELLER);
        CreateParams memory terms = termsWith(1, legs);
        open(terms);
        fund(terms, 0);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.TokenNotReceived.selector, address(nft), 1));
        this.payExternally(terms, 0);
    }

    function test_TokenWithoutReturnValue_Settles() external {
        NoReturnToken token = new NoReturnToken();
        CreateParams memory terms = swapTerms(1, address(token), AMOUNT, address(cash), AMOUNT);
        open(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        assertEq(token.balanceOf(buyer.wallet), AMOUNT);
        assertEq(escrow.creditOf(address(token), 0, 0, buyer.wallet), 0);

        terms = swapTerms(2, address(token), AMOUNT, address(cash), AMOUNT);
        open(terms);
        deposit(terms, 0);
        vm.warp(terms.deadline);
        escrow.refund(terms, payersOf(terms));
        assertEq(token.balanceOf(seller.wallet), AMOUNT);
        assertEq(escrow.creditOf(address(token), 0, 0, seller.wallet), 0);
    }

    function test_TokenThatAnswersWhileItRefuses_IsTakenForWhatItIs() external {
        TalkativeToken token = new TalkativeToken();
        CreateParams memory terms = against(token, 1);
        open(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        assertEq(token.balanceOf(buyer.wallet), AMOUNT);
    }

    function test_FalseOnPayout_BecomesACredit() external {
        FalseToken token = new FalseToken();
        CreateParams memory terms = prepared(token);
        token.setRefuses(true);
        settleAndExpectCredit(terms);
        token.setRefuses(false);
        withdrawAll(token);
    }

    function test_BlocklistedPayee_BecomesACredit() external {
        BlocklistToken token = new BlocklistToken();
        CreateParams memory terms = prepared(token);
        token.setBlocked(buyer.wallet, true);
        settleAndExpectCredit(terms);
        token.setBlocked(buyer.wallet, false);
        withdrawAll(token);
    }

    function test_PausedToken_BecomesACredit() external {
        BlocklistToken token = new BlocklistToken();
        CreateParams memory terms = prepared(token);
        token.setPaused(true);
        settleAndExpectCredit(terms);
        token.setPaused(false);
        withdrawAll(token);
    }

    function test_GasBombs_BlockNobody() external {
        GasBombToken.Bomb[2] memory bombs = [GasBombToken.Bomb.Burn, GasBombToken.Bomb.Revert];
        for (uint256 i; i < bombs.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            GasBombToken token = new GasBombToken();
            CreateParams memory terms = prepared(token);
            token.arm(bombs[i]);
            settleAndExpectCredit(terms);
            token.arm(GasBombToken.Bomb.None);
            withdrawAll(token);
            vm.revertToState(snapshot);
        }
    }

    function test_ReturnBombs_AreNotCopied() external {
        GasBombToken.Bomb[2] memory bombs = [GasBombToken.Bomb.Return, GasBombToken.Bomb.Revert];
        for (uint256 i; i < bombs.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            GasBombToken token = new GasBombToken();
            CreateParams memory terms = against(token, 1);
            completeWithoutExecution(terms);
            token.arm(bombs[i]);
            escrow.execute{ gas: FRUGAL_GAS }(terms, payeesOf(terms));
            assertEq(stateOf(terms), SettlementState.FINALIZED);
            assertEq(token.balanceOf(buyer.wallet) + escrow.creditOf(address(token), 0, 0, buyer.wallet), AMOUNT);
            assertEq(cash.balanceOf(seller.wallet), AMOUNT);
            vm.revertToState(snapshot);
        }
    }

    function test_VanishedToken_BecomesACredit() external {
        PlainToken token = new PlainToken();
        CreateParams memory terms = prepared(token);
        vm.etch(address(token), "");
        pay(terms, 1);
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(escrow.creditOf(address(token), 0, 0, buyer.wallet), AMOUNT);
        assertEq(cash.balanceOf(seller.wallet), AMOUNT);
    }

    function test_VanishedNft_BecomesACredit() external {
        TestNft nft = new TestNft();
        Leg[] memory legs = new Leg[](2);
        legs[0] = nftLegOf(address(nft), 7, SELLER, BUYER);
        legs[1] = legOf(address(cash), AMOUNT, BUYER, SELLER);
        CreateParams memory terms = termsWith(1, legs);
        open(terms);
        deposit(terms, 0);
        vm.etch(address(nft), "");
        deposit(terms, 1);
        assertEq(escrow.creditOf(address(nft), 7, 0, buyer.wallet), 1);
        assertEq(cash.balanceOf(seller.wallet), AMOUNT);
    }

    /// @dev Whoever executes chooses the gas. Too little must fail as a whole, never turn an honest payout into a credit.
    function testFuzz_ExecutingWithLittleGas_CannotForceACredit(uint256 gasLimit) external {
        GasHungryToken token = new GasHungryToken();
        CreateParams memory terms = swapTerms(1, address(cash), AMOUNT, address(token), AMOUNT);
        completeWithoutExecution(terms);
        gasLimit = bound(gasLimit, 100_000, 900_000);
        vm.prank(stranger);
        (bool success,) =
            address(escrow).call{ gas: gasLimit }(abi.encodeCall(escrow.execute, (terms, payeesOf(terms))));
        assertEq(escrow.creditOf(address(token), 0, 0, seller.wallet), 0);
        assertEq(token.balanceOf(seller.wallet), success ? AMOUNT : 0);
    }

    function test_CreditsOfOneWalletAddUp() external {
        BlocklistToken token = new BlocklistToken();
        CreateParams memory first = against(token, 1);
        CreateParams memory second = against(token, 2);
        open(first);
        open(second);
        deposit(first, 0);
        deposit(second, 0);
        token.setBlocked(buyer.wallet, true);
        deposit(first, 1);
        deposit(second, 1);
        assertEq(escrow.creditOf(address(token), 0, 0, buyer.wallet), 2 * AMOUNT);
        token.setBlocked(buyer.wallet, false);
        escrow.withdraw(address(token), 0, 0, buyer.wallet);
        assertEq(token.balanceOf(buyer.wallet), 2 * AMOUNT);
    }

    function test_ReentryDuringDeposit_Fails() external {
        for (uint256 entry; entry < ENTRIES; ++entry) {
            uint256 snapshot = vm.snapshotState();
            HookToken token = new HookToken();
            CreateParams memory terms = against(token, 1);
            open(terms);
            deposit(terms, 1);
            fund(terms, 0);
            arm(token, terms, entry);
            pay(terms, 0);
            assertEq(stateOf(terms), SettlementState.FINALIZED);
            expectAllReentriesFailed(token);
            assertEq(token.balanceOf(buyer.wallet), AMOUNT);
            assertEq(cash.balanceOf(seller.wallet), AMOUNT);
            vm.revertToState(snapshot);
        }
    }

    function test_ReentryDuringPayout_Fails_AndTheStateIsAlreadyWritten() external {
        for (uint256 entry; entry < ENTRIES; ++entry) {
            uint256 snapshot = vm.snapshotState();
            HookToken token = new HookToken();
            CreateParams memory terms = against(token, 1);
            // A second settlement of the same token, whose pooled funds a reentrant payout would take.
            CreateParams memory other = against(token, 2);
            open(terms);
            open(other);
            deposit(other, 0);
            deposit(terms, 0);
            arm(token, terms, entry);
            token.observe(address(coordinator), abi.encodeCall(coordinator.stateOf, (terms.settlementId)), 0);
            deposit(terms, 1);
            expectAllReentriesFailed(token);
            assertEq(token.lastWord(), SettlementState.EXECUTING_SWAP);
            assertEq(token.balanceOf(buyer.wallet), AMOUNT);
            assertEq(token.balanceOf(address(escrow)), AMOUNT);
            vm.revertToState(snapshot);
        }
    }

    function test_ReentryDuringRefundAndWithdraw_Fails_AndTheClaimIsAlreadyTaken() external {
        for (uint256 entry; entry < ENTRIES; ++entry) {
            uint256 snapshot = vm.snapshotState();
            HookToken token = new HookToken();
            CreateParams memory terms = against(token, 1);
            CreateParams memory other = against(token, 2);
            open(terms);
            open(other);
            deposit(other, 0);
            deposit(terms, 0);
            vm.warp(terms.deadline);
            coordinator.timeout(terms.settlementId);
            arm(token, terms, entry);
            token.observe(address(coordinator), abi.encodeCall(coordinator.settlementOf, (terms.settlementId)), 5);
            escrow.refund(terms, payersOf(terms));
            expectAllReentriesFailed(token);
            assertEq(token.lastWord(), 1, "refundedBits are written before the tokens leave");
            assertEq(token.balanceOf(seller.wallet), AMOUNT);
            assertEq(token.balanceOf(address(escrow)), AMOUNT);
            vm.revertToState(snapshot);
        }
    }

    /// @dev So that expectRevert meets the deposit and not the preparations for it.
    function payExternally(CreateParams memory terms, uint256 legIndex) external {
        pay(terms, legIndex);
    }

    function against(PlainToken token, uint256 number) private view returns (CreateParams memory) {
        return swapTerms(number, address(token), AMOUNT, address(cash), AMOUNT);
    }

    /// @dev The token's leg is in, the cash leg is funded.
    function prepared(PlainToken token) private returns (CreateParams memory terms) {
        terms = against(token, 1);
        open(terms);
        deposit(terms, 0);
        fund(terms, 1);
    }

    function settleAndExpectCredit(CreateParams memory terms) private {
        address token = terms.legs[0].token;
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.expectEmit(address(escrow));
        emit IKeystoneEscrow.PayoutCredited(terms.settlementId, 0, buyer.wallet, token, 0, AMOUNT);
        vm.prank(buyer.wallet);
        escrow.depositLeg{ gas: ORDINARY_GAS }(terms, 1, buyer, seller, termsHash);
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(cash.balanceOf(seller.wallet), AMOUNT);
        assertEq(escrow.creditOf(token, 0, 0, buyer.wallet), AMOUNT);
    }

    function withdrawAll(PlainToken token) private {
        vm.prank(stranger);
        escrow.withdraw(address(token), 0, 0, buyer.wallet);
        assertEq(token.balanceOf(buyer.wallet), AMOUNT);
        assertEq(token.balanceOf(address(escrow)), 0);
    }

    function arm(HookToken token, CreateParams memory terms, uint256 entry) private {
        bytes32 termsHash = coordinator.hashTerms(terms);
        address target = entry < 5 ? address(escrow) : address(coordinator);
        bytes memory call;
        if (entry == 0) call = abi.encodeCall(escrow.depositLeg, (terms, 0, seller, buyer, termsHash));
        if (entry == 1) call = abi.encodeCall(escrow.execute, (terms, payeesOf(terms)));
        if (entry == 2) call = abi.encodeCall(escrow.executeFromDeposit, (terms, 0, seller, buyer, termsHash));
        if (entry == 3) call = abi.encodeCall(escrow.refund, (terms, payersOf(terms)));
        if (entry == 4) call = abi.encodeCall(escrow.withdraw, (address(token), 0, 0, buyer.wallet));
        if (entry == 5) call = abi.encodeCall(coordinator.execute, (terms, payeesOf(terms)));
        if (entry == 6) call = abi.encodeCall(coordinator.timeout, (terms.settlementId));
        // Three calls that nothing but the lock refuses, since they concern other settlements and a credit that exists.
        if (entry == 7) {
            CreateParams memory other = refundable();
            (target, call) = (address(escrow), abi.encodeCall(escrow.refund, (other, payersOf(other))));
        }
        if (entry == 9) {
            CreateParams memory other = executable();
            (target, call) = (address(escrow), abi.encodeCall(escrow.execute, (other, payeesOf(other))));
        }
        if (entry == 8) {
            address wallet = credited();
            (target, call) = (address(escrow), abi.encodeCall(escrow.withdraw, (wallet, 0, 0, seller.wallet)));
        }
        token.callOut(address(escrow), target, call);
    }

    /// @dev Another settlement, rolled back, whose cash leg is in.
    function refundable() private returns (CreateParams memory terms) {
        terms = swapTerms(99, address(bond), AMOUNT, address(cash), AMOUNT);
        open(terms);
        deposit(terms, 1);
        vm.prank(engine);
        coordinator.transition(terms.settlementId, SettlementState.ROLLED_BACK, "abort");
    }

    /// @dev Another settlement, complete, whose automatic execution failed.
    function executable() private returns (CreateParams memory terms) {
        terms = swapTerms(99, address(bond), AMOUNT, address(cash), AMOUNT);
        completeWithoutExecution(terms);
    }

    /// @dev Every leg is in, and the gate refused the automatic execution.
    function completeWithoutExecution(CreateParams memory terms) private {
        open(terms);
        deposit(terms, 0);
        vm.mockCallRevert(address(coordinator), abi.encodeWithSelector(IGate.beginExecution.selector), "not now");
        deposit(terms, 1);
        vm.clearMockedCalls();
    }

    /// @dev A token in which the seller has a credit that could be delivered.
    function credited() private returns (address) {
        BlocklistToken token = new BlocklistToken();
        CreateParams memory terms = swapTerms(99, address(token), AMOUNT, address(bond), AMOUNT);
        open(terms);
        deposit(terms, 0);
        token.setBlocked(seller.wallet, true);
        vm.prank(engine);
        coordinator.transition(terms.settlementId, SettlementState.ROLLED_BACK, "abort");
        escrow.refund(terms, payersOf(terms));
        token.setBlocked(seller.wallet, false);
        return address(token);
    }

    function expectAllReentriesFailed(HookToken token) private view {
        assertGt(token.calls(), 0);
        assertFalse(token.anySucceeded());
    }
}
