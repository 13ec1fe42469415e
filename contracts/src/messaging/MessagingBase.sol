// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    ILayerZeroEndpointV2,
    MessagingParams,
    MessagingReceipt,
    Origin
} from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { ILayerZeroReceiver } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroReceiver.sol";
import { IMessaging } from "../interfaces/IMessaging.sol";

/// @title A LayerZero application whose settings can be set once and never changed.
/// @notice Whoever could change peers, libraries or verifiers could forge a decision, and with it take one leg without the other. So there is
/// a configurator until {freeze}, and nobody after it. No message is verified, and none is sent, before.
/// @dev Messages are unordered: handlers are state-based and safe to repeat. A handler that reverts leaves its message with the endpoint, and
/// anybody may deliver it again; handlers therefore catch nothing.
abstract contract MessagingBase is IMessaging, ILayerZeroReceiver {
    /// @dev LayerZero executor options, type 3: one option for the gas of lzReceive.
    uint16 private constant OPTIONS_TYPE_3 = 3;
    uint8 private constant EXECUTOR_WORKER = 1;
    uint16 private constant RECEIVE_OPTION_SIZE = 17;
    uint8 private constant RECEIVE_OPTION = 1;
    /// @dev Gas bought for a delivery. An OPEN and the vote that decides write fresh slots; the gas test measures both. Should it ever be too
    /// little, the message stays with the endpoint and anybody delivers it with more.
    uint128 private constant RECEIVE_GAS = 200_000;

    /// @notice LayerZero's endpoint on this chain; zero for a deployment without messaging.
    ILayerZeroEndpointV2 public immutable endpoint;
    /// @inheritdoc IMessaging
    address public configurator;

    /// @param endpoint_ The deployer becomes the configurator. With a zero endpoint there is nothing to configure: frozen from the start.
    constructor(ILayerZeroEndpointV2 endpoint_) {
        endpoint = endpoint_;
        if (address(endpoint_) == address(0)) return;
        configurator = msg.sender;
        // So that the configurator can set libraries and verifiers directly at the endpoint.
        endpoint_.setDelegate(msg.sender);
    }

    modifier onlyConfigurator() {
        if (msg.sender != configurator) revert CallerNotConfigurator(msg.sender);
        _;
    }

    /// @inheritdoc ILayerZeroReceiver
    /// @dev The executor and its extra data are nobody's word and are ignored.
    function lzReceive(Origin calldata origin, bytes32, bytes calldata message, address, bytes calldata)
        external
        payable
    {
        if (msg.sender != address(endpoint)) revert CallerNotEndpoint(msg.sender);
        if (msg.value != 0) revert ValueRefused(msg.value);
        if (!_isPeer(origin)) revert UnknownPeer(origin.srcEid, origin.sender);
        _receive(origin.srcEid, message);
    }

    /// @inheritdoc ILayerZeroReceiver
    /// @dev The endpoint accepts a channel's first verification only if this says so. Nothing can be verified before the freeze, so that a
    /// configurator cannot put forged messages aside and deliver them afterwards.
    function allowInitializePath(Origin calldata origin) external view returns (bool) {
        return configurator == address(0) && _isPeer(origin);
    }

    /// @inheritdoc ILayerZeroReceiver
    /// @dev Zero: deliveries may come in any order.
    function nextNonce(uint32, bytes32) external pure returns (uint64) {
        return 0;
    }

    /// @inheritdoc IMessaging
    function peers(uint32 endpointId) public view virtual returns (bytes32);

    /// @dev Acts on a message of the peer under `endpointId`.
    function _receive(uint32 endpointId, bytes calldata message) internal virtual;

    /// @dev Ends configuration. The derived contract has checked each of its peers by {_requireChosenLibraries}.
    function _freeze() internal {
        configurator = address(0);
        endpoint.setDelegate(address(0));
        emit ConfigurationFrozen();
    }

    /// @dev The endpoint's default libraries belong to LayerZero, which may replace them: then it could forge a decision.
    function _requireChosenLibraries(uint32 endpointId) internal view {
        (, bool isDefault) = endpoint.getReceiveLibrary(address(this), endpointId);
        if (isDefault || endpoint.isDefaultSendLibrary(address(this), endpointId)) revert LibraryNotChosen(endpointId);
        (address old, uint256 expiry) = endpoint.receiveLibraryTimeout(address(this), endpointId);
        if (old != address(0) && expiry > block.number) revert OldLibraryStillValid(endpointId, expiry);
    }

    /// @dev Sends with the value of this call; what the endpoint does not need goes back to the caller.
    function _send(bytes32 settlementId, uint64 chainId, uint32 endpointId, uint8 kind, bytes memory message) internal {
        if (configurator != address(0)) revert ConfigurationNotFrozen();
        MessagingReceipt memory receipt = endpoint.send{ value: msg.value }(_params(endpointId, message), msg.sender);
        emit MessageSent(settlementId, chainId, kind, receipt.guid);
    }

    /// @dev Native fee of a message, in wei.
    function _quote(uint32 endpointId, bytes memory message) internal view returns (uint256 nativeFee) {
        return endpoint.quote(_params(endpointId, message), address(this)).nativeFee;
    }

    function _isPeer(Origin calldata origin) private view returns (bool) {
        return origin.sender != 0 && origin.sender == peers(origin.srcEid);
    }

    function _params(uint32 endpointId, bytes memory message) private view returns (MessagingParams memory) {
        bytes memory options =
            abi.encodePacked(OPTIONS_TYPE_3, EXECUTOR_WORKER, RECEIVE_OPTION_SIZE, RECEIVE_OPTION, RECEIVE_GAS);
        return MessagingParams(endpointId, peers(endpointId), message, options, false);
    }
}
