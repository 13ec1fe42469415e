// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";
import { CreateParams, SettlementState } from "../../src/types/SettlementTypes.sol";
import { SettlementHandler } from "./SettlementHandler.sol";
import { SettlementLedger } from "./SettlementLedger.sol";

/// @title What holds after every action, whatever the order.
contract SettlementInvariantTest is Test {
    SettlementHandler private handler;

    function setUp() external {
        handler = new SettlementHandler();
        handler.setUp();
        bytes4[] memory actions = _actions();
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), actions));
    }

    /// @notice Owed never exceeds held; and nothing but donations is held that is not owed.
    function invariant_TheEscrowHoldsExactlyWhatItOwes() external view {
        address[2] memory tokens = handler.tokens();
        for (uint256 i; i < tokens.length; ++i) {
            uint256 surplus = i == 0 ? handler.donated() : 0;
            assertEq(handler.balanceOfEscrow(tokens[i]), handler.liabilities(tokens[i]) + surplus);
        }
    }

    /// @notice All legs are released, or none; all are refunded, or none; never both; each leaves once, in full.
    function invariant_AllLegsOrNone_EachExactlyOnce() external view {
        for (uint256 i; i < handler.count(); ++i) {
            CreateParams memory terms = handler.recall(i);
            uint8 state = handler.stateAt(i);
            for (uint256 j; j < terms.legs.length; ++j) {
                SettlementLedger.LegBook memory book = handler.bookOf(terms.settlementId, j);
                assertTrue(book.deposited == 0 || book.deposited == terms.legs[j].amount);
                assertEq(book.released, state == SettlementState.FINALIZED ? terms.legs[j].amount : 0);
                assertTrue(book.refunded == 0 || book.refunded == book.deposited);
                if (book.refunded != 0) assertGe(state, SettlementState.ROLLED_BACK);
            }
        }
    }

    /// @notice Terminal states absorb, gates hold, recipients are those of the terms.
    function invariant_NoPromiseWasBroken() external view {
        assertEq(handler.broken(), "");
    }

    /// @notice After the deadlines a stranger brings everything to an end, and nothing stays in the escrow.
    function afterInvariant() external {
        handler.finishEverything();
        for (uint256 i; i < handler.count(); ++i) {
            assertGe(handler.stateAt(i), SettlementState.FINALIZED);
        }
        address[2] memory tokens = handler.tokens();
        assertEq(handler.balanceOfEscrow(tokens[0]), handler.donated());
        assertEq(handler.balanceOfEscrow(tokens[1]), 0);
        assertEq(handler.broken(), "");
    }

    /// @dev Guards the handler: invariants over runs in which nothing happens would hold for any contract.
    function test_TheHandlerMakesProgress() external {
        bytes4[] memory actions = _actions();
        for (uint256 i; i < 300; ++i) {
            uint256 word = uint256(keccak256(abi.encode("progress", i)));
            (bool success,) = address(handler)
                .call(abi.encodePacked(actions[word % actions.length], word >> 8, (word >> 7) % 256, word));
            assertTrue(success);
        }
        assertGt(handler.finalized(), 10, "finalized");
        assertGt(handler.timedOut(), 1, "timed out");
        assertGt(handler.rolledBack(), 1, "rolled back");
        assertGt(handler.refunds(), 1, "refunds");
        assertGt(handler.creditsGiven(), 1, "credits given");
        assertGt(handler.creditsTaken(), 1, "credits taken");
        assertGt(handler.executionsFailed(), 1, "executions failed");
        assertGt(handler.proposalsAccepted(), 0, "proposals accepted");
    }

    function _actions() private pure returns (bytes4[] memory actions) {
        actions = new bytes4[](16);
        actions[0] = SettlementHandler.createSettlement.selector;
        actions[1] = SettlementHandler.depositOne.selector;
        actions[2] = SettlementHandler.depositOne.selector;
        actions[3] = SettlementHandler.depositAll.selector;
        actions[4] = SettlementHandler.depositAllWithoutExecution.selector;
        actions[5] = SettlementHandler.execute.selector;
        actions[6] = SettlementHandler.refund.selector;
        actions[7] = SettlementHandler.timeout.selector;
        actions[8] = SettlementHandler.engineProposes.selector;
        actions[9] = SettlementHandler.rollBack.selector;
        actions[10] = SettlementHandler.attest.selector;
        actions[11] = SettlementHandler.strangerTries.selector;
        actions[12] = SettlementHandler.toggleBlock.selector;
        actions[13] = SettlementHandler.withdraw.selector;
        actions[14] = SettlementHandler.donate.selector;
        actions[15] = SettlementHandler.wait.selector;
    }
}
