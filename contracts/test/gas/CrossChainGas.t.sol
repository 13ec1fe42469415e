// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { MessageCodec, MessageKind } from "../../src/messaging/MessageCodec.sol";
import { RELEASE_DELAY } from "../../src/types/Limits.sol";
import { ComplianceStatus, CreateParams, Opening, ReleaseOutcome } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";
import { CrossChainTest } from "../crosschain/CrossChainTest.sol";
import { GasRecorder } from "./GasRecorder.sol";

/// @title What a settlement across two chains costs beyond that: messages, votes, and the steps of the other chain.
/// @dev LayerZero's endpoint is the real one, its library the simple one: real verifiers and executors cost more. A reception is the
/// executor's whole transaction; "handler" is our part of it alone.
contract CrossChainGasTest is CrossChainTest, GasRecorder {
    string private constant GROUP = "cross-chain";

    function setUp() public override(CrossChainTest, KeystoneTest) {
        CrossChainTest.setUp();
        address[4] memory wallets = [remoteSeller.wallet, remoteBuyer.wallet, seller.wallet, buyer.wallet];
        for (uint256 i; i < 4; ++i) {
            remoteBond.mint(wallets[i], 1);
            remoteCash.mint(wallets[i], 1);
            bond.mint(wallets[i], 1);
        }
        remoteBond.mint(address(remoteEscrow), 1);
        remoteCash.mint(address(remoteEscrow), 1);
        bond.mint(address(escrow), 1);
        // The channels have carried messages before.
        CreateParams memory earlier = remoteDvp(99);
        openEverywhere(earlier);
        deposit(earlier, 0);
        deposit(earlier, 1);
        sendVote(earlier);
        deliverAll();
    }

    function testsArtifacts() internal pure override(GasRecorder, KeystoneTest) returns (bool) {
        return true;
    }

    function test_Gas_OfTheOtherChain() external {
        CreateParams memory terms = remoteDvp(1);
        vm.prank(creator);
        coordinator.createSettlement(terms);
        recordGas(GROUP, "create, both legs on the other chain");
        attestAll(terms, ComplianceStatus.Pass);
        advance(terms);
        sendOpen(terms);
        recordGas(GROUP, "sendOpen");
        deliverNext();
        recordGas(GROUP, "OPEN received");
        fund(terms, 0);
        fund(terms, 1);
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.prank(remoteSeller.wallet);
        remoteEscrow.depositLeg(terms, 0, remoteSeller, remoteBuyer, termsHash);
        recordGas(GROUP, "remote deposit");
        vm.prank(remoteBuyer.wallet);
        remoteEscrow.depositLeg(terms, 1, remoteBuyer, remoteSeller, termsHash);
        recordGas(GROUP, "last remote deposit");
        sendVote(terms);
        recordGas(GROUP, "sendVote");
        deliverNext();
        recordGas(GROUP, "PREPARED received, which decides");
        sendDecision(terms);
        recordGas(GROUP, "sendDecision");
        deliverNext();
        recordGas(GROUP, "EXECUTE received");
        executeThere(terms);
        recordGas(GROUP, "remote execute, two legs");
        sendVote(terms);
        deliverNext();
        recordGas(GROUP, "EXECUTED received, which finalizes");
    }

    function test_Gas_OfTheHomeLeg() external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        fund(terms, 0);
        deposit(terms, 1);
        sendVote(terms);
        // Before the snapshot: going back would forget what the logs told.
        collect();
        uint256 snapshot = vm.snapshotState();
        pay(terms, 0);
        recordGas(GROUP, "home deposit, vote to come");
        deliverAll();
        coordinator.execute(terms, payeesOf(terms));
        recordGas(GROUP, "execute at home, one leg");
        vm.revertToState(snapshot);
        deliverAll();
        pay(terms, 0);
        recordGas(GROUP, "home deposit that decides and pays out");
        sendDecision(terms);
        deliverAll();
        executeThere(terms);
        recordGas(GROUP, "remote execute, one leg");
    }

    function test_Gas_OfTheHandlers() external {
        CreateParams memory terms = remoteDvp(1);
        open(terms);
        bytes32 id = terms.settlementId;
        bytes32 termsHash = coordinator.hashTerms(terms);
        recordThere("OPEN handler", MessageCodec.encodeOpen(id, termsHash, terms.deadline, 3));
        deposit(terms, 0);
        deposit(terms, 1);
        recordHere("PREPARED handler, which decides", MessageCodec.encodePrepared(id, termsHash));
        recordThere("EXECUTE handler", MessageCodec.encode(MessageKind.EXECUTE, id));
        recordHere("EXECUTED handler, which finalizes", MessageCodec.encode(MessageKind.EXECUTED, id));
        CreateParams memory other = remoteDvp(2);
        open(other);
        receiveThere(MessageCodec.encodeOpen(idOf(2), coordinator.hashTerms(other), other.deadline, 3));
        deposit(other, 0);
        recordThere("ROLLBACK handler", MessageCodec.encode(MessageKind.ROLLBACK, idOf(2)));
        refundThere(other);
        recordGas(GROUP, "remote refund, one leg");
    }

    function test_Gas_OfACooperativeRelease() external {
        CreateParams memory terms = remoteDvp(1);
        openEverywhere(terms);
        deposit(terms, 0);
        deposit(terms, 1);
        vm.warp(terms.deadline + RELEASE_DELAY);
        onChain(REMOTE_CHAIN);
        Opening[] memory payers = payersOf(terms);
        Opening[] memory payees = payeesOf(terms);
        bytes32 digest = digestOf(terms, ReleaseOutcome.PAY);
        bytes[] memory signatures = new bytes[](2);
        signatures[0] = sign("seller there", digest);
        signatures[1] = sign("buyer there", digest);
        remoteEscrow.release(terms, payers, payees, ReleaseOutcome.PAY, signatures);
        recordGas(GROUP, "cooperative release, two legs");
    }

    function deliverNext() private {
        uint256 index = pendingPackets()[0];
        verify(index);
        deliver(index);
    }

    function recordHere(string memory name, bytes memory message) private {
        receiveHere(REMOTE_EID, address(gateway), message);
        bytes memory call = abi.encodeCall(
            coordinator.lzReceive, (originOf(REMOTE_EID, address(gateway)), bytes32(0), message, stranger, "")
        );
        recordInner(GROUP, name, call);
    }

    function recordThere(string memory name, bytes memory message) private {
        receiveThere(message);
        bytes memory call = abi.encodeCall(
            gateway.lzReceive, (originOf(HOME_EID, address(coordinator)), bytes32(0), message, stranger, "")
        );
        recordInner(GROUP, name, call);
    }

    function digestOf(CreateParams memory terms, uint8 outcome) private view returns (bytes32) {
        (, string memory name, string memory version, uint256 chainId, address verifying,,) =
            remoteEscrow.eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                verifying
            )
        );
        bytes32 message = keccak256(
            abi.encode(remoteEscrow.RELEASE_TYPEHASH(), terms.settlementId, coordinator.hashTerms(terms), outcome)
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, message));
    }

    function sign(string memory name, bytes32 digest) private returns (bytes memory) {
        (, uint256 key) = makeAddrAndKey(name);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
