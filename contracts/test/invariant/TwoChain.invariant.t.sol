// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Test } from "forge-std/Test.sol";
import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { MessageKind } from "../../src/messaging/MessageCodec.sol";
import { RemotePhase, SettlementState } from "../../src/types/SettlementTypes.sol";
import { TwoChainAdversary } from "./TwoChainAdversary.sol";
import { TwoChainHandler } from "./TwoChainHandler.sol";
import { TwoChainLedger } from "./TwoChainLedger.sol";

/// @title What holds after every action on two chains, whatever the order, whoever acts, and whatever becomes of the messages.
/// @dev I3 (terminal states absorb), I4 (only listed transitions), I5 (gates are open when they are passed), the recipients of I6 and I9
/// (repetition changes nothing) are checked by the handler's ledger event by event, and end a run by reverting.
contract TwoChainInvariantTest is Test {
    TwoChainHandler private handler;

    function setUp() external {
        handler = new TwoChainHandler();
        handler.setUp();
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), _actions()));
    }

    /// @notice I1, I2, I6, I8: the escrows hold what they owe; no settlement has two outcomes; each leg leaves once and in full.
    function invariant_NoOutcomeIsMixed_NothingIsLost() external view {
        _requireBacking();
        for (uint256 i; i < handler.count(); ++i) {
            _requireOneOutcome(i);
        }
    }

    /// @notice I7: when it is over, nobody needs us to bring everything to an end, and no token stays behind.
    function afterInvariant() external {
        handler.finishEverything();
        _requireBacking();
        address[2][9] memory holdings = handler.holdings();
        for (uint256 i; i < holdings.length; ++i) {
            (address escrow, address token) = (holdings[i][0], holdings[i][1]);
            assertEq(IERC20(token).balanceOf(escrow), handler.donated(escrow, token), "a token was left behind");
        }
        for (uint256 i; i < handler.count(); ++i) {
            _requireOneOutcome(i);
            TwoChainLedger.Story memory story = handler.story(i);
            // A chain whose parties took their legs back together never reports EXECUTED.
            if (!story.consented) assertGe(story.state, SettlementState.FINALIZED, "not at an end");
            assertTrue(
                story.phase == RemotePhase.NONE || story.phase >= RemotePhase.EXECUTED,
                "not at an end on the other chain"
            );
        }
    }

    /// @dev Guards the handler: over runs in which nothing happens, everything holds.
    function test_EverythingReallyHappens() external {
        bytes4[] memory actions = _actions();
        bytes32[28] memory names = _names();
        uint256[28] memory totals;
        for (uint256 campaign; campaign < 8; ++campaign) {
            TwoChainHandler world = new TwoChainHandler();
            world.setUp();
            for (uint256 i; i < 200; ++i) {
                uint256 word = uint256(keccak256(abi.encode("everything", campaign, i)));
                (bool success, bytes memory reason) = address(world)
                    .call(abi.encodePacked(actions[word % actions.length], word >> 8, (word >> 7) % 256, word));
                assertTrue(success, string(reason));
            }
            world.finishEverything();
            for (uint256 i; i < names.length; ++i) {
                totals[i] += world.happened(names[i]);
            }
        }
        for (uint256 i; i < names.length; ++i) {
            emit log_named_uint(string(abi.encodePacked(names[i])), totals[i]);
        }
        for (uint256 i; i < names.length; ++i) {
            assertGt(totals[i], 0, string.concat("never happened: ", string(abi.encodePacked(names[i]))));
        }
    }

    function _requireBacking() private view {
        address[2][9] memory holdings = handler.holdings();
        for (uint256 i; i < holdings.length; ++i) {
            (address escrow, address token) = (holdings[i][0], holdings[i][1]);
            uint256 expected = handler.owed(escrow, token) + handler.donated(escrow, token);
            assertEq(IERC20(token).balanceOf(escrow), expected, "an escrow holds another amount than it owes");
        }
    }

    function _requireOneOutcome(uint256 index) private view {
        TwoChainLedger.Story memory story = handler.story(index);
        bool paid;
        bool refunded;
        for (uint256 i; i < story.legs; ++i) {
            TwoChainLedger.LegBook memory book = handler.bookOf(index, i);
            assertTrue(book.deposited == 0 || book.deposited == book.amount, "a leg was paid in twice or in part");
            uint256 out = book.paid + book.feesPaid;
            if (out != 0) {
                assertEq(book.paid, book.amount - book.fees, "a payout is not the deposit without its fees");
                assertEq(book.feesPaid, book.fees, "a fee is missing");
                assertEq(book.deposited, book.amount, "paid out what nobody paid in");
                paid = true;
            }
            if (book.refunded != 0) {
                assertEq(book.refunded, book.deposited, "a refund is not the deposit");
                refunded = true;
            }
        }
        // All who signed a release may agree on what the coordinator, out of reach, has not decided.
        if (story.consented) return;
        assertFalse(paid && refunded, "one leg paid and another refunded");
        if (paid) assertEq(story.decision, MessageKind.EXECUTE, "paid without the decision");
        if (refunded && story.phase != RemotePhase.ROLLED_BACK) {
            assertEq(story.decision, MessageKind.ROLLBACK, "refunded without the decision");
        }
    }

    function _names() private pure returns (bytes32[28] memory) {
        return [
            bytes32("created"),
            "finalized at home",
            "finalized across chains",
            "rolled back",
            "timed out",
            "executions decided",
            "executed there",
            "rolled back there",
            "refunded unilaterally",
            "tombstones",
            "released together",
            "legs deposited",
            "legs paid",
            "legs refunded",
            "legs refunded alone",
            "credits given",
            "credits taken",
            "executions failed",
            "votes counted",
            "votes ignored",
            "messages delivered",
            "messages ignored",
            "messages repeated",
            "messages starved",
            "duplicates refused",
            "proposals accepted",
            "bad tokens refused",
            "deposits paused"
        ];
    }

    /// @dev Some twice or thrice: what brings a settlement forward has to happen more often than what ends it.
    function _actions() private pure returns (bytes4[] memory actions) {
        actions = new bytes4[](28);
        actions[0] = TwoChainHandler.createSettlement.selector;
        actions[1] = TwoChainHandler.createSettlement.selector;
        actions[2] = TwoChainHandler.depositOne.selector;
        actions[3] = TwoChainHandler.depositOne.selector;
        actions[4] = TwoChainHandler.depositAll.selector;
        actions[5] = TwoChainHandler.progress.selector;
        actions[6] = TwoChainHandler.progress.selector;
        actions[7] = TwoChainHandler.progress.selector;
        actions[8] = TwoChainHandler.progressAll.selector;
        actions[9] = TwoChainHandler.deliverAny.selector;
        actions[10] = TwoChainHandler.deliverAny.selector;
        actions[11] = TwoChainHandler.deliverAny.selector;
        actions[12] = TwoChainAdversary.deliverTwice.selector;
        actions[13] = TwoChainAdversary.repeat.selector;
        actions[14] = TwoChainAdversary.starveAny.selector;
        actions[15] = TwoChainAdversary.engineProposes.selector;
        actions[16] = TwoChainAdversary.attest.selector;
        actions[17] = TwoChainAdversary.strangerTries.selector;
        actions[18] = TwoChainAdversary.strangerPretends.selector;
        actions[19] = TwoChainAdversary.armHook.selector;
        actions[20] = TwoChainAdversary.toggleBlock.selector;
        actions[21] = TwoChainHandler.withdraw.selector;
        actions[22] = TwoChainHandler.donate.selector;
        actions[23] = TwoChainAdversary.depositShrinking.selector;
        actions[24] = TwoChainAdversary.pauseAWhile.selector;
        actions[25] = TwoChainHandler.wait.selector;
        actions[26] = TwoChainHandler.refundOwn.selector;
        actions[27] = TwoChainHandler.releaseTogether.selector;
    }
}
