// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { CreateParams, RemotePhase, SettlementState } from "../../src/types/SettlementTypes.sol";
import { CrossChainTest } from "../crosschain/CrossChainTest.sol";

contract CrossChainUnitTest is CrossChainTest {
    function test_BondHereAndCashThere_SettleAtomically() external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        assertEq(phaseOf(terms), RemotePhase.OPEN);
        deposit(terms, 0);
        deposit(terms, 1);
        assertEq(phaseOf(terms), RemotePhase.PREPARED);
        assertEq(stateOf(terms), SettlementState.AWAITING_DEPOSITS);
        sendVote(terms);
        deliverAll();
        assertEq(stateOf(terms), SettlementState.EXECUTING_SWAP);
        coordinator.execute(terms, payeesOf(terms));
        assertEq(bond.balanceOf(buyer.wallet), BOND_AMOUNT);
        sendDecision(terms);
        deliverAll();
        executeThere(terms);
        assertEq(remoteCash.balanceOf(remoteSeller.wallet), CASH_AMOUNT);
        sendVote(terms);
        deliverAll();
        assertEq(stateOf(terms), SettlementState.FINALIZED);
    }
}
