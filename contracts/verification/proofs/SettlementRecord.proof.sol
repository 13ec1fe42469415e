// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { SettlementRecord, SettlementRecordLibrary } from "../../src/libraries/SettlementRecord.sol";
import { TransitionRules } from "../../src/libraries/TransitionRules.sol";
import { MAX_LEGS } from "../../src/types/Limits.sol";

/// @title The packed word of a settlement: every writer changes its own field and nothing else, for all words there can be.
contract SettlementRecordProof {
    /// @notice What was put in at creation comes out, and nothing is done yet.
    function check_ACreatedRecordSaysWhatItWasGiven(uint8 state, uint64 deadline, uint8 legs, uint16 chains)
        external
        pure
    {
        SettlementRecord record = SettlementRecordLibrary.created(state, deadline, legs, chains);
        assert(record.state() == state && record.deadline() == deadline);
        assert(record.homeLegBits() == legs && record.remoteChainBits() == chains);
        assert(record.depositedBits() == 0 && record.refundedBits() == 0);
        assert(record.preparedBits() == 0 && record.executedBits() == 0 && !record.isHomeExecuted());
    }

    /// @notice Changing the state changes nothing else.
    function check_AStateChangesAlone(uint256 word, uint8 state) external pure {
        SettlementRecord record = SettlementRecord.wrap(word);
        SettlementRecord updated = record.inState(state);
        assert(updated.state() == state);
        assert(SettlementRecord.unwrap(updated) >> 8 == word >> 8);
    }

    /// @notice A deposit sets its leg's bit, and no deposit is ever forgotten.
    function check_ADepositSetsItsBitAlone(uint256 word, uint256 legIndex) external pure {
        if (legIndex >= MAX_LEGS) return;
        SettlementRecord record = SettlementRecord.wrap(word);
        SettlementRecord updated = record.withDeposit(legIndex);
        assert(updated.isDeposited(legIndex));
        assert(updated.depositedBits() == record.depositedBits() | uint8(1 << legIndex));
        _requireSameFrame(record, updated);
        assert(updated.refundedBits() == record.refundedBits());
        _requireSameVotes(record, updated);
    }

    /// @notice A refund marks its legs, and no mark is ever lifted: nothing is handed back twice.
    function check_ARefundSetsItsBitsAlone(uint256 word, uint8 legs) external pure {
        SettlementRecord record = SettlementRecord.wrap(word);
        SettlementRecord updated = record.withRefunds(legs);
        assert(updated.refundedBits() == record.refundedBits() | legs);
        assert(updated.depositedBits() == record.depositedBits());
        _requireSameFrame(record, updated);
        _requireSameVotes(record, updated);
    }

    /// @notice Votes are counted per chain, and counting one twice is counting it once.
    function check_VotesAreSets(uint256 word, uint16 chain) external pure {
        SettlementRecord record = SettlementRecord.wrap(word);
        SettlementRecord prepared = record.withPrepared(chain);
        assert(prepared.preparedBits() == record.preparedBits() | chain);
        assert(prepared.executedBits() == record.executedBits());
        assert(SettlementRecord.unwrap(prepared.withPrepared(chain)) == SettlementRecord.unwrap(prepared));
        SettlementRecord executed = record.withExecuted(chain);
        assert(executed.executedBits() == record.executedBits() | chain);
        assert(executed.preparedBits() == record.preparedBits());
        assert(SettlementRecord.unwrap(executed.withExecuted(chain)) == SettlementRecord.unwrap(executed));
        _requireSameFrame(record, prepared);
        _requireSameFrame(record, executed);
        assert(executed.depositedBits() == record.depositedBits() && executed.refundedBits() == record.refundedBits());
        assert(prepared.depositedBits() == record.depositedBits() && prepared.refundedBits() == record.refundedBits());
        assert(prepared.isHomeExecuted() == record.isHomeExecuted());
        assert(executed.isHomeExecuted() == record.isHomeExecuted());
    }

    /// @notice Paid out here is remembered, and changes nothing else.
    function check_HomeExecutedChangesAlone(uint256 word) external pure {
        SettlementRecord record = SettlementRecord.wrap(word);
        SettlementRecord updated = record.withHomeExecuted();
        assert(updated.isHomeExecuted());
        _requireSameFrame(record, updated);
        assert(updated.depositedBits() == record.depositedBits() && updated.refundedBits() == record.refundedBits());
        assert(updated.preparedBits() == record.preparedBits() && updated.executedBits() == record.executedBits());
    }

    /// @notice Complete, prepared and executed mean what they say, bit by bit.
    function check_CompletenessIsBitByBit(uint256 word, uint8 leg, uint8 chain) external pure {
        if (leg >= MAX_LEGS || chain >= 16) return;
        SettlementRecord record = SettlementRecord.wrap(word);
        bool wantsLeg = (record.homeLegBits() >> leg) & 1 == 1;
        bool hasLeg = record.isDeposited(leg);
        if (record.isHomeComplete()) assert(wantsLeg == hasLeg);
        uint16 bit = uint16(1) << chain;
        bool wantsChain = record.remoteChainBits() & bit != 0;
        if (record.isPrepared()) assert(wantsChain == (record.preparedBits() & bit != 0));
        if (record.isExecuted()) {
            assert(record.isHomeExecuted());
            assert(wantsChain == (record.executedBits() & bit != 0));
        }
        assert(record.awaitsChain(bit, record.preparedBits()) == (wantsChain && record.preparedBits() & bit == 0));
    }

    function _requireSameFrame(SettlementRecord a, SettlementRecord b) private pure {
        assert(a.state() == b.state() && a.deadline() == b.deadline());
        assert(a.homeLegBits() == b.homeLegBits() && a.remoteChainBits() == b.remoteChainBits());
    }

    function _requireSameVotes(SettlementRecord a, SettlementRecord b) private pure {
        assert(a.preparedBits() == b.preparedBits() && a.executedBits() == b.executedBits());
        assert(a.isHomeExecuted() == b.isHomeExecuted());
    }
}

