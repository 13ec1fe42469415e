// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The part of an ERC-1400 token that an escrow needs, as in the published draft (ERC-1410 within ERC-1400, ethereum/EIPs 1410 and 1411).
/// @dev Declared here because the standard stayed a draft and nobody publishes a package of its interfaces.
interface IPartitionedToken {
    /// @notice Base units of a holder in a partition.
    function balanceOfByPartition(bytes32 partition, address tokenHolder) external view returns (uint256);

    /// @notice Whether a transfer would succeed: an ERC-1066 code (0x51 for yes), a reason of the token's own, the receiving partition.
    function canTransferByPartition(address from, address to, bytes32 partition, uint256 value, bytes calldata data)
        external
        view
        returns (bytes1 code, bytes32 reason, bytes32 receivingPartition);

    /// @notice Moves the caller's tokens. Throws when it cannot; returns the receiving partition.
    function transferByPartition(bytes32 partition, address to, uint256 value, bytes calldata data)
        external
        returns (bytes32);

    /// @notice Moves tokens of a holder who has made the caller an operator of the partition.
    function operatorTransferByPartition(
        bytes32 partition,
        address from,
        address to,
        uint256 value,
        bytes calldata data,
        bytes calldata operatorData
    ) external returns (bytes32);
}
