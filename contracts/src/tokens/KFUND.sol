// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IPartitionedToken } from "../interfaces/IPartitionedToken.sol";

/// @title A fund for development chains, with the part of ERC-1400 that settlements use: anybody mints, and anybody locks a holder.
/// @notice 18 decimals; balances by partition; operators by partition; a locked holder neither sends nor receives.
contract KFUND is IPartitionedToken {
    /// @notice Tokens moved between holders within a partition.
    event TransferByPartition(
        bytes32 indexed fromPartition,
        address operator,
        address indexed from,
        address indexed to,
        uint256 value,
        bytes data,
        bytes operatorData
    );
    /// @notice A holder made somebody an operator of its tokens in a partition.
    event AuthorizedOperatorByPartition(
        bytes32 indexed partition, address indexed operator, address indexed tokenHolder
    );
    /// @notice Tokens came into being.
    event IssuedByPartition(bytes32 indexed partition, address indexed to, uint256 value);

    /// @notice Thrown when a transfer is refused, with the ERC-1066 code of {canTransferByPartition}.
    error TransferRefused(bytes1 code);
    /// @notice Thrown when the caller is no operator of the holder.
    error NotAnOperator(address caller, address tokenHolder);

    string public constant name = "Keystone Test Fund";
    string public constant symbol = "KFUND";
    uint8 public constant decimals = 18;

    bytes1 private constant SUCCESS = 0x51;
    bytes1 private constant INSUFFICIENT_BALANCE = 0x52;
    bytes1 private constant FUNDS_LOCKED = 0x55;
    bytes1 private constant INVALID_RECEIVER = 0x57;

    /// @inheritdoc IPartitionedToken
    mapping(bytes32 partition => mapping(address tokenHolder => uint256)) public balanceOfByPartition;
    /// @notice Base units of a holder over all partitions.
    mapping(address tokenHolder => uint256) public balanceOf;
    /// @notice Whether somebody may move a holder's tokens in a partition.
    mapping(bytes32 partition => mapping(address operator => mapping(address tokenHolder => bool))) public
        isOperatorForPartition;
    /// @notice Whether a holder is locked.
    mapping(address tokenHolder => bool) public isLocked;
    uint256 public totalSupply;

    /// @notice Gives `value` base units in `partition` to `to`.
    function mint(bytes32 partition, address to, uint256 value) external {
        _mint(partition, to, value);
    }

    /// @notice Locks or unlocks a holder.
    function setLocked(address tokenHolder, bool locked) external {
        isLocked[tokenHolder] = locked;
    }

    /// @notice Lets `operator` move the caller's tokens in `partition`.
    function authorizeOperatorByPartition(bytes32 partition, address operator) external {
        isOperatorForPartition[partition][operator][msg.sender] = true;
        emit AuthorizedOperatorByPartition(partition, operator, msg.sender);
    }

    /// @inheritdoc IPartitionedToken
    function transferByPartition(bytes32 partition, address to, uint256 value, bytes calldata data)
        external
        returns (bytes32)
    {
        return _transfer(partition, msg.sender, to, value, data, "");
    }

    /// @inheritdoc IPartitionedToken
    function operatorTransferByPartition(
        bytes32 partition,
        address from,
        address to,
        uint256 value,
        bytes calldata data,
        bytes calldata operatorData
    ) external virtual returns (bytes32) {
        if (!isOperatorForPartition[partition][msg.sender][from]) revert NotAnOperator(msg.sender, from);
        return _transfer(partition, from, to, value, data, operatorData);
    }

    /// @inheritdoc IPartitionedToken
    function canTransferByPartition(address from, address to, bytes32 partition, uint256 value, bytes calldata)
        external
        view
        returns (bytes1 code, bytes32 reason, bytes32 receivingPartition)
    {
        return (_check(partition, from, to, value), 0, partition);
    }

    function _mint(bytes32 partition, address to, uint256 value) internal {
        balanceOfByPartition[partition][to] += value;
        balanceOf[to] += value;
        totalSupply += value;
        emit IssuedByPartition(partition, to, value);
    }

    function _move(bytes32 partition, address from, address to, uint256 value) internal {
        balanceOfByPartition[partition][from] -= value;
        balanceOf[from] -= value;
        balanceOfByPartition[partition][to] += value;
        balanceOf[to] += value;
    }

    function _transfer(
        bytes32 partition,
        address from,
        address to,
        uint256 value,
        bytes calldata data,
        bytes memory operatorData
    ) private returns (bytes32) {
        bytes1 code = _check(partition, from, to, value);
        if (code != SUCCESS) revert TransferRefused(code);
        _move(partition, from, to, value);
        emit TransferByPartition(partition, msg.sender, from, to, value, data, operatorData);
        return partition;
    }

    function _check(bytes32 partition, address from, address to, uint256 value) private view returns (bytes1) {
        if (to == address(0)) return INVALID_RECEIVER;
        if (isLocked[from] || isLocked[to]) return FUNDS_LOCKED;
        return balanceOfByPartition[partition][from] < value ? INSUFFICIENT_BALANCE : SUCCESS;
    }
}
