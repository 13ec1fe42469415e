// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ReentrancyGuardTransient } from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import { IGate } from "./interfaces/IGate.sol";
import { IKeystoneEscrow } from "./interfaces/IKeystoneEscrow.sol";
import { Payments } from "./libraries/Payments.sol";
import { TermsLibrary } from "./libraries/TermsLibrary.sol";
import { DEPOSIT_GAS, EXECUTION_OVERHEAD, GAS_PER_PAYOUT, MAX_LEGS } from "./types/Limits.sol";
import { CreateParams, Fee, Leg, Opening, ReleaseOutcome } from "./types/SettlementTypes.sol";

/// @title Holds tokens and credits, and nothing that anybody could change.
/// @notice It has no roles, no owner, no withdrawal but the parties' own. What may move is the gate's answer; where it goes is in the terms,
/// which the gate knows by their hash, and whose party hashes fix every wallet.
/// @dev Every entry that moves tokens holds one lock. The gate writes the new status before any token leaves.
contract KeystoneEscrow is IKeystoneEscrow, ReentrancyGuardTransient, EIP712 {
    using TermsLibrary for CreateParams;

    /// @dev One slot.
    struct Credit {
        uint248 amount;
        uint8 tokenStandard;
    }

    /// @notice Type of the signatures that {release} takes (EIP-712).
    bytes32 public constant RELEASE_TYPEHASH =
        keccak256("Release(bytes32 settlementId,bytes32 termsHash,uint8 outcome)");

    /// @inheritdoc IKeystoneEscrow
    IGate public immutable gate;
    /// @inheritdoc IKeystoneEscrow
    address public immutable coordinator;
    /// @inheritdoc IKeystoneEscrow
    uint64 public immutable coordinatorChainId;
    /// @notice The chain of this escrow. Fixed at deployment: after a chain splits, running settlements must still find their legs.
    uint64 public immutable chainId;

    /// @dev Payees of legs that were paid in before the last one, where the last payer does not know every wallet. Only at home.
    mapping(bytes32 settlementId => mapping(uint256 legIndex => address)) private _payees;
    mapping(bytes32 creditKey => Credit) private _credits;

    /// @param gate_ The coordinator at home, elsewhere the contract that follows it.
    /// @param coordinator_ Part of every terms hash.
    /// @param coordinatorChainId_ Part of every terms hash.
    constructor(IGate gate_, address coordinator_, uint64 coordinatorChainId_) EIP712("KeystoneEscrow", "1") {
        gate = gate_;
        coordinator = coordinator_;
        coordinatorChainId = coordinatorChainId_;
        chainId = uint64(block.chainid);
    }

    /// @inheritdoc IKeystoneEscrow
    function depositLeg(
        CreateParams calldata terms,
        uint256 legIndex,
        Opening calldata payer,
        Opening calldata payee,
        bytes32 termsHash
    ) external nonReentrant {
        _requireAgreement(terms, legIndex, termsHash);
        Leg calldata leg = terms.legs[legIndex];
        if (!_isHeld(leg)) revert LegNotInThisEscrow(legIndex, leg.chainId, leg.escrow);
        bool isHome = chainId == coordinatorChainId;
        (uint256 executionGas, bool knowsEveryWallet) = isHome ? _outlook(terms, leg) : (0, true);
        if (isHome) _requireGas(DEPOSIT_GAS + executionGas);
        if (msg.sender != payer.wallet) revert CallerNotPayer(msg.sender, payer.wallet);
        _requirePayee(leg, payer.wallet, payee.wallet);
        _requireScreened(terms, legIndex, leg.payer, payer);
        _requireScreened(terms, legIndex, leg.payee, payee);

        // The gate hears of the deposit only once the tokens are here: a hook inside the transfer must not find the settlement complete. The
        // lock keeps the same leg from being paid in twice meanwhile.
        Payments.pull(leg);
        bytes32 id = terms.settlementId;
        bool executeNow = gate.recordDeposit(id, termsHash, legIndex);
        emit LegDeposited(id, legIndex, msg.sender, leg.token, leg.tokenId, leg.amount);
        emit LegOpened(id, legIndex, payer.participantId, payee.participantId, payee.wallet);
        if (executeNow) _tryExecute(id, executionGas);
        else if (!knowsEveryWallet) _payees[id][legIndex] = payee.wallet;
    }

    /// @inheritdoc IKeystoneEscrow
    function execute(CreateParams calldata terms, Opening[] calldata openings) external nonReentrant {
        _requireOnePerLeg(terms, openings);
        bytes32 id = terms.settlementId;
        gate.beginExecution(id, _hash(terms));
        _releaseAll(terms, openings);
        gate.endExecution(id);
    }

    /// @notice Executes within the last deposit, so that a failure undoes the execution and not the deposit. Only the escrow itself, which
    /// passes on what it was called with; everything in it was checked before.
    function executeFromDeposit(
        CreateParams calldata terms,
        uint256 legIndex,
        Opening calldata payer,
        Opening calldata payee,
        bytes32 termsHash
    ) external {
        if (msg.sender != address(this)) revert CallerNotSelf(msg.sender);
        bytes32 id = terms.settlementId;
        gate.beginExecution(id, termsHash);
        Leg calldata own = terms.legs[legIndex];
        for (uint256 i; i < terms.legs.length; ++i) {
            Leg calldata leg = terms.legs[i];
            if (!_isHeld(leg)) continue;
            address wallet;
            if (leg.payee == own.payee) wallet = payee.wallet;
            else if (leg.payee == own.payer) wallet = payer.wallet;
            else wallet = _payees[id][i];
            _release(id, i, leg, wallet);
        }
        gate.endExecution(id);
    }

    /// @inheritdoc IKeystoneEscrow
    function refund(CreateParams calldata terms, Opening[] calldata openings) external nonReentrant {
        _requireOnePerLeg(terms, openings);
        uint256 wantedBits;
        for (uint256 i; i < openings.length; ++i) {
            if (openings[i].wallet != address(0)) wantedBits |= 1 << i;
        }
        uint256 legBits = gate.claimRefund(terms.settlementId, _hash(terms), wantedBits);
        for (uint256 i; i < terms.legs.length; ++i) {
            if ((legBits >> i) & 1 != 0) _refund(terms, i, openings[i]);
        }
    }

    /// @inheritdoc IKeystoneEscrow
    function release(
        CreateParams calldata terms,
        Opening[] calldata payers,
        Opening[] calldata payees,
        uint8 outcome,
        bytes[] calldata signatures
    ) external nonReentrant {
        if (outcome != ReleaseOutcome.PAY && outcome != ReleaseOutcome.REFUND) {
            revert InvalidOutcome(outcome);
        }
        _requireOnePerLeg(terms, payers);
        _requireOnePerLeg(terms, payees);
        bytes32 id = terms.settlementId;
        bytes32 termsHash = _hash(terms);
        gate.claimRelease(id, termsHash, outcome);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(RELEASE_TYPEHASH, id, termsHash, outcome)));
        _requireConsent(_walletsOf(terms, payers, payees), digest, signatures);

        if (outcome == ReleaseOutcome.PAY) {
            _releaseAll(terms, payees);
            gate.endExecution(id);
            return;
        }
        for (uint256 i; i < terms.legs.length; ++i) {
            if (_isHeld(terms.legs[i])) _refund(terms, i, payers[i]);
        }
    }

    /// @inheritdoc IKeystoneEscrow
    function withdraw(address token, uint256 tokenId, bytes32 partition, address wallet) external nonReentrant {
        bytes32 key = _creditKey(token, tokenId, partition, wallet);
        Credit memory credit = _credits[key];
        if (credit.amount == 0) revert NothingToWithdraw(token, tokenId, partition, wallet);
        delete _credits[key];
        emit CreditWithdrawn(wallet, token, tokenId, partition, credit.amount);
        Payments.deliver(credit.tokenStandard, token, tokenId, partition, wallet, credit.amount);
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

    /// @dev Too little gas would not fail this call but starve the execution inside it, which is what gas estimation finds; so it reverts.
    function _tryExecute(bytes32 id, uint256 executionGas) private {
        // The calldata of depositLeg as it came: encoding the terms anew costs more than the payout of a leg.
        bytes memory data = abi.encodePacked(this.executeFromDeposit.selector, msg.data[4:]);
        _requireGas(executionGas);
        (bool success, bytes memory reason) = address(this).call(data);
        if (!success) emit ExecutionFailed(id, reason);
    }

    function _releaseAll(CreateParams calldata terms, Opening[] calldata payees) private {
        for (uint256 i; i < terms.legs.length; ++i) {
            Leg calldata leg = terms.legs[i];
            if (!_isHeld(leg)) continue;
            _requireOpening(terms, i, leg.payee, payees[i]);
            _release(terms.settlementId, i, leg, payees[i].wallet);
        }
    }

    function _release(bytes32 id, uint256 legIndex, Leg calldata leg, address payee) private {
        uint256 rest = leg.amount;
        for (uint256 i; i < leg.fees.length; ++i) {
            Fee calldata fee = leg.fees[i];
            rest -= fee.amount;
            if (_pay(id, legIndex, leg, fee.recipient, fee.amount)) {
                emit FeePaid(id, legIndex, fee.recipient, leg.token, fee.amount);
            }
        }
        if (_pay(id, legIndex, leg, payee, rest)) {
            emit LegReleased(id, legIndex, payee, leg.token, leg.tokenId, rest);
        }
    }

    function _refund(CreateParams calldata terms, uint256 legIndex, Opening calldata payer) private {
        Leg calldata leg = terms.legs[legIndex];
        _requireOpening(terms, legIndex, leg.payer, payer);
        if (_pay(terms.settlementId, legIndex, leg, payer.wallet, leg.amount)) {
            emit LegRefunded(terms.settlementId, legIndex, payer.wallet, leg.token, leg.tokenId, leg.amount);
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
        delivered = Payments.push(leg, wallet, amount);
        if (!delivered) {
            Credit storage credit = _credits[_creditKey(leg.token, leg.tokenId, leg.partition, wallet)];
            // casting to uint248 is safe: amount <= MAX_AMOUNT = 2^128 - 1, and nobody can pay in 2^120 times
            credit.amount += uint248(amount);
            credit.tokenStandard = leg.tokenStandard;
            emit PayoutCredited(id, legIndex, wallet, leg.token, leg.tokenId, amount);
        }
    }

    function _requireAgreement(CreateParams calldata terms, uint256 legIndex, bytes32 agreed) private view {
        bytes32 actual = _hash(terms);
        if (actual != agreed) revert TermsHashMismatch(terms.settlementId, agreed, actual);
        if (legIndex >= terms.legs.length || legIndex >= MAX_LEGS) revert UnknownLeg(terms.settlementId, legIndex);
    }

    /// @dev Asked of every deposit before it does anything: parties who pay in within one block have each estimated a deposit that executes
    /// nothing, and the one that turns out to be the last would revert for want of gas.
    function _requireGas(uint256 required) private view {
        if (gasleft() < required) revert InsufficientGas(gasleft(), required);
    }

    function _hash(CreateParams calldata terms) private view returns (bytes32) {
        return terms.hash(coordinator, coordinatorChainId);
    }

    function _isHeld(Leg calldata leg) private view returns (bool) {
        return leg.escrow == address(this) && leg.chainId == chainId;
    }

    /// @dev What an execution needs, if this deposit turns out to be the last one.
    /// @return executionGas A twentieth more than the sum: EIP-150 keeps back 1/64 at each of the calls on the way to the token.
    /// @return knowsEveryWallet Whether payer and payee of this leg are the only parties of all legs here.
    function _outlook(CreateParams calldata terms, Leg calldata own)
        private
        view
        returns (uint256 executionGas, bool knowsEveryWallet)
    {
        uint256 payouts;
        uint256 known = (1 << own.payer) | (1 << own.payee);
        uint256 parties;
        for (uint256 i; i < terms.legs.length; ++i) {
            Leg calldata leg = terms.legs[i];
            if (!_isHeld(leg)) continue;
            payouts += 1 + leg.fees.length;
            parties |= (1 << leg.payer) | (1 << leg.payee);
        }
        executionGas = payouts * GAS_PER_PAYOUT + EXECUTION_OVERHEAD;
        executionGas += executionGas / 20;
        knowsEveryWallet = parties == known;
    }

    /// @dev Every signature of every distinct wallet, in order.
    function _requireConsent(address[] memory wallets, bytes32 digest, bytes[] calldata signatures) private view {
        if (signatures.length != wallets.length) revert InvalidSignatureCount(signatures.length, wallets.length);
        for (uint256 i; i < wallets.length; ++i) {
            if (!SignatureChecker.isValidSignatureNowCalldata(wallets[i], digest, signatures[i])) {
                revert InvalidReleaseSignature(wallets[i]);
            }
        }
    }

    /// @dev The distinct wallets of the legs here, in the order in which they first appear, the payer of a leg before its payee.
    function _walletsOf(CreateParams calldata terms, Opening[] calldata payers, Opening[] calldata payees)
        private
        view
        returns (address[] memory wallets)
    {
        wallets = new address[](2 * terms.legs.length);
        uint256 count;
        for (uint256 i; i < terms.legs.length; ++i) {
            Leg calldata leg = terms.legs[i];
            if (!_isHeld(leg)) continue;
            _requireOpening(terms, i, leg.payer, payers[i]);
            _requireOpening(terms, i, leg.payee, payees[i]);
            count = _addDistinct(wallets, count, payers[i].wallet);
            count = _addDistinct(wallets, count, payees[i].wallet);
        }
        assembly ("memory-safe") {
            mstore(wallets, count)
        }
    }

    function _addDistinct(address[] memory wallets, uint256 count, address wallet) private pure returns (uint256) {
        for (uint256 i; i < count; ++i) {
            if (wallets[i] == wallet) return count;
        }
        wallets[count] = wallet;
        return count + 1;
    }

    function _requirePayee(Leg calldata leg, address payer, address payee) private view {
        if (payee == address(0) || payee == payer || payee == address(this) || payee == leg.token) {
            revert InvalidPayee(payee);
        }
    }

    /// @dev Requires that the wallet's participant was screened as an entity too.
    function _requireScreened(CreateParams calldata terms, uint256 legIndex, uint8 partyIndex, Opening calldata opening)
        private
        pure
    {
        _requireOpening(terms, legIndex, partyIndex, opening);
        bytes32[] calldata parties = terms.partyHashes;
        bytes32 entity = TermsLibrary.partyHash(opening.participantId, address(0));
        uint256 i;
        while (parties[i] != entity) {
            if (++i == parties.length) revert EntityNotRegistered(opening.participantId);
        }
    }

    function _requireOpening(CreateParams calldata terms, uint256 legIndex, uint8 partyIndex, Opening calldata opening)
        private
        pure
    {
        if (terms.partyHashes[partyIndex] != TermsLibrary.partyHash(opening.participantId, opening.wallet)) {
            revert OpeningMismatch(legIndex, partyIndex);
        }
    }

    function _requireOnePerLeg(CreateParams calldata terms, Opening[] calldata openings) private pure {
        if (openings.length != terms.legs.length) revert InvalidOpeningCount(openings.length, terms.legs.length);
    }

    function _creditKey(address token, uint256 tokenId, bytes32 partition, address wallet)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(token, tokenId, partition, wallet));
    }
}
