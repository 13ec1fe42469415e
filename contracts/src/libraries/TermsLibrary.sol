// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { CreateParams } from "../types/SettlementTypes.sol";

/// @title Hashing of terms and parties, shared by the coordinator and every escrow, so that they cannot disagree.
library TermsLibrary {
    /// @dev Part of the preimage: terms of a later version can never be mistaken for these.
    uint8 internal constant TERMS_VERSION = 1;

    /// @notice The hash that parties compute themselves before they deposit.
    /// @param coordinator The settlement's coordinator.
    /// @param coordinatorChainId The chain on which it lives.
    /// @return keccak256(abi.encode(TERMS_VERSION, coordinator, coordinatorChainId, terms))
    function hash(CreateParams calldata terms, address coordinator, uint64 coordinatorChainId)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(TERMS_VERSION, coordinator, coordinatorChainId, terms));
    }

    /// @notice Bit i is set when leg i lives on the chain. Terms under a known hash have at most MAX_LEGS = 8 legs.
    function legBitsOn(CreateParams calldata terms, uint64 chainId) internal pure returns (uint8 legBits) {
        for (uint256 i; i < terms.legs.length; ++i) {
            if (terms.legs[i].chainId == chainId) legBits |= uint8(1 << i);
        }
    }

    /// @notice The on-chain name of a party: keccak256(abi.encode(participantId, wallet)).
    function partyHash(bytes32 participantId, address wallet) internal pure returns (bytes32 hashed) {
        // In scratch space: a deposit hashes four of these, and allocating each costs more than hashing it.
        assembly ("memory-safe") {
            mstore(0x00, participantId)
            mstore(0x20, and(wallet, 0xffffffffffffffffffffffffffffffffffffffff))
            hashed := keccak256(0x00, 0x40)
        }
    }
}
