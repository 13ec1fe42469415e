// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IGate } from "../../src/interfaces/IGate.sol";
import { ComplianceStatus, CreateParams, Fee, Leg, SettlementState } from "../../src/types/SettlementTypes.sol";
import { SettlementLedger } from "./SettlementLedger.sol";

/// @title Drives settlements at random. No action may revert: each picks a settlement on which it must succeed, or does nothing.
/// @dev Actions lean towards progress, since random calls alone execute one settlement in a thousand. The engine's and strangers' attempts at
/// what must fail are low-level calls whose effects {SettlementLedger} judges.
contract SettlementHandler is SettlementLedger {
    uint256 private constant MAX_SETTLEMENTS = 64;

    uint256 public donated;

    /// @notice Creates a settlement of one to three legs, and leaves it unscreened, screened, or open.
    function createSettlement(uint256 seed) external recorded {
        if (count() == MAX_SETTLEMENTS) return;
        CreateParams memory terms = recall(_create(seed, false));
        if (seed % 3 > 0) attestAll(terms, ComplianceStatus.Pass);
        if (seed % 3 > 1) advance(terms);
    }

    /// @notice Pays one missing leg in; of a new settlement every other time, so that some stay incomplete until their deadline.
    function depositOne(uint256 seed) external recorded {
        uint256 index = seed % 2 == 0 ? _create(seed, true) : _openSettlement(seed);
        _depositMissing(recall(index), 1);
    }

    /// @notice Pays every missing leg in, which executes the settlement.
    function depositAll(uint256 seed) external recorded {
        uint256 index = _openSettlement(seed);
        _depositMissing(recall(index), type(uint256).max);
    }

    /// @notice Pays every missing leg in while automatic execution is made to fail.
    function depositAllWithoutExecution(uint256 seed) external recorded {
        CreateParams memory terms = recall(_openSettlement(seed));
        vm.mockCallRevert(address(coordinator), abi.encodeWithSelector(IGate.beginExecution.selector), "not now");
        _depositMissing(terms, type(uint256).max);
        vm.clearMockedCalls();
        ++executionsWithheld;
    }

    /// @notice A stranger executes what is complete.
    function execute(uint256 seed) external recorded {
        (bool found, CreateParams memory terms) = _find(seed, _isExecutable);
        if (!found) return;
        vm.prank(stranger);
        coordinator.execute(terms, payeesOf(terms));
    }

    /// @notice A stranger refunds what has failed.
    function refund(uint256 seed) external recorded {
        (bool found, CreateParams memory terms) = _find(seed, _isRefundable);
        if (!found) return;
        vm.prank(stranger);
        escrow.refund(terms, payersOf(terms));
    }

    /// @notice A stranger times out what is due.
    function timeout(uint256 seed) external recorded {
        (bool found, CreateParams memory terms) = _find(seed, _isDue);
        if (!found) return;
        vm.prank(stranger);
        coordinator.timeout(terms.settlementId);
    }

    /// @notice The engine proposes anything, for any settlement.
    function engineProposes(uint256 seed, uint8 target, bytes32 evidence) external recorded {
        if (count() == 0) return;
        (, CreateParams memory terms) = _find(seed, _isUndecided);
        bytes32 id = seed % 3 == 0 ? recall(seed % count()).settlementId : terms.settlementId;
        bytes memory call = seed % 2 == 0
            ? abi.encodeCall(coordinator.transition, (id, target % 9, evidence))
            : abi.encodeCall(coordinator.advance, (id, evidence));
        vm.prank(engine);
        (bool success,) = address(coordinator).call(call);
        if (success) ++proposalsAccepted;
    }

    /// @notice The engine rolls back, as operators do now and then.
    function rollBack(uint256 seed) external recorded {
        if (seed % 3 != 0) return;
        (bool found, CreateParams memory terms) = _find(seed, _isUndecided);
        if (!found) return;
        vm.prank(engine);
        coordinator.transition(terms.settlementId, SettlementState.ROLLED_BACK, "abort");
    }

    /// @notice The attester changes its mind about a party.
    function attest(uint256 seed, uint8 status) external recorded {
        if (count() == 0) return;
        CreateParams memory terms = recall(seed % count());
        vm.prank(attester);
        registry.attest(
            terms.settlementId, terms.partyHashes[seed % 4], ComplianceStatus(1 + status % 3), bytes32(seed)
        );
    }

    /// @notice Anybody tries everything that moves money, whatever the state.
    function strangerTries(uint256 seed) external recorded {
        if (count() == 0) return;
        CreateParams memory terms = recall(seed % count());
        vm.startPrank(seed % 5 == 0 ? seller.wallet : stranger);
        address(escrow).call(abi.encodeCall(escrow.refund, (terms, payersOf(terms))));
        address(escrow).call(abi.encodeCall(escrow.execute, (terms, payeesOf(terms))));
        address(coordinator).call(abi.encodeCall(coordinator.timeout, (terms.settlementId)));
        terms.legs[0].payee = terms.legs[0].payer;
        address(escrow).call(abi.encodeCall(escrow.execute, (terms, payeesOf(terms))));
        vm.stopPrank();
    }

    /// @notice The token's issuer blocks or unblocks a party.
    function toggleBlock(uint256 seed) external recorded {
        address wallet = seed % 2 == 0 ? seller.wallet : buyer.wallet;
        blockable.setBlocked(wallet, !blockable.blocked(wallet));
    }

    /// @notice Delivers a credit when the token allows it.
    function withdraw(uint256 seed) external recorded {
        address wallet = seed % 2 == 0 ? seller.wallet : buyer.wallet;
        if (escrow.creditOf(address(blockable), 0, 0, wallet) == 0) return;
        blockable.setBlocked(wallet, false);
        vm.prank(stranger);
        escrow.withdraw(address(blockable), 0, 0, wallet);
    }

    /// @notice Somebody sends tokens to the escrow by mistake.
    function donate(uint256 seed) external recorded {
        uint256 amount = seed % 1000;
        bond.mint(address(escrow), amount);
        donated += amount;
    }

    /// @notice Time passes, up to a settlement's life.
    function wait(uint256 seed) external recorded {
        vm.warp(block.timestamp + seed % LIFETIME);
    }

    /// @notice What strangers can do in the end: everything is decided, and every token is back with somebody.
    function finishEverything() external recorded {
        blockable.setBlocked(seller.wallet, false);
        blockable.setBlocked(buyer.wallet, false);
        vm.warp(block.timestamp + LIFETIME + GRACE);
        vm.startPrank(stranger);
        for (uint256 i; i < count(); ++i) {
            CreateParams memory terms = recall(i);
            if (_isRefundable(terms)) escrow.refund(terms, payersOf(terms));
            else if (_isDue(terms)) coordinator.timeout(terms.settlementId);
        }
        address[2] memory wallets = [seller.wallet, buyer.wallet];
        for (uint256 i; i < 2; ++i) {
            if (escrow.creditOf(address(blockable), 0, 0, wallets[i]) != 0) {
                escrow.withdraw(address(blockable), 0, 0, wallets[i]);
            }
        }
        vm.stopPrank();
    }

    function _create(uint256 seed, bool opened) private returns (uint256 index) {
        if (count() == MAX_SETTLEMENTS) return seed % MAX_SETTLEMENTS;
        Leg[] memory legs = new Leg[](1 + (seed / 4) % 3);
        for (uint256 i; i < legs.length; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            address token = word % 2 == 0 ? address(bond) : address(blockable);
            (uint8 payer, uint8 payee) = word % 4 < 2 ? (SELLER, BUYER) : (BUYER, SELLER);
            legs[i] = legOf(token, 10 + word % 1e24, payer, payee);
            if (word % 3 == 0) {
                legs[i].fees = new Fee[](1);
                legs[i].fees[0] = Fee(stranger, 1 + word % 9);
            }
        }
        CreateParams memory terms = termsWith(count() + 1, legs);
        create(terms);
        if (opened) {
            attestAll(terms, ComplianceStatus.Pass);
            advance(terms);
        }
        return remember(terms);
    }

    /// @dev An open settlement with a missing leg; a new one when there is none.
    function _openSettlement(uint256 seed) private returns (uint256 index) {
        for (uint256 i; i < count(); ++i) {
            index = addmod(seed, i, count());
            if (_isFundable(recall(index))) return index;
        }
        if (count() == MAX_SETTLEMENTS) return 0;
        return _create(seed, true);
    }

    function _depositMissing(CreateParams memory terms, uint256 limit) private {
        if (!_isFundable(terms)) return;
        uint256 deposited = coordinator.settlementOf(terms.settlementId).depositedBits;
        for (uint256 i; i < terms.legs.length && limit > 0; ++i) {
            if ((deposited >> i) & 1 == 1) continue;
            address payer = openingIn(terms, terms.legs[i].payer).wallet;
            bool blocked = blockable.blocked(payer);
            // A blocked payer cannot be minted to; it is blocked again before it could be paid by the other legs.
            blockable.setBlocked(payer, false);
            fund(terms, i);
            if (terms.legs[i].token != address(blockable)) blockable.setBlocked(payer, blocked);
            pay(terms, i);
            blockable.setBlocked(payer, blocked);
            --limit;
        }
    }

    function _find(uint256 seed, function(CreateParams memory) view returns (bool) fits)
        private
        view
        returns (bool found, CreateParams memory terms)
    {
        for (uint256 i; i < count(); ++i) {
            terms = recall(addmod(seed, i, count()));
            if (fits(terms)) return (true, terms);
        }
    }

    function _isComplete(CreateParams memory terms) private view returns (bool) {
        return escrow.allLegsDeposited(terms.settlementId);
    }

    function _isFundable(CreateParams memory terms) private view returns (bool) {
        return
            stateOf(terms) == SettlementState.AWAITING_DEPOSITS && block.timestamp < terms.deadline
                && !_isComplete(terms);
    }

    function _isExecutable(CreateParams memory terms) private view returns (bool) {
        return stateOf(terms) == SettlementState.AWAITING_DEPOSITS && _isComplete(terms);
    }

    function _isUndecided(CreateParams memory terms) private view returns (bool) {
        return stateOf(terms) < SettlementState.EXECUTING_SWAP;
    }

    function _isDue(CreateParams memory terms) private view returns (bool) {
        return _isUndecided(terms) && block.timestamp >= terms.deadline + (_isComplete(terms) ? GRACE : 0);
    }

    function _isRefundable(CreateParams memory terms) private view returns (bool) {
        bool failed = _isDue(terms) || stateOf(terms) >= SettlementState.ROLLED_BACK;
        return failed
            && coordinator.settlementOf(terms.settlementId).depositedBits
                != coordinator.settlementOf(terms.settlementId).refundedBits;
    }
}
