// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IMessaging } from "../interfaces/IMessaging.sol";
import { ISettlementCoordinator } from "../interfaces/ISettlementCoordinator.sol";
import { MAX_REMOTE_CHAINS } from "../types/Limits.sol";
import { MessagingBase } from "./MessagingBase.sol";

/// @title The chains that a coordinator is connected to, each with one gateway and one escrow.
abstract contract RemoteChains is ISettlementCoordinator, MessagingBase {
    /// @param number Position in the order of connection, counted from one; zero when the chain is not connected.
    struct RemoteChain {
        address gateway;
        uint32 endpointId;
        uint8 number;
        address escrow;
    }

    /// @notice The coordinator's own chain, part of every terms hash. Fixed at deployment: after a chain splits, running settlements must still
    /// find their terms.
    uint64 public immutable chainId = uint64(block.chainid);

    mapping(uint64 chainId => RemoteChain) private _chains;
    mapping(uint32 endpointId => uint64 chainId) private _chainIds;
    /// @dev Endpoint ids in the order of connection.
    uint32[] private _endpointIds;

    /// @inheritdoc ISettlementCoordinator
    function connect(uint64 chainId_, uint32 endpointId, address gateway, address escrow_) external onlyConfigurator {
        bool isNew = _chains[chainId_].number == 0 && _chainIds[endpointId] == 0;
        bool isComplete = chainId_ != 0 && endpointId != 0 && gateway != address(0) && escrow_ != address(0);
        if (!isNew || !isComplete || chainId_ == chainId) revert InvalidConnection(chainId_, endpointId);
        if (_endpointIds.length == MAX_REMOTE_CHAINS) revert TooManyChains(MAX_REMOTE_CHAINS);

        _endpointIds.push(endpointId);
        // casting to uint8 is safe: at most MAX_REMOTE_CHAINS = 16
        _chains[chainId_] = RemoteChain(gateway, endpointId, uint8(_endpointIds.length), escrow_);
        _chainIds[endpointId] = chainId_;
        emit ChainConnected(chainId_, endpointId, gateway, escrow_);
    }

    /// @inheritdoc IMessaging
    function freeze() external onlyConfigurator {
        for (uint256 i; i < _endpointIds.length; ++i) {
            _requireChosenLibraries(_endpointIds[i]);
        }
        _freeze();
    }

    /// @inheritdoc ISettlementCoordinator
    function remoteChain(uint64 chainId_)
        external
        view
        returns (uint32 endpointId, address gateway, address escrow_, uint8 index)
    {
        RemoteChain memory chain = _connected(chainId_);
        return (chain.endpointId, chain.gateway, chain.escrow, chain.number - 1);
    }

    /// @inheritdoc ISettlementCoordinator
    function remoteChainCount() external view returns (uint256) {
        return _endpointIds.length;
    }

    /// @inheritdoc IMessaging
    function peers(uint32 endpointId) public view override(IMessaging, MessagingBase) returns (bytes32) {
        return bytes32(uint256(uint160(_chains[_chainIds[endpointId]].gateway)));
    }

    function _connected(uint64 chainId_) internal view returns (RemoteChain memory chain) {
        chain = _chains[chainId_];
        if (chain.number == 0) revert ChainNotConnected(chainId_);
    }

    /// @dev A connected chain that is part of the settlement with these `remoteChainBits`.
    function _connectedIn(bytes32 settlementId, uint16 remoteChainBits, uint64 chainId_)
        internal
        view
        returns (RemoteChain memory chain)
    {
        chain = _connected(chainId_);
        if (remoteChainBits & _bitOf(chain) == 0) revert ChainNotInSettlement(settlementId, chainId_);
    }

    /// @dev The chain behind the endpoint id of a peer, and its bit.
    function _chainOf(uint32 endpointId) internal view returns (uint64 chainId_, uint16 bit) {
        chainId_ = _chainIds[endpointId];
        bit = _bitOf(_chains[chainId_]);
    }

    /// @dev The bit of a connected chain in a settlement.
    function _bitOf(RemoteChain memory chain) internal pure returns (uint16) {
        return uint16(1 << (chain.number - 1));
    }
}
