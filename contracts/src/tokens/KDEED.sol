// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ERC721 } from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @title A deed for development chains, as an ERC-721: anybody mints it.
contract KDEED is ERC721("Keystone Test Deed", "KDEED") {
    /// @notice Creates deed `tokenId` for `to`.
    function mint(address to, uint256 tokenId) external {
        _mint(to, tokenId);
    }
}
