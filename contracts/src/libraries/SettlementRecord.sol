// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Settlement } from "../types/SettlementTypes.sol";

/// @title Everything but the terms' hash that the coordinator keeps of a settlement, in one slot.
/// @dev From the lowest bit: state 8, deadline 64 (unix seconds), legs of this chain 8, legs paid in 8, legs handed back 8, other chains 16,
/// of those prepared 16, executed 16, home executed 1. Meanings: {Settlement}.
type SettlementRecord is uint256;

using SettlementRecordLibrary for SettlementRecord global;

library SettlementRecordLibrary {
    uint256 private constant DEADLINE = 8;
    uint256 private constant HOME_LEGS = 72;
    uint256 private constant DEPOSITED = 80;
    uint256 private constant REFUNDED = 88;
    uint256 private constant REMOTE_CHAINS = 96;
    uint256 private constant PREPARED = 112;
    uint256 private constant EXECUTED = 128;
    uint256 private constant HOME_EXECUTED = 144;

    /// @notice A settlement that was just created.
    function created(uint8 state_, uint64 deadline_, uint8 homeLegs, uint16 remoteChains)
        internal
        pure
        returns (SettlementRecord)
    {
        return SettlementRecord.wrap(
            state_ | (uint256(deadline_) << DEADLINE) | (uint256(homeLegs) << HOME_LEGS)
                | (uint256(remoteChains) << REMOTE_CHAINS)
        );
    }

    /// @notice Whether there is a settlement: every one has a deadline.
    function exists(SettlementRecord record) internal pure returns (bool) {
        return SettlementRecord.unwrap(record) != 0;
    }

    function state(SettlementRecord record) internal pure returns (uint8) {
        return uint8(SettlementRecord.unwrap(record));
    }

    function deadline(SettlementRecord record) internal pure returns (uint64) {
        return uint64(SettlementRecord.unwrap(record) >> DEADLINE);
    }

    function homeLegBits(SettlementRecord record) internal pure returns (uint8) {
        return uint8(SettlementRecord.unwrap(record) >> HOME_LEGS);
    }

    function depositedBits(SettlementRecord record) internal pure returns (uint8) {
        return uint8(SettlementRecord.unwrap(record) >> DEPOSITED);
    }

    function refundedBits(SettlementRecord record) internal pure returns (uint8) {
        return uint8(SettlementRecord.unwrap(record) >> REFUNDED);
    }

    function remoteChainBits(SettlementRecord record) internal pure returns (uint16) {
        return uint16(SettlementRecord.unwrap(record) >> REMOTE_CHAINS);
    }

    function preparedBits(SettlementRecord record) internal pure returns (uint16) {
        return uint16(SettlementRecord.unwrap(record) >> PREPARED);
    }

    function executedBits(SettlementRecord record) internal pure returns (uint16) {
        return uint16(SettlementRecord.unwrap(record) >> EXECUTED);
    }

    function isHomeExecuted(SettlementRecord record) internal pure returns (bool) {
        return (SettlementRecord.unwrap(record) >> HOME_EXECUTED) & 1 != 0;
    }

    /// @notice The record and the terms' hash, as they are shown to the outside.
    function unpacked(SettlementRecord record, bytes32 termsHash) internal pure returns (Settlement memory) {
        return Settlement({
            termsHash: termsHash,
            state: record.state(),
            deadline: record.deadline(),
            homeLegBits: record.homeLegBits(),
            depositedBits: record.depositedBits(),
            refundedBits: record.refundedBits(),
            remoteChainBits: record.remoteChainBits(),
            preparedBits: record.preparedBits(),
            executedBits: record.executedBits(),
            homeExecuted: record.isHomeExecuted()
        });
    }

    /// @notice Whether every leg of this chain was paid in; trivially when there are none.
    function isHomeComplete(SettlementRecord record) internal pure returns (bool) {
        return record.depositedBits() == record.homeLegBits();
    }

    /// @notice Whether every other chain has voted PREPARED; trivially when there are none.
    function isPrepared(SettlementRecord record) internal pure returns (bool) {
        return record.preparedBits() == record.remoteChainBits();
    }

    /// @notice Whether every leg of every chain was paid out.
    function isExecuted(SettlementRecord record) internal pure returns (bool) {
        return record.isHomeExecuted() && record.executedBits() == record.remoteChainBits();
    }

    /// @notice Whether a leg of this chain was paid in.
    function isDeposited(SettlementRecord record, uint256 legIndex) internal pure returns (bool) {
        return (uint256(record.depositedBits()) >> legIndex) & 1 != 0;
    }

    /// @notice Whether the chain whose bit this is belongs to the settlement and is not among `voted`.
    function awaitsChain(SettlementRecord record, uint16 bit, uint16 voted) internal pure returns (bool) {
        return record.remoteChainBits() & ~voted & bit != 0;
    }

    function inState(SettlementRecord record, uint8 state_) internal pure returns (SettlementRecord) {
        return SettlementRecord.wrap((SettlementRecord.unwrap(record) & ~uint256(0xff)) | state_);
    }

    /// @dev `legIndex` is below MAX_LEGS = 8.
    function withDeposit(SettlementRecord record, uint256 legIndex) internal pure returns (SettlementRecord) {
        return _with(record, (1 << legIndex) << DEPOSITED);
    }

    function withRefunds(SettlementRecord record, uint8 legBits) internal pure returns (SettlementRecord) {
        return _with(record, uint256(legBits) << REFUNDED);
    }

    function withPrepared(SettlementRecord record, uint16 chainBit) internal pure returns (SettlementRecord) {
        return _with(record, uint256(chainBit) << PREPARED);
    }

    function withExecuted(SettlementRecord record, uint16 chainBit) internal pure returns (SettlementRecord) {
        return _with(record, uint256(chainBit) << EXECUTED);
    }

    function withHomeExecuted(SettlementRecord record) internal pure returns (SettlementRecord) {
        return _with(record, 1 << HOME_EXECUTED);
    }

    function _with(SettlementRecord record, uint256 bits) private pure returns (SettlementRecord) {
        return SettlementRecord.wrap(SettlementRecord.unwrap(record) | bits);
    }
}
