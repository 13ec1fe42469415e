// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IERC20 } from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import { SafeERC20 } from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import { IERC721 } from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { IGate } from "./interfaces/IGate.sol";
import { IKeystoneEscrow } from "./interfaces/IKeystoneEscrow.sol";
import { BoundedCall } from "./libraries/BoundedCall.sol";
import { TermsLibrary } from "./libraries/TermsLibrary.sol";
import { DEPOSIT_GAS, EXECUTION_OVERHEAD, GAS_PER_PAYOUT, MAX_LEGS, PAYOUT_GAS } from "./types/Limits.sol";
import { CreateParams, Fee, Leg, Opening, TokenStandard } from "./types/SettlementTypes.sol";

/// @title Holds tokens and credits, and nothing that anybody could change.
/// @notice It has no roles, no owner, no withdrawal but the parties' own. What may move is the gate's answer; where it goes is in the terms,
/// which the gate knows by their hash, and in the wallets that deposits have opened.
/// @dev Every entry that moves tokens holds one lock. The gate writes the new status before any token leaves.
contract KeystoneEscrow is IKeystoneEscrow, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using TermsLibrary for CreateParams;
    using TermsLibrary for Leg;

    /// @dev One slot.
    struct Credit {
        uint248 amount;
        uint8 tokenStandard;
    }

    /// @inheritdoc IKeystoneEscrow
    IGate public immutable gate;
    /// @notice The coordinator whose settlements are held here, on whatever chain it lives.
    address public immutable coordinator;
    /// @notice The chain of the coordinator.
    uint64 public immutable coordinatorChainId;

    /// @inheritdoc IKeystoneEscrow
    mapping(bytes32 settlementId => mapping(uint256 partyIndex => address)) public openedWallet;
    mapping(bytes32 creditKey => Credit) private _credits;

    /// @param gate_ The coordinator at home, elsewhere the contract that follows it.
    /// @param coordinator_ Part of every terms hash.
    /// @param coordinatorChainId_ Part of every terms hash.
    constructor(IGate gate_, address coordinator_, uint64 coordinatorChainId_) {
        gate = gate_;
        coordinator = coordinator_;
        coordinatorChainId = coordinatorChainId_;
    }

    /// @inheritdoc IKeystoneEscrow
    function depositLeg(
        CreateParams calldata terms,
        uint256 legIndex,
        Opening calldata payer,
        Opening calldata payee,
        bytes32 termsHash
    ) external nonReentrant {
        if (_hash(terms) != termsHash) {
            revert TermsHashMismatch(terms.settlementId, termsHash, _hash(terms));
        }
        if (legIndex >= terms.legs.length || legIndex >= MAX_LEGS) revert UnknownLeg(terms.settlementId, legIndex);
        Leg calldata leg = terms.legs[legIndex];
        if (!leg.isHeldBy(address(this))) revert LegNotInThisEscrow(legIndex, leg.chainId, leg.escrow);
        uint256 executionGas = _executionGas(terms);
        _requireGas(DEPOSIT_GAS + executionGas);
        if (msg.sender != payer.wallet) revert CallerNotPayer(msg.sender, payer.wallet);
        _requirePayee(leg, payer.wallet, payee.wallet);
        _open(terms, legIndex, leg.payer, payer);
        _open(terms, legIndex, leg.payee, payee);

        // The gate hears of the deposit only once the tokens are here: a hook inside the transfer must not find the settlement complete. The
        // lock keeps the same leg from being paid in twice meanwhile.
        _pull(leg);
        bool executeNow = gate.recordDeposit(terms.settlementId, termsHash, legIndex);
        emit LegDeposited(terms.settlementId, legIndex, msg.sender, leg.token, leg.tokenId, leg.amount);
        if (executeNow) _tryExecute(terms, termsHash, executionGas);
    }

    /// @inheritdoc IKeystoneEscrow
    function execute(CreateParams calldata terms) external nonReentrant {
        _execute(terms, _hash(terms));
    }

    /// @notice Executes within the last deposit, under `try`, so that a failure undoes the execution and not the deposit. Only the escrow itself.
    function executeFromDeposit(CreateParams calldata terms, bytes32 termsHash) external {
        if (msg.sender != address(this)) revert CallerNotSelf(msg.sender);
        _execute(terms, termsHash);
    }

    /// @inheritdoc IKeystoneEscrow
    function refund(CreateParams calldata terms) external nonReentrant {
        bytes32 id = terms.settlementId;
        uint256 legBits = gate.claimRefund(id, _hash(terms));
        for (uint256 i; i < terms.legs.length; ++i) {
            if ((legBits >> i) & 1 == 0) continue;
            Leg calldata leg = terms.legs[i];
            address depositor = openedWallet[id][leg.payer];
            if (_pay(id, i, leg, depositor, leg.amount)) {
                emit LegRefunded(id, i, depositor, leg.token, leg.tokenId, leg.amount);
            }
        }
    }

    /// @inheritdoc IKeystoneEscrow
    function withdraw(address token, uint256 tokenId, bytes32 partition, address wallet) external nonReentrant {
        bytes32 key = _creditKey(token, tokenId, partition, wallet);
        Credit memory credit = _credits[key];
        if (credit.amount == 0) revert NothingToWithdraw(token, tokenId, partition, wallet);
        delete _credits[key];
        emit CreditWithdrawn(wallet, token, tokenId, partition, credit.amount);
        if (credit.tokenStandard == TokenStandard.ERC721) {
            // A plain transfer: a receiver's hook could refuse for ever.
            IERC721(token).transferFrom(address(this), wallet, tokenId);
        } else {
            IERC20(token).safeTransfer(wallet, credit.amount);
        }
    }

    /// @inheritdoc IKeystoneEscrow
    function allLegsDeposited(bytes32 settlementId) external view returns (bool) {
        return gate.allLegsDeposited(settlementId);
    }

    /// @inheritdoc IKeystoneEscrow
    function creditOf(address token, uint256 tokenId, bytes32 partition, address wallet)
        external
        view
        returns (uint256)
    {
        return _credits[_creditKey(token, tokenId, partition, wallet)].amount;
    }

    /// @dev Remembers the wallet behind a party hash. Requires that the wallet's participant was screened as an entity too.
    function _open(CreateParams calldata terms, uint256 legIndex, uint8 partyIndex, Opening calldata opening) private {
        bytes32[] calldata parties = terms.partyHashes;
        if (parties[partyIndex] != TermsLibrary.partyHash(opening.participantId, opening.wallet)) {
            revert OpeningMismatch(legIndex, partyIndex);
        }
        mapping(uint256 => address) storage wallets = openedWallet[terms.settlementId];
        if (wallets[partyIndex] != address(0)) return;

        bytes32 entity = TermsLibrary.partyHash(opening.participantId, address(0));
        uint256 i;
        while (parties[i] != entity) {
            if (++i == parties.length) revert EntityNotRegistered(opening.participantId);
        }
        wallets[partyIndex] = opening.wallet;
    }

    function _requirePayee(Leg calldata leg, address payer, address payee) private view {
        if (payee == address(0) || payee == payer || payee == address(this) || payee == leg.token) {
            revert InvalidPayee(payee);
        }
    }

    /// @dev Takes a leg in from the caller, and checks that exactly it arrived.
    function _pull(Leg calldata leg) private {
        bool isNft = leg.tokenStandard == TokenStandard.ERC721;
        if (BoundedCall.isErc721(leg.token) != isNft) revert TokenStandardMismatch(leg.token, leg.tokenStandard);
        if (isNft) {
            IERC721(leg.token).transferFrom(msg.sender, address(this), leg.tokenId);
            if (IERC721(leg.token).ownerOf(leg.tokenId) != address(this)) {
                revert TokenNotReceived(leg.token, leg.tokenId);
            }
            return;
        }
        IERC20 token = IERC20(leg.token);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), leg.amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != leg.amount) revert DepositAmountMismatch(leg.token, leg.amount, received);
    }

    /// @dev Asked of every deposit before it does anything: parties who pay in within one block have each estimated a deposit that executes
    /// nothing, and the one that turns out to be the last would revert for want of gas.
    function _requireGas(uint256 required) private view {
        if (gasleft() < required) revert InsufficientGas(gasleft(), required);
    }

    /// @dev Too little gas would not fail this call but starve the execution inside it, which is what gas estimation finds; so it reverts.
    function _tryExecute(CreateParams calldata terms, bytes32 termsHash, uint256 executionGas) private {
        _requireGas(executionGas);
        try this.executeFromDeposit(terms, termsHash) { }
        catch (bytes memory reason) {
            emit ExecutionFailed(terms.settlementId, reason);
        }
    }

    function _execute(CreateParams calldata terms, bytes32 termsHash) private {
        bytes32 id = terms.settlementId;
        gate.beginExecution(id, termsHash);
        for (uint256 i; i < terms.legs.length; ++i) {
            Leg calldata leg = terms.legs[i];
            if (leg.isHeldBy(address(this))) _release(id, i, leg);
        }
        gate.endExecution(id);
    }

    function _release(bytes32 id, uint256 legIndex, Leg calldata leg) private {
        uint256 rest = leg.amount;
        for (uint256 i; i < leg.fees.length; ++i) {
            Fee calldata fee = leg.fees[i];
            rest -= fee.amount;
            if (_pay(id, legIndex, leg, fee.recipient, fee.amount)) {
                emit FeePaid(id, legIndex, fee.recipient, leg.token, fee.amount);
            }
        }
        address payee = openedWallet[id][leg.payee];
        if (_pay(id, legIndex, leg, payee, rest)) {
            emit LegReleased(id, legIndex, payee, leg.token, leg.tokenId, rest);
        }
    }

    /// @dev Sends, or credits when the token refuses: one bad payout must not block the others.
    /// @return delivered False when it became a credit.
    function _pay(bytes32 id, uint256 legIndex, Leg calldata leg, address wallet, uint256 amount)
        private
        returns (bool delivered)
    {
        // Without this, whoever calls with little gas could turn every payout into a credit.
        _requireGas(GAS_PER_PAYOUT);
        delivered = leg.tokenStandard == TokenStandard.ERC721
            ? BoundedCall.transferErc721(leg.token, wallet, leg.tokenId, PAYOUT_GAS)
            : BoundedCall.transferErc20(leg.token, wallet, amount, PAYOUT_GAS);
        if (!delivered) {
            Credit storage credit = _credits[_creditKey(leg.token, leg.tokenId, leg.partition, wallet)];
            // casting to uint248 is safe: amount <= MAX_AMOUNT = 2^128 - 1, and nobody can pay in 2^120 times
            credit.amount += uint248(amount);
            credit.tokenStandard = leg.tokenStandard;
            emit PayoutCredited(id, legIndex, wallet, leg.token, leg.tokenId, amount);
        }
    }

    function _hash(CreateParams calldata terms) private view returns (bytes32) {
        return terms.hash(coordinator, coordinatorChainId);
    }

    /// @dev A twentieth more than the sum: EIP-150 keeps back 1/64 at each of the calls on the way to the token.
    function _executionGas(CreateParams calldata terms) private view returns (uint256 required) {
        uint256 payouts;
        for (uint256 i; i < terms.legs.length; ++i) {
            if (terms.legs[i].isHeldBy(address(this))) payouts += 1 + terms.legs[i].fees.length;
        }
        required = payouts * GAS_PER_PAYOUT + EXECUTION_OVERHEAD;
        required += required / 20;
    }

    function _creditKey(address token, uint256 tokenId, bytes32 partition, address wallet)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(token, tokenId, partition, wallet));
    }
}
