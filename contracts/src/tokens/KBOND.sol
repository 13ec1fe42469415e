// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A bond for development chains: anybody mints it. 18 decimals.
contract KBOND is ERC20("Keystone Test Bond", "KBOND") {
    /// @notice Gives `amount` base units to `to`.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
