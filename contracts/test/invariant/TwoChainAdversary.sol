// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Origin } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { MessageCodec, MessageKind } from "../../src/messaging/MessageCodec.sol";
import { ComplianceStatus, CreateParams, Opening, SettlementState } from "../../src/types/SettlementTypes.sol";
import { HookToken } from "../mocks/WeirdTokens.sol";
import { TwoChainWorld } from "./TwoChainWorld.sol";

/// @title What goes wrong, and who makes it go wrong: lost keys, strangers, tokens, and the messages in between.
/// @dev What must fail is tried by low-level calls; what may succeed is judged by the ledger.
abstract contract TwoChainAdversary is TwoChainWorld {
    uint256 private constant PROBE_GAS = 5_000;

    /// @notice I9: a message that was delivered is never delivered again.
    function deliverTwice(uint256 seed) external recorded {
        if (packets.length == 0) return;
        uint256 packet = seed % packets.length;
        if (!packets[packet].delivered) return;
        require(!duplicate(packet), "delivered twice");
        note("duplicates refused");
    }

    /// @notice I9: a vote or decision that is sent and delivered once more changes nothing.
    function repeat(uint256 seed) external recorded {
        (bool found, uint256 index) = find(seed, isRepeatable);
        if (!found) return;
        CreateParams memory terms = recall(index);
        bytes32 before = fingerprint(terms.settlementId);
        if (stories[terms.settlementId].phaseDecision != 0) sendDecision(terms);
        else sendVote(terms);
        collect();
        deliver(packets.length - 1);
        require(fingerprint(terms.settlementId) == before, "a repeated message had an effect");
        note("messages repeated");
    }

    /// @notice Delivers with too little gas: either the message had its whole effect, or none and can be delivered later.
    function starveAny(uint256 seed) external recorded {
        uint256[] memory pending = pendingPackets();
        if (pending.length == 0) return;
        uint256 packet = pending[seed % pending.length];
        bytes32 id = settlementIn(packet);
        bytes32 before = fingerprint(id);
        if (starve(packet, PROBE_GAS + (seed >> 16) % 90_000)) {
            vm.getRecordedLogs();
            require(fingerprint(id) == before, "half a message had an effect");
            note("messages starved");
        }
    }

    /// @notice The engine, stolen, proposes anything for any settlement, and rolls one in eight back.
    function engineProposes(uint256 seed, uint8 target, bytes32 evidence) external recorded {
        if (count() == 0) return;
        bytes32 id = ids[seed % count()];
        uint256 choice = (seed >> 16) % 8;
        uint8 proposed = choice == 0 ? SettlementState.ROLLED_BACK : target % 9;
        // It could roll everything back, and nothing else would ever be seen.
        if (choice != 0 && proposed == SettlementState.ROLLED_BACK) return;
        bytes memory call = choice < 5
            ? abi.encodeCall(coordinator.transition, (id, proposed, evidence))
            : abi.encodeCall(coordinator.advance, (id, evidence));
        vm.startPrank(engine);
        if (attempt(address(coordinator), call)) note("proposals accepted");
        vm.stopPrank();
    }

    /// @notice The attester changes its mind about a party.
    function attest(uint256 seed, uint8 status) external recorded {
        if (count() == 0) return;
        CreateParams memory terms = recall(seed % count());
        bytes32 party = terms.partyHashes[(seed >> 16) % terms.partyHashes.length];
        vm.prank(attester);
        registry.attest(terms.settlementId, party, ComplianceStatus(1 + status % 3), bytes32(seed));
    }

    /// @notice Anybody tries everything that moves money, whatever the state, with the right openings and with its own.
    function strangerTries(uint256 seed) external recorded {
        if (count() == 0) return;
        CreateParams memory terms = recall(seed % count());
        (Opening[] memory payers, Opening[] memory payees) = (payersOf(terms), payeesOf(terms));
        vm.startPrank(seed % 5 == 0 ? seller.wallet : stranger);
        tryIt(address(escrow), abi.encodeCall(escrow.refund, (terms, payers)));
        tryIt(address(escrow), abi.encodeCall(escrow.execute, (terms, payees)));
        tryIt(address(coordinator), abi.encodeCall(coordinator.timeout, (terms.settlementId)));
        tryIt(address(remoteEscrow), abi.encodeCall(remoteEscrow.refund, (terms, payers)));
        tryIt(address(remoteEscrow), abi.encodeCall(remoteEscrow.execute, (terms, payees)));
        for (uint256 i; i < payees.length; ++i) {
            (payees[i].wallet, payers[i].wallet) = (stranger, stranger);
        }
        mustFail(address(escrow), abi.encodeCall(escrow.execute, (terms, payees)));
        mustFail(address(escrow), abi.encodeCall(escrow.refund, (terms, payers)));
        mustFail(address(remoteEscrow), abi.encodeCall(remoteEscrow.execute, (terms, payees)));
        mustFail(address(remoteEscrow), abi.encodeCall(remoteEscrow.refund, (terms, payers)));
        vm.stopPrank();
    }

    /// @notice Anybody calls what belongs to the engine, the creator, the escrows, the endpoint and the configurator.
    function strangerPretends(uint256 seed) external recorded {
        if (count() == 0) return;
        CreateParams memory terms = recall(seed % count());
        bytes32 id = terms.settlementId;
        bytes32 termsHash = coordinator.hashTerms(terms);
        Origin memory origin = Origin(REMOTE_EID, bytes32(uint256(uint160(address(gateway)))), uint64(seed));
        bytes memory vote = MessageCodec.encodePrepared(id, termsHash);
        vm.startPrank(stranger);
        mustFail(address(coordinator), abi.encodeCall(coordinator.transition, (id, 6, bytes32(seed))));
        mustFail(address(coordinator), abi.encodeCall(coordinator.advance, (id, bytes32(seed))));
        mustFail(address(coordinator), abi.encodeCall(coordinator.createSettlement, (terms)));
        mustFail(address(coordinator), abi.encodeCall(coordinator.recordDeposit, (id, termsHash, 0)));
        mustFail(address(coordinator), abi.encodeCall(coordinator.beginExecution, (id, termsHash)));
        mustFail(address(coordinator), abi.encodeCall(coordinator.endExecution, (id)));
        mustFail(address(coordinator), abi.encodeCall(coordinator.claimRefund, (id, termsHash, 255)));
        mustFail(address(coordinator), abi.encodeCall(coordinator.lzReceive, (origin, 0, vote, stranger, "")));
        mustFail(address(gateway), abi.encodeCall(gateway.recordDeposit, (id, termsHash, 0)));
        mustFail(address(gateway), abi.encodeCall(gateway.beginExecution, (id, termsHash)));
        mustFail(address(gateway), abi.encodeCall(gateway.endExecution, (id)));
        mustFail(address(gateway), abi.encodeCall(gateway.claimRefund, (id, termsHash, 255)));
        mustFail(address(gateway), abi.encodeCall(gateway.claimRelease, (id, termsHash, 1)));
        (origin.srcEid, origin.sender) = (HOME_EID, bytes32(uint256(uint160(address(coordinator)))));
        bytes memory decision = MessageCodec.encode(MessageKind.EXECUTE, id);
        mustFail(address(gateway), abi.encodeCall(gateway.lzReceive, (origin, 0, decision, stranger, "")));
        vm.stopPrank();
    }

    /// @notice A token's hook calls back into any entry point from now on.
    function armHook(uint256 seed) external recorded {
        if (count() == 0) return;
        CreateParams memory terms = recall(seed % count());
        bool here = seed % 2 == 0;
        bytes[4] memory calls = [
            abi.encodeCall(escrow.refund, (terms, payersOf(terms))),
            abi.encodeCall(escrow.execute, (terms, payeesOf(terms))),
            abi.encodeCall(coordinator.timeout, (terms.settlementId)),
            abi.encodeCall(coordinator.execute, (terms, payeesOf(terms)))
        ];
        uint256 choice = (seed >> 16) % 4;
        address target = choice < 2 ? address(here ? escrow : remoteEscrow) : address(coordinator);
        HookToken token = here ? hookHere : hookThere;
        token.callOut(address(here ? escrow : remoteEscrow), target, calls[choice]);
    }

    /// @notice A token's issuer blocks, locks or freezes, or stops doing so.
    function toggleBlock(uint256 seed) external recorded {
        address here = seed % 2 == 0 ? seller.wallet : buyer.wallet;
        address there = seed % 2 == 0 ? remoteSeller.wallet : remoteBuyer.wallet;
        uint256 choice = (seed >> 16) % 4;
        if (choice == 0) blockableHere.setBlocked(here, !blockableHere.blocked(here));
        else if (choice == 1) blockableThere.setBlocked(there, !blockableThere.blocked(there));
        else if (choice == 2) fund_.setLocked(there, !fund_.isLocked(there));
        else deed.setFrozen(!deed.frozen());
    }

    /// @notice A token that keeps a part of every transfer is not taken in.
    function depositShrinking(uint256 seed) external recorded {
        (bool found, uint256 index) = find(seed, hasShrinkingLeg);
        if (!found) return;
        CreateParams memory terms = recall(index);
        (, uint256 legIndex) = shrinkingLeg(index);
        Opening memory payer = openingIn(terms, terms.legs[legIndex].payer);
        Opening memory payee = openingIn(terms, terms.legs[legIndex].payee);
        fund(terms, legIndex);
        bytes memory call =
            abi.encodeCall(escrow.depositLeg, (terms, legIndex, payer, payee, coordinator.hashTerms(terms)));
        vm.startPrank(payer.wallet);
        mustFail(address(escrow), call);
        vm.stopPrank();
        note("bad tokens refused");
    }

    /// @notice A pause stops deposits and creation, and nothing that hands money back.
    function pauseAWhile(uint256 seed) external recorded {
        vm.startPrank(pauser);
        coordinator.pause();
        gateway.pause();
        vm.stopPrank();
        (bool found, uint256 index) = find(seed, isFundable);
        if (found) {
            (, uint256 legIndex) = missingLeg(index);
            collect();
            try this.payInFromOutside(index, legIndex) {
                revert("a deposit during a pause");
            } catch {
                vm.getRecordedLogs();
                note("deposits paused");
            }
        }
        (found, index) = find(seed, isRefundableAnywhere);
        if (found) refundOne(index, isRefundable(index, true));
        vm.startPrank(admin);
        coordinator.unpause();
        gateway.unpause();
        vm.stopPrank();
    }

    /// @dev So that a deposit that must fail can be caught whole.
    function payInFromOutside(uint256 index, uint256 legIndex) external {
        require(msg.sender == address(this));
        payIn(index, legIndex);
    }

    function tryIt(address target, bytes memory call) internal {
        if (attempt(target, call)) note("strangers succeeded");
    }

    function mustFail(address target, bytes memory call) internal {
        require(!attempt(target, call), "somebody did what nobody may");
    }

    /// @dev Logs of a call that reverted never happened, but are recorded all the same: they are forgotten.
    function attempt(address target, bytes memory call) internal returns (bool success) {
        collect();
        (success,) = target.call(call);
        if (success) collect();
        else vm.getRecordedLogs();
    }
}
