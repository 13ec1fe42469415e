// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    ILayerZeroEndpointV2,
    MessagingParams,
    Origin
} from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { IMessaging } from "../../src/interfaces/IMessaging.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MessageCodec, MessageKind } from "../../src/messaging/MessageCodec.sol";
import { ComplianceStatus, CreateParams, RemotePhase, SettlementState } from "../../src/types/SettlementTypes.sol";
import { CrossChainTest } from "../crosschain/CrossChainTest.sol";

/// @title Sending, receiving, and who may be heard; see messaging.tree.
contract MessagingTest is CrossChainTest {
    function test_RevertWhen_TheCallerIsNotTheEndpoint_TheSenderNoPeer_OrValueComesAlong() external {
        bytes memory message = MessageCodec.encode(MessageKind.EXECUTED, idOf(1));
        vm.expectRevert(abi.encodeWithSelector(IMessaging.CallerNotEndpoint.selector, address(this)));
        coordinator.lzReceive(originOf(REMOTE_EID, address(gateway)), 0, message, stranger, "");

        expectUnknownPeer(REMOTE_EID, stranger, message);
        expectUnknownPeer(HOME_EID, address(gateway), message);
        expectUnknownPeer(1, address(gateway), message);
        expectUnknownPeer(1, address(0), message);

        address endpoint = address(stations[HOME_EID].endpoint);
        vm.deal(endpoint, 1);
        vm.prank(endpoint);
        vm.expectRevert(abi.encodeWithSelector(IMessaging.ValueRefused.selector, 1));
        coordinator.lzReceive{ value: 1 }(originOf(REMOTE_EID, address(gateway)), 0, message, stranger, "");
    }

    function testFuzz_NobodyButTheGatewayIsHeard(uint32 eid, bytes32 sender) external {
        vm.assume(eid != REMOTE_EID || sender != bytes32(uint256(uint160(address(gateway)))));
        vm.prank(address(stations[HOME_EID].endpoint));
        vm.expectRevert(abi.encodeWithSelector(IMessaging.UnknownPeer.selector, eid, sender));
        coordinator.lzReceive(
            Origin(eid, sender, 1), 0, MessageCodec.encode(MessageKind.EXECUTED, idOf(1)), stranger, ""
        );
        assertFalse(coordinator.allowInitializePath(Origin(eid, sender, 1)));
        vm.prank(address(stations[REMOTE_EID].endpoint));
        vm.assume(eid != HOME_EID || sender != bytes32(uint256(uint160(address(coordinator)))));
        vm.expectRevert(abi.encodeWithSelector(IMessaging.UnknownPeer.selector, eid, sender));
        gateway.lzReceive(Origin(eid, sender, 1), 0, MessageCodec.encode(MessageKind.ROLLBACK, idOf(1)), stranger, "");
    }

    function test_RevertWhen_AMessageIsNotExactlyOfItsKind() external {
        bytes32 id = idOf(1);
        expectRefused(abi.encode(2, 3, id), abi.encodeWithSelector(MessageCodec.UnknownMessageVersion.selector, 2));
        expectRefused(abi.encode(0, 3, id), abi.encodeWithSelector(MessageCodec.UnknownMessageVersion.selector, 0));
        expectRefused(abi.encode(1, 0, id), abi.encodeWithSelector(MessageCodec.UnknownMessageKind.selector, 0));
        expectRefused(abi.encode(1, 6, id), abi.encodeWithSelector(MessageCodec.UnknownMessageKind.selector, 6));
        expectRefused(abi.encode(1, 259, id), abi.encodeWithSelector(MessageCodec.UnknownMessageKind.selector, 259));
        expectRefused(abi.encode(1, 3, id, 0), abi.encodeWithSelector(MessageCodec.InvalidMessageLength.selector, 128));
        expectRefused(abi.encode(1, 3), abi.encodeWithSelector(MessageCodec.InvalidMessageLength.selector, 64));
        expectRefused("", abi.encodeWithSelector(MessageCodec.InvalidMessageLength.selector, 0));
        expectRefused(abi.encode(1, 1, id), abi.encodeWithSelector(MessageCodec.InvalidMessageLength.selector, 96));
        // Values that do not fit their types.
        expectRefused(abi.encode(1, 1, id, id, 1, 256), "");
        expectRefused(abi.encode(1, 1, id, id, uint256(1) << 64, 1), "");
    }

    function testFuzz_ABentMessageNeverChangesAnything(bytes calldata message) external {
        vm.prank(address(stations[REMOTE_EID].endpoint));
        (bool success,) = address(gateway)
            .call(
                abi.encodeCall(
                    gateway.lzReceive, (originOf(HOME_EID, address(coordinator)), bytes32(0), message, stranger, "")
                )
            );
        assertFalse(success);
    }

    function test_RevertWhen_APeerSendsWhatOnlyTheOtherSideSends() external {
        bytes32 id = idOf(1);
        for (uint8 kind = MessageKind.EXECUTE; kind <= MessageKind.ROLLBACK; ++kind) {
            vm.expectRevert(abi.encodeWithSelector(IMessaging.UnexpectedMessage.selector, kind));
            this.receiveHereExternally(MessageCodec.encode(kind, id));
        }
        vm.expectRevert(abi.encodeWithSelector(IMessaging.UnexpectedMessage.selector, MessageKind.OPEN));
        this.receiveHereExternally(MessageCodec.encodeOpen(id, 0, 1, 1));
        expectRefused(
            MessageCodec.encode(MessageKind.EXECUTED, id),
            abi.encodeWithSelector(IMessaging.UnexpectedMessage.selector, MessageKind.EXECUTED)
        );
        expectRefused(
            MessageCodec.encodePrepared(id, 0),
            abi.encodeWithSelector(IMessaging.UnexpectedMessage.selector, MessageKind.PREPARED)
        );
    }

    function test_Sending_CostsWhatWasQuoted_AndHandsTheRestBack() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        assertEq(coordinator.quoteOpen(terms, REMOTE_CHAIN), MESSAGE_FEE);
        assertEq(coordinator.quoteDecision(terms.settlementId, REMOTE_CHAIN), MESSAGE_FEE);
        uint256 before = relayer.balance;
        vm.startPrank(relayer);
        vm.recordLogs();
        coordinator.sendOpen{ value: 1 ether }(terms, REMOTE_CHAIN);
        assertEq(relayer.balance, before - MESSAGE_FEE);
        vm.expectRevert();
        coordinator.sendOpen{ value: MESSAGE_FEE - 1 }(terms, REMOTE_CHAIN);
        vm.stopPrank();

        collect();
        Packet memory packet = packets[0];
        assertEq(
            packet.message, MessageCodec.encodeOpen(terms.settlementId, coordinator.hashTerms(terms), terms.deadline, 2)
        );
        assertEq(packet.receiver, address(gateway));
        deliver(0);
        deposit(terms, 1);
        assertEq(gateway.quoteVote(terms.settlementId), MESSAGE_FEE);
        vm.prank(relayer);
        gateway.sendVote{ value: 1 ether }(terms.settlementId);
        assertEq(relayer.balance, before - 2 * MESSAGE_FEE);
        assertEq(address(coordinator).balance + address(gateway).balance, 0);
    }

    /// @dev Written out from LayerZero's published format (executor options, type 3), not taken from the contract.
    function test_Sending_BuysGasForOneDelivery() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        bytes memory options = abi.encodePacked(hex"000301001101", uint128(200_000));
        bytes32 peer = bytes32(uint256(uint160(address(gateway))));
        bytes memory message =
            MessageCodec.encodeOpen(terms.settlementId, coordinator.hashTerms(terms), terms.deadline, 2);
        MessagingParams memory params = MessagingParams(REMOTE_EID, peer, message, options, false);
        vm.expectCall(
            address(stations[HOME_EID].endpoint), abi.encodeCall(ILayerZeroEndpointV2.send, (params, relayer))
        );
        sendOpen(terms);
    }

    function test_Sending_IsAnnounced_WithLayerZerosGuid() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        uint256 snapshot = vm.snapshotState();
        sendOpen(terms);
        collect();
        bytes32 guid = packets[0].guid;
        vm.revertToState(snapshot);
        vm.expectEmit(address(coordinator));
        emit IMessaging.MessageSent(terms.settlementId, REMOTE_CHAIN, MessageKind.OPEN, guid);
        sendOpen(terms);
    }

    function test_RevertWhen_AMessageIsNotCalledFor() external {
        CreateParams memory terms = crossDvp(1);
        create(terms);
        bytes32 id = terms.settlementId;
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.NothingToSend.selector, id, 1));
        coordinator.sendOpen(terms, REMOTE_CHAIN);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.NothingToSend.selector, id, 1));
        coordinator.sendDecision(id, REMOTE_CHAIN);
        attestAll(terms, ComplianceStatus.Pass);
        advance(terms);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.NothingToSend.selector, id, 3));
        coordinator.sendDecision(id, REMOTE_CHAIN);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.ChainNotConnected.selector, 5));
        coordinator.sendOpen(terms, 5);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.ChainNotConnected.selector, 5));
        coordinator.quoteDecision(id, 5);
        CreateParams memory other = dvp(2);
        open(other);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlementCoordinator.ChainNotInSettlement.selector, idOf(2), REMOTE_CHAIN)
        );
        coordinator.sendOpen(other, REMOTE_CHAIN);
        bytes32 stored = coordinator.hashTerms(terms);
        terms.deadline += 1;
        bytes32 actual = coordinator.hashTerms(terms);
        vm.expectRevert(abi.encodeWithSelector(IGate.TermsMismatch.selector, id, stored, actual));
        coordinator.sendOpen(terms, REMOTE_CHAIN);
    }

    function test_StarvedOfGas_AMessageStays_AndAnybodyDeliversItLater() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        sendOpen(terms);
        uint256 index = pendingPackets()[0];
        for (uint256 gasLimit = 5_000; gasLimit <= 100_000; gasLimit += 5_000) {
            if (starve(index, gasLimit)) {
                assertEq(phaseOf(terms), RemotePhase.NONE);
                continue;
            }
            assertEq(phaseOf(terms), RemotePhase.OPEN);
            break;
        }
        if (phaseOf(terms) == RemotePhase.NONE) deliver(index);
        assertEq(phaseOf(terms), RemotePhase.OPEN);
        assertFalse(duplicate(index), "the endpoint delivers a message once");
    }

    function test_MessagesMayBeDelivered_InAnyOrder() external {
        CreateParams memory terms = crossDvp(1);
        open(terms);
        sendOpen(terms);
        sendOpen(terms);
        vm.warp(terms.deadline);
        coordinator.timeout(terms.settlementId);
        sendDecision(terms);
        uint256[] memory pending = pendingPackets();
        deliver(pending[2]);
        deliver(pending[0]);
        deliver(pending[1]);
        assertEq(phaseOf(terms), RemotePhase.ROLLED_BACK);
        assertEq(stateOf(terms), SettlementState.TIMED_OUT);
        assertEq(coordinator.nextNonce(REMOTE_EID, 0), 0);
    }

    function test_DecisionsAreSent_ForEver_ByAnybody() external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        sendVote(terms);
        deliverAll();
        vm.warp(terms.deadline + 5 * 365 days);
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        coordinator.sendDecision{ value: MESSAGE_FEE }(terms.settlementId, REMOTE_CHAIN);
        deliverAll();
        executeThere(terms);
        coordinator.execute(terms, payeesOf(terms));
        vm.prank(stranger);
        gateway.sendVote{ value: MESSAGE_FEE }(terms.settlementId);
        deliverAll();
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        sendDecision(terms);
    }

    /// @dev So that expectRevert meets the delivery.
    function receiveHereExternally(bytes calldata message) external {
        receiveHere(REMOTE_EID, address(gateway), message);
    }

    function receiveThereExternally(bytes calldata message) external {
        receiveThere(message);
    }

    function expectRefused(bytes memory message, bytes memory reason) private {
        if (reason.length == 0) vm.expectRevert();
        else vm.expectRevert(reason);
        this.receiveThereExternally(message);
    }

    function expectUnknownPeer(uint32 eid, address sender, bytes memory message) private {
        Origin memory origin = originOf(eid, sender);
        vm.prank(address(stations[HOME_EID].endpoint));
        vm.expectRevert(abi.encodeWithSelector(IMessaging.UnknownPeer.selector, eid, origin.sender));
        coordinator.lzReceive(origin, 0, message, stranger, "");
    }
}
