// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { KeystoneEscrow } from "../../src/KeystoneEscrow.sol";
import { MessageKind } from "../../src/messaging/MessageCodec.sol";
import { CreateParams, Leg, Opening, ReleaseOutcome } from "../../src/types/SettlementTypes.sol";
import { TwoChainAdversary } from "./TwoChainAdversary.sol";

/// @title Drives two chains at random. No action may revert: each picks a settlement on which it must succeed, or does nothing.
/// @dev Actions lean towards progress, since random calls alone bring one settlement in a thousand to its payout.
contract TwoChainHandler is TwoChainAdversary {
    /// @notice Creates a settlement, and opens four of five.
    function createSettlement(uint256 seed) external recorded {
        if (count() == MAX_SETTLEMENTS) return;
        uint256 index = createOne(seed);
        if (seed % 5 != 0) screenAndOpen(index);
    }

    /// @notice Pays one missing leg in.
    function depositOne(uint256 seed) external recorded {
        (bool found, uint256 index) = find(seed, isFundable);
        if (!found) return;
        (, uint256 legIndex) = missingLeg(index);
        payIn(index, legIndex);
    }

    /// @notice Pays every leg in that can be paid in, while the automatic execution is made to fail every second time.
    function depositAll(uint256 seed) external recorded {
        (bool found, uint256 index) = find(seed, isFundable);
        if (!found) return;
        if ((seed >> 16) % 2 == 0) {
            vm.mockCallRevert(address(coordinator), abi.encodeWithSelector(coordinator.beginExecution.selector), "no");
        }
        (bool missing, uint256 legIndex) = missingLeg(index);
        while (missing) {
            payIn(index, legIndex);
            collect();
            (missing, legIndex) = missingLeg(index);
        }
        vm.clearMockedCalls();
    }

    /// @notice Does what is due next on one settlement, as our worker would.
    function progress(uint256 seed) external recorded {
        if (count() == 0) return;
        uint256 index = seed % count();
        if (isScreenable(index)) screenAndOpen(index);
        else step(index);
    }

    /// @notice The same for all of them, twice over.
    function progressAll(uint256) external recorded {
        for (uint256 i; i < 2 * count(); ++i) {
            step(i % count());
            collect();
        }
    }

    /// @notice Delivers any message, in whatever order. Those that nobody picks are never delivered.
    function deliverAny(uint256 seed) external recorded {
        uint256[] memory pending = pendingPackets();
        if (pending.length == 0) return;
        deliver(pending[seed % pending.length]);
        note("messages delivered");
    }

    /// @notice A payer who knows nobody else's wallet takes its own leg back.
    function refundOwn(uint256 seed) external recorded {
        (bool found, uint256 index) = find(seed, isRefundableAnywhere);
        if (!found) return;
        CreateParams memory terms = recall(index);
        bool here = isRefundable(index, true);
        for (uint256 i; i < terms.legs.length; ++i) {
            LegBook storage book = books[terms.settlementId][i];
            bool isHeld = book.escrow == (here ? address(escrow) : address(remoteEscrow));
            if (!isHeld || book.deposited == 0 || book.refunded != 0) continue;
            Opening[] memory own = new Opening[](terms.legs.length);
            own[i] = openingIn(terms, terms.legs[i].payer);
            vm.prank(book.payer);
            KeystoneEscrow(book.escrow).refund(terms, own);
            return note("legs refunded alone");
        }
    }

    /// @notice Delivers a credit once the token allows it.
    function withdraw(uint256 seed) external recorded {
        for (uint256 i; i < credits.length; ++i) {
            if (_withdraw(credits[addmod(seed, i, credits.length)])) return;
        }
    }

    /// @notice Somebody sends tokens to an escrow by mistake.
    function donate(uint256 seed) external recorded {
        bond.mint(address(escrow), seed % 1000);
        donated[address(escrow)][address(bond)] += seed % 1000;
        remoteCash.mint(address(remoteEscrow), seed % 1000);
        donated[address(remoteEscrow)][address(remoteCash)] += seed % 1000;
    }

    /// @notice Time passes: a little, or up to one of the moments that decide something.
    function wait(uint256 seed) external recorded {
        if (count() == 0 || seed % 8 != 0) return vm.warp(block.timestamp + seed % 120);
        uint64 deadline = stories[ids[(seed >> 8) % count()]].deadline;
        uint64[6] memory moments =
            [deadline - 1, deadline, deadline + 1, deadline + GRACE - 1, deadline + GRACE, deadline + GRACE + 1];
        uint64 moment = moments[(seed >> 16) % 6];
        if (moment > block.timestamp) vm.warp(moment);
    }

    /// @notice With messaging dead for a month, everybody concerned signs. They do what the coordinator decided, if it did.
    function releaseTogether(uint256 seed) external recorded {
        (bool found, uint256 index) = find(seed, isPrepared);
        if (!found) return;
        Story storage entry = stories[ids[index]];
        if (block.timestamp < entry.deadline + 30 days) {
            if ((seed >> 8) % 8 != 0) return;
            vm.warp(entry.deadline + 30 days);
        }
        uint8 outcome = entry.decision == MessageKind.EXECUTE ? ReleaseOutcome.PAY : ReleaseOutcome.REFUND;
        if (entry.decision == 0 && (seed >> 16) % 2 == 0) outcome = ReleaseOutcome.PAY;
        CreateParams memory terms = recall(index);
        onChain(REMOTE_CHAIN);
        remoteEscrow.release(terms, payersOf(terms), payeesOf(terms), outcome, _signatures(terms, outcome));
        onChain(homeChain);
    }

    /// @notice I7: after the deadlines, with messaging live, a stranger brings everything to an end.
    function finishEverything() external recorded {
        hookHere.callOut(address(0), address(0), "");
        hookThere.callOut(address(0), address(0), "");
        for (uint256 i; i < count(); ++i) {
            uint256 end = stories[ids[i]].deadline + GRACE;
            if (block.timestamp < end) vm.warp(end);
        }
        bool moved = true;
        for (uint256 round; moved && round < 40; ++round) {
            moved = false;
            for (uint256 i; i < count(); ++i) {
                if (step(i)) moved = true;
                collect();
            }
        }
        require(!moved, "strangers never come to an end");
        for (uint256 i; i < credits.length; ++i) {
            _withdraw(credits[i]);
        }
    }

    function _withdraw(Credit memory credit) private returns (bool) {
        KeystoneEscrow held = KeystoneEscrow(credit.escrow);
        if (held.creditOf(credit.token, credit.tokenId, credit.partition, credit.wallet) == 0) return false;
        if (credit.token == address(deed)) deed.setFrozen(false);
        else if (credit.token == address(fund_)) fund_.setLocked(credit.wallet, false);
        else if (credit.token == address(blockableHere)) blockableHere.setBlocked(credit.wallet, false);
        else if (credit.token == address(blockableThere)) blockableThere.setBlocked(credit.wallet, false);
        vm.prank(stranger);
        held.withdraw(credit.token, credit.tokenId, credit.partition, credit.wallet);
        return true;
    }

    /// @dev One signature per distinct wallet of the legs there, in the order of first appearance, payer before payee.
    function _signatures(CreateParams memory terms, uint8 outcome) private returns (bytes[] memory signatures) {
        bytes32 typeHash = keccak256("Release(bytes32 settlementId,bytes32 termsHash,uint8 outcome)");
        bytes32 content = keccak256(abi.encode(typeHash, terms.settlementId, coordinator.hashTerms(terms), outcome));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _domain(), content));
        Leg memory first;
        for (uint256 i = terms.legs.length; i > 0; --i) {
            if (terms.legs[i - 1].escrow == address(remoteEscrow)) first = terms.legs[i - 1];
        }
        // Between two parties every leg has the same two wallets, and the first leg says who comes first.
        signatures = new bytes[](2);
        signatures[0] = _sign(first.payer == SELLER_THERE ? "seller there" : "buyer there", digest);
        signatures[1] = _sign(first.payer == SELLER_THERE ? "buyer there" : "seller there", digest);
    }

    function _domain() private view returns (bytes32) {
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(
            abi.encode(typeHash, keccak256("KeystoneEscrow"), keccak256("1"), uint256(REMOTE_CHAIN), remoteEscrow)
        );
    }

    function _sign(string memory name, bytes32 digest) private returns (bytes memory) {
        (, uint256 key) = makeAddrAndKey(name);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
