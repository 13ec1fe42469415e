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

    /// @notice The openings of a leg that was paid in. Together with `depositor` of {LegDeposited}, all that execution, refund and release need.
    /// @param payerId Participant id of the payer, whose wallet is the depositor.
    /// @param payeeId Participant id of the payee.
    /// @param payee Wallet of the payee.
    event LegOpened(
        bytes32 indexed settlementId, uint256 indexed legIndex, bytes32 payerId, bytes32 payeeId, address payee
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
    /// @notice Thrown when the openings are not one for each leg.
    error InvalidOpeningCount(uint256 count, uint256 legs);
    /// @notice Thrown when a token is traded under a standard that it does not show: it could come in and never leave, or leave in place of
    /// another settlement's.
    error TokenStandardMismatch(address token, uint8 tokenStandard);
    /// @notice Thrown when the escrow did not receive exactly the leg's amount, as with tokens that take a fee.
    error DepositAmountMismatch(address token, uint256 expected, uint256 received);
    /// @notice Thrown when an ERC-1400 token says that the deposit may not be made, and why (`code` of ERC-1066, `reason` of the token).
    error TransferRefused(address token, bytes1 code, bytes32 reason);
    /// @notice Thrown when an ERC-721 is not here after its transfer.
    error TokenNotReceived(address token, uint256 tokenId);
    /// @notice Thrown when less gas is left than the payouts may need. Raise the transaction's gas limit.
    error InsufficientGas(uint256 available, uint256 required);
    /// @notice Thrown when a function meant for the escrow itself is called from outside.
    error CallerNotSelf(address caller);
    /// @notice Thrown when the wallet has no such credit.
    error NothingToWithdraw(address token, uint256 tokenId, bytes32 partition, address wallet);

    /// @notice Thrown when a release names neither payment nor refund.
    error InvalidOutcome(uint8 outcome);
    /// @notice Thrown when a release does not carry exactly one signature for each wallet.
    error InvalidSignatureCount(uint256 count, uint256 wallets);
    /// @notice Thrown when a signature of a release is not the wallet's.
    error InvalidReleaseSignature(address wallet);

    /// @notice Pays a leg in; the payer approves the token first, or authorizes this escrow as operator for an ERC-1400's partition. At home
    /// the last deposit executes the settlement.
    /// @param terms The terms, as created.
    /// @param legIndex Which of their legs.
    /// @param payer Opens the leg's payer; its wallet is the caller.
    /// @param payee Opens the leg's payee.
    /// @param termsHash What the payer agreed to, computed by itself.
    /// @dev At home every deposit asks for gas for the whole execution, since it may turn out to be the last; it uses little of it.
    function depositLeg(
        CreateParams calldata terms,
        uint256 legIndex,
        Opening calldata payer,
        Opening calldata payee,
        bytes32 termsHash
    ) external;

    /// @notice Pays out this escrow's legs, once that is decided. Anybody may call it.
    /// @param openings One for each leg, opening its payee; zeroes for legs of other escrows.
    function execute(CreateParams calldata terms, Opening[] calldata openings) external;

    /// @notice Hands deposits of a failed settlement back to their payers. Anybody may call it, for all legs at once or one by one: a payer who
    /// knows nobody else's wallet can have its own back.
    /// @param openings One for each leg, opening its payer; zeroes leave a leg for another call.
    /// @dev Records the timeout first when it is due.
    function refund(CreateParams calldata terms, Opening[] calldata openings) external;

    /// @notice Pays or refunds as all payers and payees of this chain's legs have signed. Only on a chain that waits for a decision which has
    /// not come for thirty days after the deadline: the way out should messaging die for good. Anybody may call it.
    /// @param payers One for each leg, opening its payer; zeroes for legs of other escrows.
    /// @param payees One for each leg, opening its payee; zeroes for legs of other escrows.
    /// @param outcome One of {ReleaseOutcome}.
    /// @param signatures EIP-712 `Release(bytes32 settlementId,bytes32 termsHash,uint8 outcome)`, one for each distinct wallet, in the order in
    /// which wallets first appear by leg, the payer before the payee. A contract signs by ERC-1271.
    function release(
        CreateParams calldata terms,
        Opening[] calldata payers,
        Opening[] calldata payees,
        uint8 outcome,
        bytes[] calldata signatures
    ) external;

    /// @notice Delivers a credit to the wallet that it belongs to. Anybody may call it.
    function withdraw(address token, uint256 tokenId, bytes32 partition, address wallet) external;

    /// @notice Whether every leg of this chain was paid in. False for an unknown settlement.
    function allLegsDeposited(bytes32 settlementId) external view returns (bool);

    /// @notice Base units that wait for a wallet; one for an ERC-721.
    function creditOf(address token, uint256 tokenId, bytes32 partition, address wallet) external view returns (uint256);

    /// @notice The coordinator whose settlements are held here, on whatever chain it lives.
    function coordinator() external view returns (address);

    /// @notice The chain of the coordinator.
    function coordinatorChainId() external view returns (uint64);

    /// @notice Who decides what may move.
    function gate() external view returns (IGate);
}
