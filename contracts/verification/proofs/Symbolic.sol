// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Origin } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";

/// @dev What the proofs use of halmos.
interface ISymbolic {
    /// @notice Every slot of the contract may hold anything from now on.
    function enableSymbolicStorage(address target) external;
}

interface ICheats {
    function prank(address caller) external;
    function warp(uint256 timestamp) external;
    function assume(bool condition) external pure;
}

ISymbolic constant SYMBOLIC = ISymbolic(0xF3993A62377BCd56AE39D773740A5390411E8BC9);
ICheats constant CHEATS = ICheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

/// @dev A registry that answers what its storage, which is symbolic, says; whoever asks is its coordinator.
contract AnyRegistry {
    bool public isOpen;

    function coordinator() external view returns (address) {
        return msg.sender;
    }

    function registerParties(bytes32, bytes32, bytes32[] calldata) external { }

    function areAllPartiesCleared(bytes32) external view returns (bool) {
        return isOpen;
    }
}

/// @dev The escrow of whatever gate asks. The proofs call the gate in its place.
contract NamedEscrow {
    address public immutable home;
    uint64 public immutable coordinatorChainId;

    /// @param home_ The coordinator; zero for the escrow of the one who asks.
    constructor(address home_, uint64 coordinatorChainId_) {
        (home, coordinatorChainId) = (home_, coordinatorChainId_);
    }

    function gate() external view returns (address) {
        return msg.sender;
    }

    function coordinator() external view returns (address) {
        return home == address(0) ? msg.sender : home;
    }
}

/// @dev An endpoint by name only: the proofs deliver in its place.
contract NamedEndpoint {
    function setDelegate(address) external { }
}

/// @dev `abi.encode` of what lzReceive gets, from any source.
function deliveryOf(bytes memory message, uint32 endpointId, bytes32 sender) pure returns (bytes memory) {
    Origin memory origin = Origin(endpointId, sender, 1);
    return abi.encodeWithSignature(
        "lzReceive((uint32,bytes32,uint64),bytes32,bytes,address,bytes)", origin, bytes32(0), message, address(0), ""
    );
}
