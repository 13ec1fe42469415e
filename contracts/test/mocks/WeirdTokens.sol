// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import { ERC721 } from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @dev An honest token that everybody may mint.
contract PlainToken is ERC20("Plain", "PLAIN") {
    function mint(address to, uint256 amount) external virtual {
        _mint(to, amount);
    }
}

/// @dev Refuses what it does not know, and says one while it does: whoever reads an answer without asking whether it is one reads "yes".
contract TalkativeToken is PlainToken {
    fallback() external {
        assembly {
            mstore(0x00, 1)
            revert(0x00, 0x20)
        }
    }
}

/// @dev Calls out on every transfer, as tokens with hooks do, and remembers what it saw.
contract HookToken is PlainToken {
    address public watched;
    address public target;
    bytes public data;
    address public observed;
    bytes public observation;
    uint256 public calls;
    bool public anySucceeded;
    uint256 public observedWord;
    /// @dev One word of the answer: a whole struct would not fit into the gas of a payout.
    uint256 public lastWord;

    /// @param watched_ Transfers from or to this address call out.
    function callOut(address watched_, address target_, bytes calldata data_) external {
        (watched, target, data) = (watched_, target_, data_);
    }

    /// @param observation_ A view call.
    /// @param observedWord_ Which word of its answer is kept, counted from zero.
    function observe(address observed_, bytes calldata observation_, uint256 observedWord_) external {
        (observed, observation, observedWord) = (observed_, observation_, observedWord_);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (watched != address(0) && (from == watched || to == watched)) {
            ++calls;
            (bool success,) = target.call(data);
            if (success) anySucceeded = true;
            if (observed != address(0)) {
                (, bytes memory answer) = observed.staticcall(observation);
                uint256 word;
                uint256 position = (observedWord + 1) * 32;
                assembly {
                    word := mload(add(answer, position))
                }
                lastWord = word;
            }
        }
        super._update(from, to, amount);
    }
}

/// @dev Keeps one percent of each transfer.
contract FeeToken is PlainToken {
    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : amount / 100;
        if (fee > 0) super._update(from, address(0xfee), fee);
        super._update(from, to, amount - fee);
    }
}

/// @dev Says false instead of reverting, once switched on.
contract FalseToken is PlainToken {
    bool public refuses;

    function setRefuses(bool refuses_) external {
        refuses = refuses_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return !refuses && super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return !refuses && super.transferFrom(from, to, amount);
    }
}

/// @dev Returns nothing at all, as USDT does.
contract NoReturnToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @dev Refuses to move with little gas, and cheaply, so that enough is left to book a credit for what was no fault of the token.
contract GasHungryToken is PlainToken {
    uint256 private constant NEEDED = 250_000;

    error NeedsMoreGas();

    function _update(address from, address to, uint256 amount) internal override {
        if (gasleft() < NEEDED) revert NeedsMoreGas();
        super._update(from, to, amount);
    }
}

/// @dev Takes about 900k gas to be paid in, more than a deposit provides for.
contract SlowPullToken is PlainToken {
    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        uint256 until = gasleft() - 900_000;
        while (gasleft() > until) { }
        return super.transferFrom(from, to, amount);
    }
}

/// @dev Leaves a deposit no more gas than it is told, and burns all that a payout may take.
contract DrainingToken is PlainToken {
    uint256 public leaves = type(uint256).max;

    function leave(uint256 leaves_) external {
        leaves = leaves_;
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        while (gasleft() > leaves) { }
        return super.transferFrom(from, to, amount);
    }

    function transfer(address, uint256) public pure override returns (bool) {
        assembly {
            invalid()
        }
    }
}

/// @dev Refuses listed recipients and can be stopped altogether, as USDC does.
contract BlocklistToken is PlainToken {
    mapping(address => bool) public blocked;
    bool public paused;

    error Refused(address to);

    function setBlocked(address account, bool blocked_) external {
        blocked[account] = blocked_;
    }

    function setPaused(bool paused_) external {
        paused = paused_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (paused || blocked[to] || blocked[from]) revert Refused(to);
        super._update(from, to, amount);
    }
}

/// @dev Once armed, burns all gas, or returns or reverts with 330 kB, which would cost the caller as much to copy.
contract GasBombToken is PlainToken {
    enum Bomb {
        None,
        Burn,
        Return,
        Revert
    }

    Bomb public bomb;

    function arm(Bomb bomb_) external {
        bomb = bomb_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (bomb == Bomb.Burn) {
            assembly {
                invalid()
            }
        }
        if (bomb == Bomb.Return) {
            super.transfer(to, amount);
            assembly {
                mstore(0, 1)
                return(0, 330000)
            }
        }
        if (bomb == Bomb.Revert) {
            assembly {
                revert(0, 330000)
            }
        }
        return super.transfer(to, amount);
    }
}

/// @dev An honest ERC-721 that everybody may mint; can refuse to move.
contract TestNft is ERC721("Test", "NFT") {
    bool public frozen;

    error Frozen();

    function mint(address to, uint256 tokenId) external {
        _mint(to, tokenId);
    }

    function setFrozen(bool frozen_) external {
        frozen = frozen_;
    }

    function _update(address to, uint256 tokenId, address auth) internal override returns (address) {
        if (frozen) revert Frozen();
        return super._update(to, tokenId, auth);
    }
}

/// @dev A contract wallet that cannot receive ERC-721 tokens by safe transfer.
contract PlainWallet { }

/// @dev An ERC-721 that says nothing and moves nothing.
contract StayingNft is TestNft {
    function transferFrom(address, address, uint256) public pure override { }
}
