// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { PartyRecord, PartyRecordLibrary } from "../../src/libraries/PartyRecord.sol";
import { MAX_ATTESTERS } from "../../src/types/Limits.sol";
import { ComplianceStatus } from "../../src/types/SettlementTypes.sol";

/// @title When a party is cleared, for every record, every word and every threshold that there can be.
contract PartyRecordProof {
    uint256 private constant LANE_BITS = 48;
    uint256 private constant FIRST_STATUS = 48;

    /// @notice Cleared is exactly: at least `threshold` attesters' latest word is Pass, and nobody's is Flagged or Fail. An attester changes its
    /// own word alone, and nothing but a Pass of its own lifts its flag.
    function check_ClearedIsThresholdPassesAndNoOtherWord(
        uint256 word,
        uint256 position,
        uint8 status,
        uint40 issuedAt,
        uint256 threshold
    ) external pure {
        if (position >= MAX_ATTESTERS || threshold == 0 || threshold > MAX_ATTESTERS) return;
        if (status == 0 || status > uint8(ComplianceStatus.Fail) || !_isPossible(word)) return;
        PartyRecord record = PartyRecord.wrap(word);
        PartyRecord updated = record.withWord(position, ComplianceStatus(status), issuedAt, threshold);

        uint256 passes;
        bool objects;
        for (uint256 i; i < MAX_ATTESTERS; ++i) {
            (ComplianceStatus said, uint40 at) = updated.latest(i);
            (ComplianceStatus saidBefore, uint40 atBefore) = record.latest(i);
            if (i == position) assert(uint8(said) == status && at == issuedAt);
            else assert(said == saidBefore && at == atBefore);
            if (said == ComplianceStatus.Pass) ++passes;
            if (said == ComplianceStatus.Flagged || said == ComplianceStatus.Fail) objects = true;
        }
        assert(updated.isCleared() == (passes >= threshold && !objects));
        assert(updated.isRegistered() == record.isRegistered());
    }

    /// @notice Nobody is cleared by registration alone.
    function check_AFreshRecordIsRegisteredAndNotCleared(uint256 position) external pure {
        if (position >= MAX_ATTESTERS) return;
        PartyRecord record = PartyRecordLibrary.fresh();
        (ComplianceStatus said, uint40 at) = record.latest(position);
        assert(record.isRegistered() && !record.isCleared());
        assert(said == ComplianceStatus.None && at == 0);
    }

    /// @dev No status byte is beyond Fail: the registry writes nothing else.
    function _isPossible(uint256 word) private pure returns (bool) {
        for (uint256 i; i < MAX_ATTESTERS; ++i) {
            if (uint8(word >> (FIRST_STATUS + i * LANE_BITS)) > uint8(ComplianceStatus.Fail)) return false;
        }
        return true;
    }
}
