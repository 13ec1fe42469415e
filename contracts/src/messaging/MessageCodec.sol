// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice Kinds of messages between a coordinator and its gateways.
library MessageKind {
    uint8 internal constant OPEN = 1;
    uint8 internal constant PREPARED = 2;
    uint8 internal constant EXECUTE = 3;
    uint8 internal constant ROLLBACK = 4;
    uint8 internal constant EXECUTED = 5;
}

/// @title The format of messages between a coordinator and its gateways.
/// @notice abi.encode(uint8 version, uint8 kind, bytes32 settlementId), then for OPEN (bytes32 termsHash, uint64 deadline, uint8 legBits) and for
/// PREPARED (bytes32 termsHash). No message names a recipient. Anything that is not exactly this is refused: a message of a later version must
/// wait for contracts that understand it, and not be half understood by these.
library MessageCodec {
    uint8 internal constant VERSION = 1;

    uint256 private constant HEADER_LENGTH = 96;
    uint256 private constant PREPARED_LENGTH = 128;
    uint256 private constant OPEN_LENGTH = 192;

    /// @notice Thrown when the message is of another version of the format.
    error UnknownMessageVersion(uint256 version);
    /// @notice Thrown when the message is of no known kind.
    error UnknownMessageKind(uint256 kind);
    /// @notice Thrown when the message is longer or shorter than its kind.
    error InvalidMessageLength(uint256 length);

    /// @notice OPEN: deposits of the settlement are open on the receiving chain.
    /// @param deadline Unix seconds.
    /// @param legBits Bit i is set when leg i lives on the receiving chain.
    function encodeOpen(bytes32 settlementId, bytes32 termsHash, uint64 deadline, uint8 legBits)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encode(VERSION, MessageKind.OPEN, settlementId, termsHash, deadline, legBits);
    }

    /// @notice PREPARED: every leg of the sending chain was paid in under these terms, and waits for the decision.
    function encodePrepared(bytes32 settlementId, bytes32 termsHash) internal pure returns (bytes memory) {
        return abi.encode(VERSION, MessageKind.PREPARED, settlementId, termsHash);
    }

    /// @notice EXECUTE, ROLLBACK or EXECUTED, which carry nothing but the settlement.
    function encode(uint8 kind, bytes32 settlementId) internal pure returns (bytes memory) {
        return abi.encode(VERSION, kind, settlementId);
    }

    /// @notice Kind and settlement of a message whose version, kind and length are right.
    function header(bytes calldata message) internal pure returns (uint8 kind, bytes32 settlementId) {
        if (message.length < HEADER_LENGTH) revert InvalidMessageLength(message.length);
        uint256 version;
        uint256 kindWord;
        (version, kindWord, settlementId) = abi.decode(message[:HEADER_LENGTH], (uint256, uint256, bytes32));
        if (version != VERSION) revert UnknownMessageVersion(version);
        if (kindWord == 0 || kindWord > MessageKind.EXECUTED) revert UnknownMessageKind(kindWord);
        // casting to uint8 is safe: kindWord <= EXECUTED = 5
        kind = uint8(kindWord);
        if (message.length != _lengthOf(kind)) revert InvalidMessageLength(message.length);
    }

    /// @notice What an OPEN says beyond its header. Reverts on values that do not fit their types.
    function decodeOpen(bytes calldata message)
        internal
        pure
        returns (bytes32 termsHash, uint64 deadline, uint8 legBits)
    {
        return abi.decode(message[HEADER_LENGTH:], (bytes32, uint64, uint8));
    }

    /// @notice What a PREPARED says beyond its header.
    function decodePrepared(bytes calldata message) internal pure returns (bytes32 termsHash) {
        return abi.decode(message[HEADER_LENGTH:], (bytes32));
    }

    function _lengthOf(uint8 kind) private pure returns (uint256) {
        if (kind == MessageKind.OPEN) return OPEN_LENGTH;
        return kind == MessageKind.PREPARED ? PREPARED_LENGTH : HEADER_LENGTH;
    }
}
