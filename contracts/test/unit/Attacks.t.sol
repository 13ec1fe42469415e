// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IGate } from "../../src/interfaces/IGate.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { KFUND } from "../../src/tokens/KFUND.sol";
import {
    Attestation,
    ComplianceStatus,
    CreateParams,
    Leg,
    Opening,
    RemotePhase,
    SettlementState
} from "../../src/types/SettlementTypes.sol";
import { AttackBase } from "./AttackBase.sol";
import { BlocklistToken, FeeToken, GasBombToken, HookToken, TestNft } from "../mocks/WeirdTokens.sol";

/// @title One test for each known attack by tokens, senders and signers; see attacks.tree.
contract AttacksTest is AttackBase {
    function test_Attack_Reentrancy() external {
        HookToken token = new HookToken();
        CreateParams memory terms = here(1, address(token), address(cash));
        open(terms);
        deposit(terms, 0);
        bytes32 termsHash = coordinator.hashTerms(terms);
        bytes[] memory calls = new bytes[](4);
        calls[0] = abi.encodeCall(escrow.depositLeg, (terms, 0, seller, buyer, termsHash));
        calls[1] = abi.encodeCall(escrow.execute, (terms, payeesOf(terms)));
        calls[2] = abi.encodeCall(escrow.refund, (terms, payersOf(terms)));
        calls[3] = abi.encodeCall(escrow.withdraw, (address(token), 0, 0, buyer.wallet));
        for (uint256 i; i < calls.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            token.callOut(address(escrow), address(escrow), calls[i]);
            deposit(terms, 1);
            assertGt(token.calls(), 0);
            assertFalse(token.anySucceeded());
            assertEq(token.balanceOf(buyer.wallet), AMOUNT);
            vm.revertToState(snapshot);
        }
    }

    /// @dev A token of the other chain delivers the coordinator's ROLLBACK in the middle of the deposit that would make it PREPARED.
    function test_Attack_CrossContractReentrancy() external {
        HookToken token = new HookToken();
        CreateParams memory terms = there(1, address(token), address(remoteCash));
        openEverywhere(terms);
        deposit(terms, 1);
        vm.prank(engine);
        coordinator.transition(terms.settlementId, SettlementState.ROLLED_BACK, "abort");
        sendDecision(terms);
        uint256 index = pendingPackets()[0];
        verify(index);
        Packet memory packet = packets[index];
        token.callOut(
            address(remoteEscrow),
            address(stations[REMOTE_EID].endpoint),
            abi.encodeCall(
                stations[REMOTE_EID].endpoint.lzReceive,
                (packet.origin, packet.receiver, packet.guid, packet.message, "")
            )
        );
        fund(terms, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IGate.DepositsNotOpen.selector, terms.settlementId, RemotePhase.ROLLED_BACK)
        );
        this.payExternally(terms, 0);
        assertEq(token.balanceOf(remoteSeller.wallet), AMOUNT);
        deliver(index);
        refundThere(terms);
        assertEq(remoteCash.balanceOf(remoteBuyer.wallet), AMOUNT);
    }

    function test_Attack_FeeOnTransfer() external {
        FeeToken token = new FeeToken();
        CreateParams memory terms = there(1, address(token), address(remoteCash));
        openEverywhere(terms);
        fund(terms, 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IKeystoneEscrow.DepositAmountMismatch.selector, address(token), AMOUNT, AMOUNT - AMOUNT / 100
            )
        );
        this.payExternally(terms, 0);
    }

    /// @dev One token under two standards: what came in under one must not leave as the other, out of somebody else's deposit.
    function test_Attack_PooledFunds() external {
        KFUND shares = new KFUND();
        Leg[] memory legs = new Leg[](2);
        legs[0] = partitionedLegOf(address(shares), "honest", AMOUNT, SELLER_HERE, BUYER_HERE);
        legs[1] = legOf(address(cash), 1, BUYER_HERE, SELLER_HERE);
        CreateParams memory honest = crossTerms(1, legs);
        open(honest);
        deposit(honest, 0);
        CreateParams memory thief = here(2, address(shares), address(cash));
        open(thief);
        shares.mint("worthless", seller.wallet, AMOUNT);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.TokenStandardMismatch.selector, address(shares), 0));
        this.payExternally(thief, 0);

        // And of one token, a failed settlement takes back its own deposit and no more.
        CreateParams memory first = here(3, address(bond), address(cash));
        CreateParams memory second = here(4, address(bond), address(cash));
        open(first);
        open(second);
        deposit(first, 0);
        deposit(second, 0);
        vm.warp(first.deadline);
        escrow.refund(first, payersOf(first));
        vm.expectRevert(abi.encodeWithSelector(IGate.NothingToRefund.selector, first.settlementId));
        escrow.refund(first, payersOf(first));
        assertEq(bond.balanceOf(address(escrow)), AMOUNT);
    }

    function test_Attack_BlocklistedRecipient() external {
        BlocklistToken token = new BlocklistToken();
        CreateParams memory terms = there(1, address(token), address(remoteCash));
        decided(terms);
        token.setBlocked(remoteBuyer.wallet, true);
        executeThere(terms);
        assertEq(remoteCash.balanceOf(remoteSeller.wallet), AMOUNT, "the sister leg is paid");
        assertEq(remoteEscrow.creditOf(address(token), 0, 0, remoteBuyer.wallet), AMOUNT);
        token.setBlocked(remoteBuyer.wallet, false);
        remoteEscrow.withdraw(address(token), 0, 0, remoteBuyer.wallet);
        assertEq(token.balanceOf(remoteBuyer.wallet), AMOUNT);
    }

    function test_Attack_GasBombs() external {
        GasBombToken token = new GasBombToken();
        CreateParams memory terms = there(1, address(token), address(remoteCash));
        decided(terms);
        token.arm(GasBombToken.Bomb.Burn);
        remoteEscrow.execute{ gas: 2_000_000 }(terms, payeesOf(terms));
        assertEq(remoteCash.balanceOf(remoteSeller.wallet), AMOUNT);
        assertEq(remoteEscrow.creditOf(address(token), 0, 0, remoteBuyer.wallet), AMOUNT);
    }

    function test_Attack_Griefing() external {
        TestNft nft = new TestNft();
        Leg[] memory legs = new Leg[](2);
        legs[0] = nftLegOf(address(nft), 7, SELLER_HERE, BUYER_HERE);
        legs[1] = remoteLegOf(address(remoteCash), AMOUNT, BUYER_THERE, SELLER_THERE);
        CreateParams memory terms = crossTerms(1, legs);
        openEverywhere(terms);
        deposit(terms, 1);
        // The right token with another id, and dust in place of the amount, are not the leg.
        nft.mint(seller.wallet, 8);
        vm.prank(seller.wallet);
        nft.approve(address(escrow), 8);
        vm.expectRevert();
        this.payExternally(terms, 0);
        // The deposit here never comes: the other side has its own back without anybody's help.
        sendVote(terms);
        deliverAll();
        vm.warp(terms.deadline);
        coordinator.timeout(terms.settlementId);
        sendDecision(terms);
        deliverAll();
        refundThere(terms);
        assertEq(remoteCash.balanceOf(remoteBuyer.wallet), AMOUNT);
    }

    /// @dev What a deposit secret would have guarded: nobody but the opened payer pays in, to nobody but the opened payee, and nowhere else.
    function test_Attack_WrongSenderPayeeParticipantOrChain() external {
        CreateParams memory terms = crossDvp(1);
        openEverywhere(terms);
        fund(terms, 1);
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.CallerNotPayer.selector, stranger, remoteBuyer.wallet));
        remoteEscrow.depositLeg(terms, 1, remoteBuyer, remoteSeller, termsHash);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 1, BUYER_THERE));
        remoteEscrow.depositLeg(terms, 1, Opening(remoteBuyer.participantId, stranger), remoteSeller, termsHash);

        vm.startPrank(remoteBuyer.wallet);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 1, SELLER_THERE));
        remoteEscrow.depositLeg(terms, 1, remoteBuyer, Opening(remoteSeller.participantId, stranger), termsHash);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 1, SELLER_THERE));
        remoteEscrow.depositLeg(terms, 1, remoteBuyer, Opening("another", remoteSeller.wallet), termsHash);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 1, BUYER_THERE));
        remoteEscrow.depositLeg(terms, 1, Opening("another", remoteBuyer.wallet), remoteSeller, termsHash);
        vm.expectRevert(
            abi.encodeWithSelector(IKeystoneEscrow.LegNotInThisEscrow.selector, 1, REMOTE_CHAIN, address(remoteEscrow))
        );
        escrow.depositLeg(terms, 1, remoteBuyer, remoteSeller, termsHash);
        remoteEscrow.depositLeg(terms, 1, remoteBuyer, remoteSeller, termsHash);
        vm.stopPrank();
    }

    function test_Attack_SignatureReplay() external {
        CreateParams memory terms = crossDvp(1);
        create(terms);
        (, uint256 key) = makeAddrAndKey("attester");
        Attestation memory word =
            Attestation(terms.settlementId, terms.partyHashes[0], ComplianceStatus.Pass, "reference");
        uint40 issuedAt = uint40(block.timestamp);
        bytes32 domain = domainOf(block.chainid);
        bytes32 message = keccak256(abi.encode(registry.ATTESTATION_TYPEHASH(), word, issuedAt, block.timestamp));
        bytes memory signature = signed(key, domain, message);
        registry.attestBySignature(word, issuedAt, block.timestamp, attester, signature);
        vm.expectRevert();
        registry.attestBySignature(word, issuedAt, block.timestamp, attester, signature);
        CreateParams memory second = crossDvp(2);
        create(second);
        word.settlementId = second.settlementId;
        vm.expectRevert();
        registry.attestBySignature(word, issuedAt, block.timestamp, attester, signature);
        // The same settlement and addresses on a chain that split off.
        word.settlementId = terms.settlementId;
        word.partyHash = terms.partyHashes[1];
        signature = signed(
            key, domain, keccak256(abi.encode(registry.ATTESTATION_TYPEHASH(), word, issuedAt, block.timestamp))
        );
        vm.chainId(77);
        vm.expectRevert();
        registry.attestBySignature(word, issuedAt, block.timestamp, attester, signature);
    }

    function domainOf(uint256 chainId) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("KeystoneComplianceRegistry"),
                keccak256("1"),
                chainId,
                address(registry)
            )
        );
    }

    function signed(uint256 key, bytes32 domain, bytes32 message) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked("\x19\x01", domain, message)));
        return abi.encodePacked(r, s, v);
    }
}
