// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import { IERC165 } from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import { IPartitionedToken } from "../interfaces/IPartitionedToken.sol";
import { INTERFACE_PROBE_GAS } from "../types/Limits.sol";

/// @title Calls to tokens that cannot take more gas, or hand back more data, than they were given.
/// @dev A plain call forwards 63/64 of all gas and copies whatever comes back: one token that burns or returns too much blocked every leg.
library BoundedCall {
    /// @notice Sends fungible tokens from here. True when the token says so, or says nothing and is a contract.
    function transferErc20(address token, address to, uint256 amount, uint256 gasLimit) internal returns (bool) {
        bytes memory payload = abi.encodeCall(IERC20.transfer, (to, amount));
        (bool success, uint256 size, uint256 word) = _call(token, payload, gasLimit);
        if (!success || token.code.length == 0) return false;
        return size == 0 || (size >= 32 && word == 1);
    }

    /// @notice Sends an ERC-721 token from here by plain transfer: a receiver's hook must not be able to refuse.
    function transferErc721(address token, address to, uint256 tokenId, uint256 gasLimit) internal returns (bool) {
        bytes memory payload = abi.encodeCall(IERC721.transferFrom, (address(this), to, tokenId));
        (bool success,,) = _call(token, payload, gasLimit);
        return success && token.code.length != 0;
    }

    /// @notice Sends ERC-1400 tokens from here. They throw when they refuse; what they return is the receiving partition.
    function transferErc1400(address token, bytes32 partition, address to, uint256 amount, uint256 gasLimit)
        internal
        returns (bool)
    {
        bytes memory payload = abi.encodeCall(IPartitionedToken.transferByPartition, (partition, to, amount, ""));
        (bool success,,) = _call(token, payload, gasLimit);
        return success && token.code.length != 0;
    }

    /// @notice Whether the token says that it is an ERC-721. A token that does not answer is not.
    function isErc721(address token) internal view returns (bool) {
        (bool success, uint256 size, uint256 word) =
            _ask(token, abi.encodeCall(IERC165.supportsInterface, (type(IERC721).interfaceId)));
        return success && size >= 32 && word == 1;
    }

    /// @notice Whether the token keeps balances by partition. The draft has no interface id, so it is asked for a balance.
    function isPartitioned(address token) internal view returns (bool) {
        (bool success, uint256 size,) =
            _ask(token, abi.encodeCall(IPartitionedToken.balanceOfByPartition, (bytes32(0), address(this))));
        return success && size >= 32;
    }

    function _ask(address target, bytes memory payload)
        private
        view
        returns (bool success, uint256 size, uint256 word)
    {
        assembly ("memory-safe") {
            success := staticcall(INTERFACE_PROBE_GAS, target, add(payload, 0x20), mload(payload), 0x00, 0x20)
            size := returndatasize()
            word := mload(0x00)
        }
    }

    /// @return success Whether the call returned.
    /// @return size How much it returned.
    /// @return word The first 32 bytes of that; the rest is never copied.
    function _call(address target, bytes memory payload, uint256 gasLimit)
        private
        returns (bool success, uint256 size, uint256 word)
    {
        assembly ("memory-safe") {
            success := call(gasLimit, target, 0, add(payload, 0x20), mload(payload), 0x00, 0x20)
            size := returndatasize()
            word := mload(0x00)
        }
    }
}
