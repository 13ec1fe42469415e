// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What a coordinator and a gateway have in common as senders and receivers of LayerZero messages.
interface IMessaging {
    /// @notice A message left for `chainId`. Its delivery is not certain; whoever misses it may send it again.
    event MessageSent(bytes32 indexed settlementId, uint64 indexed chainId, uint8 kind, bytes32 guid);

    /// @notice Peers, libraries and their settings are fixed from here on.
    event ConfigurationFrozen();

    /// @notice Thrown when a setting is changed by anybody but the configurator, or after the freeze.
    error CallerNotConfigurator(address caller);
    /// @notice Thrown when something needs the settings to be frozen first.
    error ConfigurationNotFrozen();
    /// @notice Thrown at the freeze when the endpoint would use a library that LayerZero, not the configurator, chose and may change.
    error LibraryNotChosen(uint32 endpointId);
    /// @notice Thrown at the freeze while a replaced receive library may still deliver (until block `expiry`).
    error OldLibraryStillValid(uint32 endpointId, uint256 expiry);
    /// @notice Thrown when a message is delivered by anybody but the endpoint.
    error CallerNotEndpoint(address caller);
    /// @notice Thrown when a message comes from a chain or a contract that is not a peer.
    error UnknownPeer(uint32 endpointId, bytes32 sender);
    /// @notice Thrown when native coin comes along with a delivery; it could never leave.
    error ValueRefused(uint256 value);
    /// @notice Thrown when a peer sends a kind of message that only the other side sends.
    error UnexpectedMessage(uint8 kind);

    /// @notice Ends configuration for ever: from here on nobody can change peers, message libraries or their settings. Only the configurator.
    /// @dev Refused while a peer's messages would go through the endpoint's default libraries.
    function freeze() external;

    /// @notice Who may still configure; zero once frozen. It is the endpoint's delegate for this contract as well.
    function configurator() external view returns (address);

    /// @notice The contract that is trusted under an endpoint id, in LayerZero's form; zero when there is none.
    function peers(uint32 endpointId) external view returns (bytes32);
}
