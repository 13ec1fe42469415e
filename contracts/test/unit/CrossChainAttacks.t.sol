// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Origin } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { MessageCodec, MessageKind } from "../../src/messaging/MessageCodec.sol";
import { ComplianceStatus, CreateParams, RemotePhase, SettlementState } from "../../src/types/SettlementTypes.sol";
import { AttackBase } from "./AttackBase.sol";

/// @title One test for each known attack by messages, clocks and stolen keys; see attacks.tree.
contract CrossChainAttacksTest is AttackBase {
    function testFuzz_Attack_MessageSpoofing(uint32 eid, bytes32 sender, address caller) external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        deposit(terms, 1);
        bytes memory message = MessageCodec.encode(MessageKind.EXECUTE, terms.settlementId);
        bytes32 peer = originOf(0, address(coordinator)).sender;
        vm.assume(caller != address(stations[REMOTE_EID].endpoint));
        vm.prank(caller);
        vm.expectRevert();
        gateway.lzReceive(Origin(HOME_EID, peer, 1), 0, message, caller, "");
        vm.assume(eid != HOME_EID || sender != peer);
        vm.prank(address(stations[REMOTE_EID].endpoint));
        vm.expectRevert();
        gateway.lzReceive(Origin(eid, sender, 1), 0, message, caller, "");
        assertEq(phaseOf(terms), RemotePhase.PREPARED);
    }

    /// @dev All orders of OPEN, OPEN and ROLLBACK, each possibly lost or repeated, end in the same phase once ROLLBACK is there.
    function testFuzz_Attack_DuplicateReorderedLateOrDroppedMessages(uint8[8] calldata order) external {
        CreateParams memory terms = remoteDvp(1);
        open(terms);
        bytes[] memory messages = new bytes[](2);
        messages[0] = MessageCodec.encodeOpen(terms.settlementId, coordinator.hashTerms(terms), terms.deadline, 3);
        messages[1] = MessageCodec.encode(MessageKind.ROLLBACK, terms.settlementId);
        bool rolledBack;
        bool opened;
        for (uint256 i; i < order.length; ++i) {
            uint256 choice = order[i] % 3;
            if (choice == 2) continue;
            receiveThere(messages[choice]);
            opened = opened || choice == 0;
            rolledBack = rolledBack || choice == 1;
        }
        uint8 expected = rolledBack ? RemotePhase.ROLLED_BACK : opened ? RemotePhase.OPEN : RemotePhase.NONE;
        assertEq(phaseOf(terms), expected);
    }

    function testFuzz_Attack_LzReceiveWithTooLittleGas(uint256 gasLimit) external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        sendVote(terms);
        uint256 index = pendingPackets()[0];
        bool nothingHappened = starve(index, bound(gasLimit, 20_000, 300_000));
        assertEq(stateOf(terms), nothingHappened ? 3 : 4, "all of the message, or nothing");
        if (nothingHappened) deliver(index);
        assertEq(stateOf(terms), SettlementState.EXECUTING_SWAP);
    }

    /// @dev A pause stops deposits, not messages; and a receiver that refuses leaves the message to be delivered again.
    function test_Attack_MessageToAPausedOrRevertingReceiver() external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        vm.startPrank(pauser);
        gateway.pause();
        coordinator.pause();
        vm.stopPrank();
        sendVote(terms);
        uint256 index = pendingPackets()[0];
        vm.mockCallRevert(address(coordinator), abi.encodeWithSelector(coordinator.lzReceive.selector), "boom");
        assertFalse(tryDeliver(index, gasleft()));
        vm.clearMockedCalls();
        deliver(index);
        sendDecision(terms);
        deliverAll();
        coordinator.execute(terms, payeesOf(terms));
        executeThere(terms);
        sendVote(terms);
        deliverAll();
        assertEq(stateOf(terms), SettlementState.FINALIZED);
    }

    /// @dev Whatever is delivered when, and whoever pokes what: never one leg paid and the other handed back.
    function testFuzz_Attack_OneSidedExecution(uint16 seed, uint32 wait) external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        if (seed & 1 != 0) deposit(terms, 0);
        if (seed & 2 != 0) deposit(terms, 1);
        if (seed & 4 != 0) poke(address(gateway), abi.encodeCall(gateway.sendVote, (terms.settlementId)));
        if (seed & 8 != 0) deliverAll();
        vm.warp(terms.deadline - 1 + wait % (2 * GRACE));
        if (seed & 16 != 0) poke(address(coordinator), abi.encodeCall(coordinator.timeout, (terms.settlementId)));
        if (seed & 32 != 0) poke(address(remoteEscrow), abi.encodeCall(escrow.refund, (terms, payersOf(terms))));
        if (seed & 64 != 0) poke(address(escrow), abi.encodeCall(escrow.refund, (terms, payersOf(terms))));
        deliverAll();
        for (uint256 i; i < 2; ++i) {
            poke(address(gateway), abi.encodeCall(gateway.sendVote, (terms.settlementId)));
            deliverAll();
            vm.warp(terms.deadline + 2 * GRACE);
            poke(address(coordinator), abi.encodeCall(coordinator.timeout, (terms.settlementId)));
            poke(address(coordinator), abi.encodeCall(coordinator.execute, (terms, payeesOf(terms))));
            poke(address(coordinator), abi.encodeCall(coordinator.sendDecision, (terms.settlementId, REMOTE_CHAIN)));
            deliverAll();
            poke(address(remoteEscrow), abi.encodeCall(escrow.execute, (terms, payeesOf(terms))));
            poke(address(remoteEscrow), abi.encodeCall(escrow.refund, (terms, payersOf(terms))));
            poke(address(escrow), abi.encodeCall(escrow.refund, (terms, payersOf(terms))));
        }
        bool paidHere = bond.balanceOf(buyer.wallet) != 0;
        bool paidThere = remoteCash.balanceOf(remoteSeller.wallet) != 0;
        assertEq(paidHere, paidThere);
        assertEq(bond.balanceOf(address(escrow)) + remoteCash.balanceOf(address(remoteEscrow)), 0, "nothing is stuck");
        assertEq(stateOf(terms) == SettlementState.FINALIZED, paidHere);
    }

    function test_Attack_TimeoutRacingExecute() external {
        for (uint256 offset; offset < 3; ++offset) {
            uint256 snapshot = vm.snapshotState();
            CreateParams memory terms = crossDvp(1);
            openEverywhere(terms);
            deposit(terms, 0);
            deposit(terms, 1);
            sendVote(terms);
            vm.warp(terms.deadline + GRACE - 1 + offset);
            poke(address(coordinator), abi.encodeCall(coordinator.timeout, (terms.settlementId)));
            deliverAll();
            assertEq(stateOf(terms), offset == 0 ? SettlementState.EXECUTING_SWAP : SettlementState.TIMED_OUT);
            sendDecision(terms);
            deliverAll();
            assertEq(phaseOf(terms), offset == 0 ? RemotePhase.EXECUTE_DECIDED : RemotePhase.ROLLED_BACK);
            vm.revertToState(snapshot);
        }
    }

    function test_Attack_OracleKeyStolen() external {
        CreateParams memory terms = crossDvp(1);
        create(terms);
        attestAll(terms, ComplianceStatus.Pass);
        vm.startPrank(attester);
        vm.expectRevert();
        coordinator.advance(terms.settlementId, DIGEST);
        vm.expectRevert();
        coordinator.transition(terms.settlementId, SettlementState.AWAITING_DEPOSITS, DIGEST);
        vm.stopPrank();
        vm.prank(admin);
        registry.disableAttester(attester);
        vm.prank(engine);
        vm.expectRevert();
        coordinator.advance(terms.settlementId, DIGEST);
    }

    function test_Attack_EngineKeyStolen() external {
        CreateParams memory terms = crossDvp(1);
        create(terms);
        for (uint8 target; target < 12; ++target) {
            if (target == SettlementState.ROLLED_BACK) continue;
            vm.prank(engine);
            vm.expectRevert();
            coordinator.transition(terms.settlementId, target, DIGEST);
        }
        attestAll(terms, ComplianceStatus.Pass);
        advance(terms);
        sendOpen(terms);
        deliverAll();
        deposit(terms, 1);
        // It cannot pay out, nor keep a deposit from going back.
        vm.startPrank(engine);
        vm.expectRevert();
        coordinator.execute(terms, payeesOf(terms));
        vm.expectRevert();
        remoteEscrow.execute(terms, payeesOf(terms));
        vm.expectRevert();
        coordinator.pause();
        coordinator.transition(terms.settlementId, SettlementState.ROLLED_BACK, "theft");
        vm.stopPrank();
        sendDecision(terms);
        deliverAll();
        refundThere(terms);
        assertEq(remoteCash.balanceOf(remoteBuyer.wallet), CASH_AMOUNT);
    }

    function test_Attack_AdminKeyStolen() external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        deposit(terms, 1);
        bytes32 pauserRole = coordinator.PAUSER_ROLE();
        bytes32 engineRole = coordinator.ENGINE_ROLE();
        vm.startPrank(admin);
        coordinator.grantRole(pauserRole, admin);
        coordinator.grantRole(engineRole, admin);
        gateway.grantRole(gateway.PAUSER_ROLE(), admin);
        coordinator.pause();
        gateway.pause();
        vm.expectRevert();
        coordinator.connect(5, 5, admin, admin);
        vm.expectRevert();
        gateway.freeze();
        vm.expectRevert();
        coordinator.transition(terms.settlementId, SettlementState.EXECUTING_SWAP, 0);
        vm.expectRevert();
        stations[REMOTE_EID].endpoint.setReceiveLibrary(address(gateway), HOME_EID, admin, 0);
        vm.stopPrank();
        vm.warp(terms.deadline);
        coordinator.timeout(terms.settlementId);
        sendDecision(terms);
        deliverAll();
        refundThere(terms);
        assertEq(remoteCash.balanceOf(remoteBuyer.wallet), CASH_AMOUNT);
    }
}