/// @title The table of edges, read bit by bit and compared with the lifecycle written out as cases.
contract TransitionRulesProof {
    /// @notice Exactly the lifecycle's edges, for all 65,536 pairs of bytes.
    function check_EdgesAreThoseOfTheLifecycle(uint8 from, uint8 to) external pure {
        assert(TransitionRules.isEdge(from, to) == _isListed(from, to));
    }

    /// @notice No edge leaves a terminal state, and none goes back.
    function check_TerminalStatesAbsorb(uint8 from, uint8 to) external pure {
        if (from >= 5) assert(!TransitionRules.isEdge(from, to));
        if (TransitionRules.isEdge(from, to)) assert(to > from && to <= 7);
    }

    /// @notice EXECUTE and ROLLBACK exclude each other: from EXECUTING_SWAP, by any number of edges, only FINALIZED can be reached.
    function check_ADecisionIsFinal(uint8 first, uint8 second) external pure {
        if (TransitionRules.isEdge(4, first)) {
            assert(first == 5);
            assert(!TransitionRules.isEdge(first, second));
        }
    }

    /// @notice The engine may propose 2, 3 and 6, and nothing that moves money.
    function check_TheEngineProposesTwoThreeAndSix(uint8 state) external pure {
        assert(TransitionRules.isProposable(state) == (state == 2 || state == 3 || state == 6));
    }

    /// @dev The lifecycle as its own sentences: 0 → 1, 1 → 2, 2 → 3, 3 → 4, 4 → 5; aborted (6) or late (7) from 0 to 3.
    function _isListed(uint8 from, uint8 to) private pure returns (bool) {
        if (from == 4) return to == 5;
        if (from < 4) return to == from + 1 || to == 6 || to == 7;
        return false;
    }
}
