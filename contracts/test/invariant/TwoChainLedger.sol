// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Vm } from "forge-std/Vm.sol";
import { IGateway } from "../../src/interfaces/IGateway.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { IMessaging } from "../../src/interfaces/IMessaging.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MessageKind } from "../../src/messaging/MessageCodec.sol";
import {
    CreateParams,
    Leg,
    RemotePhase,
    RemoteSettlement,
    RollbackReason,
    SettlementState
} from "../../src/types/SettlementTypes.sol";
import { CrossChainTest } from "../crosschain/CrossChainTest.sol";

/// @title An independent book of what the contracts of both chains say in their events, kept leg by leg.
/// @dev It reads logs and terms, never the contracts' own accounting, so that a wrong account cannot vouch for itself. Whatever breaks a promise
/// reverts here, and with `fail_on_revert` a revert anywhere ends the run.
abstract contract TwoChainLedger is CrossChainTest {
    /// @dev What happened to one leg, in base units. `payer`, `payee` and `fees` are those of the terms.
    struct LegBook {
        address escrow;
        address token;
        address payer;
        address payee;
        uint256 amount;
        uint256 fees;
        uint256 deposited;
        uint256 paid;
        uint256 feesPaid;
        uint256 refunded;
    }

    /// @dev What is known of a settlement from events alone. A decision is one of {MessageKind}, or zero.
    struct Story {
        bytes terms;
        uint256 legs;
        uint64 deadline;
        bool isHomeOnly;
        bool consented;
        uint8 state;
        uint8 decision;
        uint8 phase;
        uint8 phaseDecision;
    }

    /// @dev What {KeystoneEscrow.withdraw} needs to deliver a credit.
    struct Credit {
        address escrow;
        address token;
        uint256 tokenId;
        bytes32 partition;
        address wallet;
    }

    bytes32[] internal ids;
    /// @dev Every credit that was ever given.
    Credit[] internal credits;
    mapping(bytes32 settlementId => Story) internal stories;
    mapping(bytes32 settlementId => mapping(uint256 legIndex => LegBook)) internal books;
    /// @dev Base units that an escrow owes in a token: legs that are in and credits, from events.
    mapping(address escrow => mapping(address token => uint256)) public owed;
    mapping(address escrow => mapping(address token => uint256)) public donated;
    /// @dev Counters by name, so that a test can hold that everything really happened.
    mapping(bytes32 name => uint256) private _happened;

    /// @dev Books the events of one action, then compares the book with what the contracts say about themselves.
    modifier recorded() {
        _;
        settleBooks();
    }

    function settleBooks() internal {
        collect();
        for (uint256 i; i < ids.length; ++i) {
            _compare(ids[i]);
        }
    }

    function count() public view returns (uint256) {
        return ids.length;
    }

    function happened(bytes32 name) public view returns (uint256) {
        return _happened[name];
    }

    function story(uint256 index) external view returns (Story memory) {
        return stories[ids[index]];
    }

    function bookOf(uint256 index, uint256 legIndex) external view returns (LegBook memory) {
        return books[ids[index]][legIndex];
    }

    function recall(uint256 index) public view returns (CreateParams memory) {
        return abi.decode(stories[ids[index]].terms, (CreateParams));
    }

    function note(bytes32 name) internal {
        ++_happened[name];
    }

    /// @dev Enters new terms. Call it before their first event is collected.
    function remember(CreateParams memory terms) internal returns (uint256 index) {
        bytes32 id = terms.settlementId;
        index = ids.length;
        ids.push(id);
        Story storage entry = stories[id];
        entry.terms = abi.encode(terms);
        entry.legs = terms.legs.length;
        entry.deadline = terms.deadline;
        entry.isHomeOnly = true;
        for (uint256 i; i < terms.legs.length; ++i) {
            Leg memory leg = terms.legs[i];
            LegBook storage book = books[id][i];
            (book.escrow, book.token, book.amount) = (leg.escrow, leg.token, leg.amount);
            book.payer = openingIn(terms, leg.payer).wallet;
            book.payee = openingIn(terms, leg.payee).wallet;
            for (uint256 j; j < leg.fees.length; ++j) {
                book.fees += leg.fees[j].amount;
            }
            if (leg.escrow != address(escrow)) entry.isHomeOnly = false;
        }
    }

    function onLog(Vm.Log memory log) internal override {
        if (log.emitter == address(escrow) || log.emitter == address(remoteEscrow)) _onEscrow(log);
        else if (log.emitter == address(coordinator)) _onCoordinator(log);
        else if (log.emitter == address(gateway)) _onGateway(log);
    }

    /// @dev I3 and I4: only listed edges, and none out of a terminal state. I5: gates are open at the moment they are passed.
    function _onCoordinator(Vm.Log memory log) private {
        bytes32 topic = log.topics[0];
        if (topic == IMessaging.MessageSent.selector) return _onSent(log);
        if (topic == ISettlementCoordinator.VoteIgnored.selector) return note("votes ignored");
        if (topic == ISettlementCoordinator.VoteCounted.selector) return note("votes counted");
        if (topic != ISettlementCoordinator.StateTransition.selector) return;
        bytes32 id = log.topics[1];
        Story storage entry = stories[id];
        (uint8 from, uint8 to,) = abi.decode(log.data, (uint8, uint8, bytes32));
        require(from == entry.state && _isEdge(from, to), "a transition that is not listed");
        entry.state = to;
        if (to == SettlementState.COMPLIANCE_CLEARED || to == SettlementState.AWAITING_DEPOSITS) {
            require(registry.areAllPartiesCleared(id), "passed a closed gate");
            require(block.timestamp < entry.deadline, "passed a gate too late");
        } else if (to == SettlementState.EXECUTING_SWAP) {
            _decide(entry, MessageKind.EXECUTE);
            note("executions decided");
        } else if (to == SettlementState.FINALIZED) {
            note(entry.isHomeOnly ? bytes32("finalized at home") : bytes32("finalized across chains"));
        } else if (to >= SettlementState.ROLLED_BACK) {
            _decide(entry, MessageKind.ROLLBACK);
            note(to == SettlementState.ROLLED_BACK ? bytes32("rolled back") : bytes32("timed out"));
            if (to == SettlementState.TIMED_OUT) require(block.timestamp >= entry.deadline, "timed out early");
        }
    }

    /// @dev One irrevocable decision.
    function _decide(Story storage entry, uint8 decision) private {
        require(entry.decision == 0, "decided twice");
        entry.decision = decision;
    }

    function _onSent(Vm.Log memory log) private {
        (uint8 kind,) = abi.decode(log.data, (uint8, bytes32));
        Story storage entry = stories[log.topics[1]];
        if (kind == MessageKind.EXECUTE || kind == MessageKind.ROLLBACK) {
            require(entry.decision == kind, "sent another decision than it took");
        }
        note("messages sent");
    }

    function _onGateway(Vm.Log memory log) private {
        // Pauses and roles name no settlement.
        if (log.topics.length < 2) return;
        bytes32 topic = log.topics[0];
        Story storage entry = stories[log.topics[1]];
        uint8 phase = entry.phase;
        if (topic == IGateway.RemoteOpened.selector) {
            require(phase == RemotePhase.NONE, "opened twice");
            entry.phase = RemotePhase.OPEN;
        } else if (topic == IGateway.RemotePrepared.selector) {
            require(phase == RemotePhase.OPEN && block.timestamp < entry.deadline, "prepared out of turn");
            entry.phase = RemotePhase.PREPARED;
        } else if (topic == IGateway.DecisionReceived.selector) {
            uint8 kind = abi.decode(log.data, (uint8));
            require(kind == entry.decision && entry.phaseDecision == 0, "received another decision");
            entry.phaseDecision = kind;
            if (kind == MessageKind.EXECUTE) {
                require(phase == RemotePhase.PREPARED, "EXECUTE before PREPARED");
                entry.phase = RemotePhase.EXECUTE_DECIDED;
            }
        } else if (topic == IGateway.CooperativeRelease.selector) {
            require(phase == RemotePhase.PREPARED, "released without being prepared");
            require(block.timestamp >= entry.deadline + 30 days, "released early");
            entry.consented = true;
            note("released together");
        } else if (topic == IGateway.RemoteExecuted.selector) {
            bool mayPay = phase == RemotePhase.EXECUTE_DECIDED || (entry.consented && phase == RemotePhase.PREPARED);
            require(mayPay, "paid without a decision");
            entry.phase = RemotePhase.EXECUTED;
            note("executed there");
        } else if (topic == IGateway.RemoteRolledBack.selector) {
            _onRolledBackThere(entry, phase, abi.decode(log.data, (uint8)));
        } else if (topic == IGateway.MessageIgnored.selector) {
            note("messages ignored");
        }
    }

    function _onRolledBackThere(Story storage entry, uint8 phase, uint8 reason) private {
        if (reason == RollbackReason.BEFORE_OPEN) {
            require(phase == RemotePhase.NONE, "a tombstone after OPEN");
        } else if (reason == RollbackReason.UNILATERAL) {
            require(phase == RemotePhase.OPEN && block.timestamp >= entry.deadline, "a unilateral refund out of turn");
            note("refunded unilaterally");
        } else if (reason == RollbackReason.COOPERATIVE) {
            require(entry.consented && phase == RemotePhase.PREPARED, "a release without consent");
        } else {
            require(phase == RemotePhase.OPEN || phase == RemotePhase.PREPARED, "rolled back twice");
            require(entry.decision == MessageKind.ROLLBACK, "rolled back without a decision");
        }
        if (reason == RollbackReason.BEFORE_OPEN) note("tombstones");
        entry.phase = RemotePhase.ROLLED_BACK;
        note("rolled back there");
    }

    /// @dev I6 and I8 by the book: who paid in, who was paid, and how much.
    function _onEscrow(Vm.Log memory log) private {
        bytes32 topic = log.topics[0];
        if (topic == IKeystoneEscrow.CreditWithdrawn.selector) {
            (,, uint256 withdrawn) = abi.decode(log.data, (uint256, bytes32, uint256));
            owed[log.emitter][address(uint160(uint256(log.topics[2])))] -= withdrawn;
            return note("credits taken");
        }
        if (topic == IKeystoneEscrow.ExecutionFailed.selector) return note("executions failed");
        if (topic == IKeystoneEscrow.LegOpened.selector) return;
        LegBook storage book = books[log.topics[1]][uint256(log.topics[2])];
        address wallet = address(uint160(uint256(log.topics[3])));
        require(book.escrow == log.emitter, "a leg of another escrow");
        if (topic == IKeystoneEscrow.FeePaid.selector) {
            (address feeToken, uint256 fee) = abi.decode(log.data, (address, uint256));
            require(wallet == stranger && feeToken == book.token, "a fee went to somebody else");
            book.feesPaid += fee;
            owed[log.emitter][book.token] -= fee;
            return;
        }
        (address token,, uint256 amount) = abi.decode(log.data, (address, uint256, uint256));
        require(token == book.token, "another token moved");
        _onLeg(log, topic, book, wallet, amount);
    }

    function _onLeg(Vm.Log memory log, bytes32 topic, LegBook storage book, address wallet, uint256 amount) private {
        if (topic == IKeystoneEscrow.LegDeposited.selector) {
            require(wallet == book.payer, "somebody else paid in");
            book.deposited += amount;
            owed[log.emitter][book.token] += amount;
            return note("legs deposited");
        }
        if (topic == IKeystoneEscrow.LegReleased.selector) {
            require(wallet == book.payee, "somebody else was paid");
            book.paid += amount;
            owed[log.emitter][book.token] -= amount;
            return note("legs paid");
        }
        if (topic == IKeystoneEscrow.LegRefunded.selector) {
            require(wallet == book.payer, "somebody else was refunded");
            book.refunded += amount;
            owed[log.emitter][book.token] -= amount;
            return note("legs refunded");
        }
        require(topic == IKeystoneEscrow.PayoutCredited.selector, "an event that the book does not know");
        note("credits given");
        _remember(log, book, wallet);
        // Still owed, now to the wallet. Which payout failed follows from how the chain of the leg ended.
        if (_isGivenBack(log.topics[1], log.emitter)) {
            require(wallet == book.payer, "somebody else was credited");
            book.refunded += amount;
        } else if (wallet == stranger) {
            book.feesPaid += amount;
        } else {
            require(wallet == book.payee, "somebody else was credited");
            book.paid += amount;
        }
    }

    function _remember(Vm.Log memory log, LegBook storage book, address wallet) private {
        Leg memory leg = abi.decode(stories[log.topics[1]].terms, (CreateParams)).legs[uint256(log.topics[2])];
        credits.push(Credit(log.emitter, book.token, leg.tokenId, leg.partition, wallet));
    }

    /// @dev Asked of the contracts, since a cooperative refund is announced only after what it pays back.
    function _isGivenBack(bytes32 id, address emitter) private view returns (bool) {
        if (emitter == address(escrow)) return coordinator.stateOf(id) >= SettlementState.ROLLED_BACK;
        return gateway.statusOf(id).phase == RemotePhase.ROLLED_BACK;
    }

    /// @dev Views and events tell one story.
    function _compare(bytes32 id) private view {
        Story storage entry = stories[id];
        require(coordinator.stateOf(id) == entry.state, "the state changed without an event");
        RemoteSettlement memory there = gateway.statusOf(id);
        require(there.phase == entry.phase, "the phase changed without an event");
        uint256 bits = coordinator.settlementOf(id).depositedBits | there.depositedBits;
        for (uint256 i; i < entry.legs; ++i) {
            require(((bits >> i) & 1 != 0) == (books[id][i].deposited != 0), "a deposit without an event");
        }
    }

    /// @dev Written out once more, independently of the contract's constant.
    function _isEdge(uint8 from, uint8 to) private pure returns (bool) {
        if (from == SettlementState.INSTRUCTED) return to == SettlementState.COMPLIANCE_CHECKING;
        if (from == SettlementState.EXECUTING_SWAP) return to == SettlementState.FINALIZED;
        if (from > SettlementState.EXECUTING_SWAP) return false;
        return to == from + 1 || to == SettlementState.ROLLED_BACK || to == SettlementState.TIMED_OUT;
    }
}
