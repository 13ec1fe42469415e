// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { CreateParams, Leg } from "../../src/types/SettlementTypes.sol";
import { CrossChainTest } from "../crosschain/CrossChainTest.sol";
import { AttackBase } from "./AttackBase.sol";

/// @title What attacks on funds and attacks on messages have in common.
abstract contract AttackBase is CrossChainTest {
    uint256 internal constant AMOUNT = 1_000;

    /// @dev So that expectRevert meets the deposit and not the preparations for it.
    function payExternally(CreateParams memory terms, uint256 legIndex) external {
        pay(terms, legIndex);
    }

    function poke(address target, bytes memory call) internal {
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        (bool success,) = target.call{ value: isPayable(call) ? MESSAGE_FEE : 0 }(call);
        success;
    }

    function isPayable(bytes memory call) internal view returns (bool) {
        bytes4 selector = bytes4(call);
        return selector == gateway.sendVote.selector || selector == coordinator.sendDecision.selector;
    }

    function decided(CreateParams memory terms) internal {
        openEverywhere(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        sendVote(terms);
        deliverAll();
        sendDecision(terms);
        deliverAll();
    }

    function here(uint256 number, address token0, address token1) internal view returns (CreateParams memory) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = legOf(token0, AMOUNT, SELLER_HERE, BUYER_HERE);
        legs[1] = legOf(token1, AMOUNT, BUYER_HERE, SELLER_HERE);
        return crossTerms(number, legs);
    }

    function there(uint256 number, address token0, address token1) internal view returns (CreateParams memory) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = remoteLegOf(token0, AMOUNT, SELLER_THERE, BUYER_THERE);
        legs[1] = remoteLegOf(token1, AMOUNT, BUYER_THERE, SELLER_THERE);
        return crossTerms(number, legs);
    }
}
