// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import { IKeystoneEscrow } from "../interfaces/IKeystoneEscrow.sol";
import { IPartitionedToken } from "../interfaces/IPartitionedToken.sol";
import { PAYOUT_GAS } from "../types/Limits.sol";
import { Leg, TokenStandard } from "../types/SettlementTypes.sol";
import { BoundedCall } from "./BoundedCall.sol";

/// @title How each token standard comes in and goes out. ERC-3643 tokens move by plain ERC-20 transfers: the escrow is a verified holder among
/// others, and never their agent, who could move anybody's tokens.
library Payments {
    using SafeERC20 for IERC20;

    /// @dev ERC-1066 code of ERC-1400: the transfer would succeed.
    bytes1 private constant TRANSFER_SUCCESS = 0x51;

    /// @notice Takes a leg in from the caller, and checks that exactly it arrived. Reverts otherwise.
    function pull(Leg calldata leg) internal {
        address token = leg.token;
        uint8 standard = leg.tokenStandard;
        bool isPartitioned = standard == TokenStandard.ERC1400;
        bool isNft = standard == TokenStandard.ERC721;
        // A token has one standard. Under two, what came in as one could leave as the other, out of another settlement's deposit.
        if (BoundedCall.isErc721(token) != isNft || (!isNft && BoundedCall.isPartitioned(token) != isPartitioned)) {
            revert IKeystoneEscrow.TokenStandardMismatch(token, standard);
        }
        if (isNft) _pullErc721(token, leg.tokenId);
        else if (isPartitioned) _pullErc1400(token, leg.partition, leg.amount);
        else _pullErc20(token, leg.amount);
    }

    /// @notice Sends from here with bounded gas. False when the token refuses.
    function push(Leg calldata leg, address to, uint256 amount) internal returns (bool delivered) {
        uint8 standard = leg.tokenStandard;
        if (standard == TokenStandard.ERC721) {
            return BoundedCall.transferErc721(leg.token, to, leg.tokenId, PAYOUT_GAS);
        }
        if (standard == TokenStandard.ERC1400) {
            return BoundedCall.transferErc1400(leg.token, leg.partition, to, amount, PAYOUT_GAS);
        }
        return BoundedCall.transferErc20(leg.token, to, amount, PAYOUT_GAS);
    }

    /// @notice Sends from here with all gas, and reverts when the token refuses.
    function deliver(uint8 standard, address token, uint256 tokenId, bytes32 partition, address to, uint256 amount)
        internal
    {
        // A plain transfer: a receiver's hook could refuse for ever.
        if (standard == TokenStandard.ERC721) {
            IERC721(token).transferFrom(address(this), to, tokenId);
        } else if (standard == TokenStandard.ERC1400) {
            IPartitionedToken(token).transferByPartition(partition, to, amount, "");
        } else {
            IERC20(token).safeTransfer(to, amount);
        }
    }

    function _pullErc20(address token, uint256 amount) private {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        _requireReceived(token, amount, IERC20(token).balanceOf(address(this)) - before);
    }

    function _pullErc721(address token, uint256 tokenId) private {
        IERC721(token).transferFrom(msg.sender, address(this), tokenId);
        if (IERC721(token).ownerOf(tokenId) != address(this)) revert IKeystoneEscrow.TokenNotReceived(token, tokenId);
    }

    function _pullErc1400(address token_, bytes32 partition, uint256 amount) private {
        IPartitionedToken token = IPartitionedToken(token_);
        (bytes1 code, bytes32 reason,) = token.canTransferByPartition(msg.sender, address(this), partition, amount, "");
        if (code != TRANSFER_SUCCESS) revert IKeystoneEscrow.TransferRefused(token_, code, reason);
        uint256 before = token.balanceOfByPartition(partition, address(this));
        token.operatorTransferByPartition(partition, msg.sender, address(this), amount, "", "");
        _requireReceived(token_, amount, token.balanceOfByPartition(partition, address(this)) - before);
    }

    function _requireReceived(address token, uint256 expected, uint256 received) private pure {
        if (received != expected) revert IKeystoneEscrow.DepositAmountMismatch(token, expected, received);
    }
}
