// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ComplianceStatus } from "../types/SettlementTypes.sol";

/// @title What the registry knows about one party of one settlement, in one slot.
/// @dev Bit 0: registered. Bit 1: cleared. From bit 8 on, one lane of 48 bits for each attester of the set (MAX_ATTESTERS = 4): 40 bits of
/// `issuedAt` (unix seconds), above them 8 bits of status.
type PartyRecord is uint256;

using PartyRecordLibrary for PartyRecord global;

library PartyRecordLibrary {
    uint256 private constant REGISTERED = 1;
    uint256 private constant CLEARED = 2;
    uint256 private constant LANE_BITS = 48;
    uint256 private constant LANE_MASK = (1 << LANE_BITS) - 1;
    uint256 private constant FIRST_LANE = 8;
    uint256 private constant STATUS_SHIFT = 40;
    /// @dev In the four status bytes, every bit that a Pass does not have.
    uint256 private constant OTHER_WORDS =
        ((0xfe << 144) | (0xfe << 96) | (0xfe << 48) | 0xfe) << (FIRST_LANE + STATUS_SHIFT);

    /// @notice A party about which nobody has said anything.
    function fresh() internal pure returns (PartyRecord) {
        return PartyRecord.wrap(REGISTERED);
    }

    function isRegistered(PartyRecord record) internal pure returns (bool) {
        return PartyRecord.unwrap(record) & REGISTERED != 0;
    }

    function isCleared(PartyRecord record) internal pure returns (bool) {
        return PartyRecord.unwrap(record) & CLEARED != 0;
    }

    /// @notice The latest word of the attester at `position` of the set.
    function latest(PartyRecord record, uint256 position)
        internal
        pure
        returns (ComplianceStatus status, uint40 issuedAt)
    {
        uint256 lane = PartyRecord.unwrap(record) >> (FIRST_LANE + position * LANE_BITS);
        return (ComplianceStatus(uint8(lane >> STATUS_SHIFT)), uint40(lane));
    }

    /// @notice The record after the attester at `position` has spoken. Cleared means `threshold` Passes and no other word.
    function withWord(PartyRecord record, uint256 position, ComplianceStatus status, uint40 issuedAt, uint256 threshold)
        internal
        pure
        returns (PartyRecord)
    {
        uint256 shift = FIRST_LANE + position * LANE_BITS;
        uint256 value = PartyRecord.unwrap(record) & ~(LANE_MASK << shift) & ~CLEARED;
        value |= ((uint256(status) << STATUS_SHIFT) | issuedAt) << shift;

        if (value & OTHER_WORDS != 0) return PartyRecord.wrap(value);
        // Without other words each status byte is zero or one.
        uint256 words = value >> (FIRST_LANE + STATUS_SHIFT);
        uint256 passes = (words & 1) + ((words >> LANE_BITS) & 1) + ((words >> (2 * LANE_BITS)) & 1)
            + ((words >> (3 * LANE_BITS)) & 1);
        return PartyRecord.wrap(passes >= threshold ? value | CLEARED : value);
    }
}
