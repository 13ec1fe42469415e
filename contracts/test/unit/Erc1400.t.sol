// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { IPartitionedToken } from "../../src/interfaces/IPartitionedToken.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { KFUND } from "../../src/tokens/KFUND.sol";
import { CreateParams, Fee, Leg, SettlementState, TokenStandard } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";

/// @dev Hands over less than it was asked for.
contract TakingFund is KFUND {
    function operatorTransferByPartition(
        bytes32 partition,
        address from,
        address to,
        uint256 value,
        bytes calldata,
        bytes calldata
    ) external override returns (bytes32) {
        _move(partition, from, to, value - 1);
        return partition;
    }
}

/// @dev Moves what it receives into another partition, as locked-up issues do.
contract MovingFund is KFUND {
    function operatorTransferByPartition(
        bytes32 partition,
        address from,
        address to,
        uint256 value,
        bytes calldata,
        bytes calldata
    ) external override returns (bytes32) {
        _move(partition, from, address(this), value);
        _move(partition, address(this), address(0xdead), value);
        _mint("elsewhere", to, value);
        return "elsewhere";
    }
}

/// @title Fund shares by partition; see erc1400.tree.
contract Erc1400Test is KeystoneTest {
    bytes32 private constant SERIES_A = "series A";
    bytes32 private constant SERIES_B = "series B";
    uint256 private constant SHARES = 40e18;
    KFUND private fund_;

    function setUp() public override {
        super.setUp();
        fund_ = new KFUND();
    }

    function test_Shares_AreSwappedWithinTheirPartition() external {
        CreateParams memory terms = sharesForCash(1, fund_, SERIES_A);
        terms.legs[0].fees = new Fee[](1);
        terms.legs[0].fees[0] = Fee(stranger, 1e18);
        open(terms);
        fund(terms, 0);
        vm.expectCall(
            address(fund_),
            abi.encodeCall(
                IPartitionedToken.canTransferByPartition, (seller.wallet, address(escrow), SERIES_A, SHARES, "")
            )
        );
        pay(terms, 0);
        assertEq(fund_.balanceOfByPartition(SERIES_A, address(escrow)), SHARES);
        deposit(terms, 1);
        assertEq(fund_.balanceOfByPartition(SERIES_A, buyer.wallet), SHARES - 1e18);
        assertEq(fund_.balanceOfByPartition(SERIES_A, stranger), 1e18);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT);
    }

    function test_RevertWhen_TheTokenSaysThatTheDepositMayNotBeMade() external {
        CreateParams memory terms = sharesForCash(1, fund_, SERIES_A);
        open(terms);
        fund(terms, 0);
        fund_.setLocked(seller.wallet, true);
        vm.expectRevert(
            abi.encodeWithSelector(IKeystoneEscrow.TransferRefused.selector, address(fund_), bytes1(0x55), bytes32(0))
        );
        this.payExternally(terms, 0);
        fund_.setLocked(seller.wallet, false);
        pay(terms, 0);
    }

    function test_RevertWhen_TheEscrowIsNoOperator_OrReceivesAnythingElse() external {
        CreateParams memory terms = sharesForCash(1, fund_, SERIES_A);
        open(terms);
        fund_.mint(SERIES_A, seller.wallet, SHARES);
        vm.expectRevert(abi.encodeWithSelector(KFUND.NotAnOperator.selector, address(escrow), seller.wallet));
        this.payExternally(terms, 0);

        KFUND[2] memory dishonest = [KFUND(new TakingFund()), KFUND(new MovingFund())];
        for (uint256 i; i < 2; ++i) {
            terms = sharesForCash(2 + i, dishonest[i], SERIES_A);
            open(terms);
            fund(terms, 0);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IKeystoneEscrow.DepositAmountMismatch.selector,
                    address(dishonest[i]),
                    SHARES,
                    i == 0 ? SHARES - 1 : 0
                )
            );
            this.payExternally(terms, 0);
        }
    }

    function test_AVanishedToken_BecomesACredit() external {
        CreateParams memory terms = sharesForCash(1, fund_, SERIES_A);
        open(terms);
        deposit(terms, 0);
        vm.etch(address(fund_), "");
        deposit(terms, 1);
        assertEq(escrow.creditOf(address(fund_), 0, SERIES_A, buyer.wallet), SHARES);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT);
    }

    function test_ARefusedPayout_BecomesACredit_OfThatPartitionAlone() external {
        CreateParams memory terms = sharesForCash(1, fund_, SERIES_A);
        open(terms);
        deposit(terms, 0);
        fund_.setLocked(buyer.wallet, true);
        deposit(terms, 1);
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT);
        assertEq(escrow.creditOf(address(fund_), 0, SERIES_A, buyer.wallet), SHARES);
        assertEq(escrow.creditOf(address(fund_), 0, SERIES_B, buyer.wallet), 0);
        vm.expectRevert(abi.encodeWithSelector(KFUND.TransferRefused.selector, bytes1(0x55)));
        escrow.withdraw(address(fund_), 0, SERIES_A, buyer.wallet);
        fund_.setLocked(buyer.wallet, false);
        bytes memory nothing = abi.encodeWithSelector(
            IKeystoneEscrow.NothingToWithdraw.selector, address(fund_), 0, SERIES_B, buyer.wallet
        );
        vm.expectRevert(nothing);
        escrow.withdraw(address(fund_), 0, SERIES_B, buyer.wallet);
        escrow.withdraw(address(fund_), 0, SERIES_A, buyer.wallet);
        assertEq(fund_.balanceOfByPartition(SERIES_A, buyer.wallet), SHARES);
    }

    function test_TheTestFund_SaysWhyItRefuses() external {
        fund_.mint(SERIES_A, seller.wallet, 1);
        (bytes1 code,,) = fund_.canTransferByPartition(seller.wallet, address(0), SERIES_A, 1, "");
        assertEq(code, bytes1(0x57));
        (code,,) = fund_.canTransferByPartition(seller.wallet, buyer.wallet, SERIES_A, 2, "");
        assertEq(code, bytes1(0x52));
        (code,,) = fund_.canTransferByPartition(seller.wallet, buyer.wallet, SERIES_A, 1, "");
        assertEq(code, bytes1(0x51));
    }

    function test_Shares_AreRefundedWithinTheirPartition() external {
        CreateParams memory terms = sharesForCash(1, fund_, SERIES_B);
        open(terms);
        deposit(terms, 0);
        vm.warp(terms.deadline);
        escrow.refund(terms, payersOf(terms));
        assertEq(fund_.balanceOfByPartition(SERIES_B, seller.wallet), SHARES);
    }

    function test_RevertWhen_ATokenIsTradedUnderAStandardThatItDoesNotShow() external {
        uint8[2] memory fungible = [TokenStandard.ERC20, TokenStandard.ERC3643];
        for (uint256 i; i < 2; ++i) {
            CreateParams memory terms = swapTerms(1 + i, address(fund_), SHARES, address(cash), 1);
            terms.legs[0].tokenStandard = fungible[i];
            expectMismatch(terms);
        }
        CreateParams memory plain = sharesForCash(3, KFUND(address(bond)), SERIES_A);
        open(plain);
        vm.expectRevert(
            abi.encodeWithSelector(IKeystoneEscrow.TokenStandardMismatch.selector, address(bond), TokenStandard.ERC1400)
        );
        this.payExternally(plain, 0);
    }

    function test_RevertWhen_APartitionIsMissing_OrNamedUnderAnotherStandard() external {
        CreateParams memory terms = sharesForCash(1, fund_, 0);
        expectSelectorRefused(terms);
        terms = sharesForCash(1, fund_, SERIES_A);
        terms.legs[0].tokenId = 1;
        expectSelectorRefused(terms);
        for (uint8 standard; standard < 4; ++standard) {
            if (standard == TokenStandard.ERC1400) continue;
            terms = sharesForCash(1, fund_, SERIES_A);
            terms.legs[0].tokenStandard = standard;
            terms.legs[0].amount = 1;
            expectSelectorRefused(terms);
        }
    }

    /// @dev So that expectRevert meets the deposit and not the preparations for it.
    function payExternally(CreateParams memory terms, uint256 legIndex) external {
        pay(terms, legIndex);
    }

    function sharesForCash(uint256 number, KFUND token, bytes32 partition) private view returns (CreateParams memory) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = partitionedLegOf(address(token), partition, SHARES, SELLER, BUYER);
        legs[1] = legOf(address(cash), CASH_AMOUNT, BUYER, SELLER);
        return termsWith(number, legs);
    }

    function expectMismatch(CreateParams memory terms) private {
        open(terms);
        vm.expectRevert(
            abi.encodeWithSelector(
                IKeystoneEscrow.TokenStandardMismatch.selector, terms.legs[0].token, terms.legs[0].tokenStandard
            )
        );
        this.payExternally(terms, 0);
    }

    function expectSelectorRefused(CreateParams memory terms) private {
        Leg memory leg = terms.legs[0];
        vm.prank(creator);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.InvalidTokenSelector.selector, 0, leg.tokenId, leg.partition)
        );
        coordinator.createSettlement(terms);
    }
}
