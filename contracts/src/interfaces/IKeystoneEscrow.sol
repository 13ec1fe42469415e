// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { CreateParams, Opening } from "../types/SettlementTypes.sol";
import { IGate } from "./IGate.sol";

/// @title Holds the legs of settlements on one chain, and lets them go only to the parties that the terms name.
interface IKeystoneEscrow {
    /// @notice A leg was paid in. `amount` is in base units, one for an ERC-721.
    event LegDeposited(
        bytes32 indexed settlementId,
        uint256 indexed legIndex,
        address indexed depositor,
        address token,
        uint256 tokenId,
        uint256 amount
    );

    /// @notice A leg's payee was paid; `amount` is what is left after the leg's fees.
    event LegReleased(
        bytes32 indexed settlementId,
        uint256 indexed legIndex,
        address indexed recipient,
        address token,
        uint256 tokenId,
        uint256 amount
    );

    /// @notice A fee of a leg was paid.
    event FeePaid(
        bytes32 indexed settlementId, uint256 indexed legIndex, address indexed recipient, address token, uint256 amount
    );

    /// @notice A leg went back to whoever had paid it in.
    event LegRefunded(
        bytes32 indexed settlementId,
        uint256 indexed legIndex,
        address indexed depositor,
        address token,
        uint256 tokenId,
        uint256 amount
    );

    /// @notice A release, fee or refund could not be delivered and waits for {withdraw}; it comes in place of that event.
    event PayoutCredited(
        bytes32 indexed settlementId,
        uint256 indexed legIndex,
        address indexed wallet,
        address token,
        uint256 tokenId,
        uint256 amount
    );

    /// @notice A credit was delivered.
    event CreditWithdrawn(
        address indexed wallet, address indexed token, uint256 tokenId, bytes32 partition, uint256 amount
    );

    /// @notice The last deposit stands, but did not execute the settlement; anybody may call {execute}.
    event ExecutionFailed(bytes32 indexed settlementId, bytes reason);

    /// @notice Thrown when the terms do not hash to what the depositor agreed to.
    error TermsHashMismatch(bytes32 settlementId, bytes32 agreed, bytes32 actual);
    /// @notice Thrown when the terms have no such leg.
    error UnknownLeg(bytes32 settlementId, uint256 legIndex);
    /// @notice Thrown when the leg lives on another chain or in another escrow.
    error LegNotInThisEscrow(uint256 legIndex, uint64 chainId, address escrow);
    /// @notice Thrown when the caller is not the wallet that is to pay.
    error CallerNotPayer(address caller, address payer);
    /// @notice Thrown when an opening is not the preimage of the party's hash.
    error OpeningMismatch(uint256 legIndex, uint8 partyIndex);
    /// @notice Thrown when a wallet's participant has no entity check in the settlement.
    error EntityNotRegistered(bytes32 participantId);
    /// @notice Thrown when the payee's wallet is zero, the payer's, the escrow or the token.
    error InvalidPayee(address payee);
    /// @notice Thrown when an ERC-721 is traded under a fungible standard, or the reverse: it could come in, and never leave.
    error TokenStandardMismatch(address token, uint8 tokenStandard);
    /// @notice Thrown when the escrow did not receive exactly the leg's amount, as with tokens that take a fee.
    error DepositAmountMismatch(address token, uint256 expected, uint256 received);
    /// @notice Thrown when an ERC-721 is not here after its transfer.
    error TokenNotReceived(address token, uint256 tokenId);
    /// @notice Thrown when less gas is left than the payouts may need. Raise the transaction's gas limit.
    error InsufficientGas(uint256 available, uint256 required);
    /// @notice Thrown when a function meant for the escrow itself is called from outside.
    error CallerNotSelf(address caller);
    /// @notice Thrown when the wallet has no such credit.
    error NothingToWithdraw(address token, uint256 tokenId, bytes32 partition, address wallet);

    /// @notice Pays a leg in; the payer approves the token first. The last deposit executes the settlement.
    /// @param terms The terms, as created.
    /// @param legIndex Which of their legs.
    /// @param payer Opens the leg's payer; its wallet is the caller.
    /// @param payee Opens the leg's payee.
    /// @param termsHash What the payer agreed to, computed by itself.
    /// @dev Every deposit asks for gas for the whole execution, since it may turn out to be the last; it uses little of it.
    function depositLeg(
        CreateParams calldata terms,
        uint256 legIndex,
        Opening calldata payer,
        Opening calldata payee,
        bytes32 termsHash
    ) external;

    /// @notice Pays out a settlement whose legs are all in. Anybody may call it.
    function execute(CreateParams calldata terms) external;

    /// @notice Hands every deposit of a failed settlement back to its payer. Anybody may call it.
    /// @dev Records the timeout first when it is due.
    function refund(CreateParams calldata terms) external;

    /// @notice Delivers a credit to the wallet that it belongs to. Anybody may call it.
    function withdraw(address token, uint256 tokenId, bytes32 partition, address wallet) external;

    /// @notice Whether every leg of this chain was paid in. False for an unknown settlement.
    function allLegsDeposited(bytes32 settlementId) external view returns (bool);

    /// @notice Base units that wait for a wallet; one for an ERC-721.
    function creditOf(address token, uint256 tokenId, bytes32 partition, address wallet) external view returns (uint256);

    /// @notice The wallet behind a party hash, once a deposit has opened it; else zero.
    function openedWallet(bytes32 settlementId, uint256 partyIndex) external view returns (address);

    /// @notice Who decides what may move.
    function gate() external view returns (IGate);
}
