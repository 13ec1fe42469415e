// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ComplianceRegistry } from "../../src/ComplianceRegistry.sol";
import { IComplianceRegistry } from "../../src/interfaces/IComplianceRegistry.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MAX_BATCH, MAX_SETS_PER_ATTESTER } from "../../src/types/Limits.sol";
import { Attestation, ComplianceStatus, CreateParams } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";

contract AttestTest is KeystoneTest {
    bytes32 private id;
    bytes32 private party;
    uint256 private signerKey = 0xA77E57;

    function setUp() public override {
        super.setUp();
        CreateParams memory terms = dvp(1);
        create(terms);
        id = terms.settlementId;
        party = terms.partyHashes[SELLER];
    }

    function test_Attest_IsDatedNow_AndNeverTwiceTheSame() external {
        uint40 now_ = uint40(block.timestamp);
        vm.expectEmit(address(registry));
        emit IComplianceRegistry.Attested(id, party, attester, 1, "ref", now_);
        say(ComplianceStatus.Pass);
        assertTrue(registry.isCleared(id, party));

        // In the same second as the Pass.
        vm.expectEmit(address(registry));
        emit IComplianceRegistry.Attested(id, party, attester, 3, "ref", now_ + 1);
        say(ComplianceStatus.Fail);
        assertFalse(registry.isCleared(id, party));
        (ComplianceStatus status, uint40 issuedAt) = registry.latestOf(id, party, attester);
        assertEq(uint8(status), 3);
        assertEq(issuedAt, now_ + 1);
    }

    function testFuzz_TheCounterOfClearedPartiesFollowsTheLatestWords(uint16[24] memory words) external {
        CreateParams memory terms = dvp(1);
        bool[4] memory cleared;
        for (uint256 i; i < words.length; ++i) {
            uint256 who = words[i] % 4;
            uint256 status = 1 + (words[i] / 4) % 3;
            vm.prank(attester);
            registry.attest(id, terms.partyHashes[who], ComplianceStatus(status), "ref");
            cleared[who] = status == 1;
            uint256 expected;
            for (uint256 j; j < 4; ++j) {
                assertEq(registry.isCleared(id, terms.partyHashes[j]), cleared[j]);
                if (cleared[j]) ++expected;
            }
            (, uint256 count) = registry.partyCounts(id);
            assertEq(count, expected);
            assertEq(registry.areAllPartiesCleared(id), expected == 4);
        }
    }

    function test_RevertWhen_AttestationIsUnsound() external {
        vm.startPrank(attester);
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.PartyNotRegistered.selector, id, bytes32("nobody")));
        registry.attest(id, "nobody", ComplianceStatus.Pass, "ref");
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.PartyNotRegistered.selector, idOf(2), party));
        registry.attest(idOf(2), party, ComplianceStatus.Pass, "ref");
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.InvalidStatus.selector, id, party));
        registry.attest(id, party, ComplianceStatus.None, "ref");
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.InvalidBatchSize.selector, 0, MAX_BATCH));
        registry.attestBatch(new Attestation[](0));
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.InvalidBatchSize.selector, MAX_BATCH + 1, MAX_BATCH));
        registry.attestBatch(new Attestation[](MAX_BATCH + 1));
        vm.stopPrank();
    }

    function test_RevertWhen_CallerIsNoAttester_WhateverItsRole() external {
        address[4] memory others = [admin, engine, creator, stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.NotAnAttester.selector, id, others[i]));
            registry.attest(id, party, ComplianceStatus.Pass, "ref");
        }
    }

    function test_Signature_CountsAsTheSignersWord_Once() external {
        bytes32 signedId = createWithSigner();
        Attestation memory attestation = Attestation(signedId, party, ComplianceStatus.Pass, "ref");
        uint40 issuedAt = uint40(block.timestamp);
        bytes memory signature = sign(attestation, issuedAt, block.timestamp + 60, registry);
        address signer = vm.addr(signerKey);

        vm.expectEmit(address(registry));
        emit IComplianceRegistry.Attested(signedId, party, signer, 1, "ref", issuedAt);
        vm.prank(stranger);
        registry.attestBySignature(attestation, issuedAt, block.timestamp + 60, signer, signature);
        assertTrue(registry.isCleared(signedId, party));

        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.InvalidIssuedAt.selector, issuedAt, issuedAt));
        registry.attestBySignature(attestation, issuedAt, block.timestamp + 60, signer, signature);
    }

    function test_Signature_CannotUndoALaterWord() external {
        bytes32 signedId = createWithSigner();
        address signer = vm.addr(signerKey);
        Attestation memory pass = Attestation(signedId, party, ComplianceStatus.Pass, "ref");
        uint40 issuedAt = uint40(block.timestamp);
        uint256 deadline = block.timestamp + 1 days;
        bytes memory signature = sign(pass, issuedAt, deadline, registry);
        vm.warp(block.timestamp + 10);
        vm.prank(signer);
        registry.attest(signedId, party, ComplianceStatus.Fail, "ref");
        vm.expectRevert(
            abi.encodeWithSelector(IComplianceRegistry.InvalidIssuedAt.selector, issuedAt, uint40(block.timestamp))
        );
        registry.attestBySignature(pass, issuedAt, deadline, signer, signature);
    }

    function test_RevertWhen_SignatureIsUnsound() external {
        bytes32 signedId = createWithSigner();
        address signer = vm.addr(signerKey);
        Attestation memory attestation = Attestation(signedId, party, ComplianceStatus.Pass, "ref");
        uint40 issuedAt = uint40(block.timestamp);
        uint256 deadline = block.timestamp + 60;
        bytes memory signature = sign(attestation, issuedAt, deadline, registry);
        bytes memory invalid = abi.encodeWithSelector(IComplianceRegistry.InvalidSignature.selector, signer);

        vm.expectRevert(invalid);
        registry.attestBySignature(
            Attestation(signedId, party, ComplianceStatus.Fail, "ref"), issuedAt, deadline, signer, signature
        );
        vm.expectRevert(invalid);
        registry.attestBySignature(attestation, issuedAt - 1, deadline, signer, signature);
        vm.expectRevert(invalid);
        registry.attestBySignature(attestation, issuedAt, deadline + 1, signer, signature);
        bytes memory elsewhere = sign(attestation, issuedAt, deadline, ComplianceRegistry(address(1)));
        vm.expectRevert(invalid);
        registry.attestBySignature(attestation, issuedAt, deadline, signer, elsewhere);
        bytes memory ahead = sign(attestation, issuedAt + 1, deadline, registry);
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.InvalidIssuedAt.selector, issuedAt + 1, 0));
        registry.attestBySignature(attestation, issuedAt + 1, deadline, signer, ahead);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.SignatureExpired.selector, deadline));
        registry.attestBySignature(attestation, issuedAt, deadline, signer, signature);
    }

    function testFuzz_MOfN_ClearsWithEnoughPassesAndNoOtherWord(uint8 n, uint8 m, uint8[4] memory words) external {
        n = uint8(bound(n, 1, 4));
        m = uint8(bound(m, 1, n));
        IComplianceRegistry.AttesterSet memory set = bigSet(n, m);
        bytes32 setId = register(set);
        bytes32 settlementId = createUnder(setId, 2);
        uint256 passes;
        bool bad;
        for (uint256 i; i < n; ++i) {
            uint8 status = words[i] % 4;
            if (status == 0) continue;
            vm.prank(set.attesters[i]);
            registry.attest(settlementId, party, ComplianceStatus(status), "ref");
            if (status == 1) ++passes;
            else bad = true;
        }
        assertEq(registry.isCleared(settlementId, party), passes >= m && !bad);
    }

    function test_EachOfFourAttestersCounts_AndNoneTwice() external {
        IComplianceRegistry.AttesterSet memory set = bigSet(4, 4);
        bytes32 settlementId = createUnder(register(set), 2);
        for (uint256 i; i < 4; ++i) {
            assertFalse(registry.isCleared(settlementId, party));
            vm.prank(set.attesters[i]);
            registry.attest(settlementId, party, ComplianceStatus.Pass, "ref");
        }
        for (uint256 i; i < 4; ++i) {
            assertTrue(registry.isCleared(settlementId, party));
            vm.startPrank(set.attesters[i]);
            registry.attest(settlementId, party, ComplianceStatus.Fail, "ref");
            assertFalse(registry.isCleared(settlementId, party));
            registry.attest(settlementId, party, ComplianceStatus.Pass, "ref");
            vm.stopPrank();
        }
    }

    function test_AFlagIsLiftedOnlyByWhoeverRaisedIt() external {
        IComplianceRegistry.AttesterSet memory set = bigSet(3, 2);
        bytes32 settlementId = createUnder(register(set), 2);
        vm.prank(set.attesters[0]);
        registry.attest(settlementId, party, ComplianceStatus.Flagged, "ref");
        for (uint256 i = 1; i < 3; ++i) {
            vm.prank(set.attesters[i]);
            registry.attest(settlementId, party, ComplianceStatus.Pass, "ref");
        }
        assertFalse(registry.isCleared(settlementId, party));
        vm.prank(set.attesters[0]);
        registry.attest(settlementId, party, ComplianceStatus.Pass, "decision");
        assertTrue(registry.isCleared(settlementId, party));
    }

    function test_ASetIsUsableOnlyAfterTheDelay() external {
        IComplianceRegistry.AttesterSet memory set = setOf(stranger);
        bytes32 setId = registry.attesterSetId(set);
        vm.expectEmit(address(registry));
        emit IComplianceRegistry.AttesterSetRegistered(setId, set.attesters, 1, uint64(block.timestamp) + SET_DELAY);
        vm.prank(admin);
        assertEq(registry.registerAttesterSet(set), setId);
        CreateParams memory terms = dvp(2);
        terms.attesterSet = setId;
        vm.warp(block.timestamp + SET_DELAY - 1);
        terms.deadline = uint64(block.timestamp) + LIFETIME;
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.AttesterSetNotUsable.selector, setId));
        create(terms);
        vm.warp(block.timestamp + 1);
        create(terms);
        (, uint64 activeFrom, bool closed) = registry.attesterSetOf(setId);
        assertEq(activeFrom, block.timestamp);
        assertFalse(closed);
    }

    function test_DisablingAnAttester_ClosesEveryGateOfItsSets() external {
        CreateParams memory terms = dvp(1);
        attestAll(terms, ComplianceStatus.Pass);
        assertTrue(registry.areAllPartiesCleared(id));
        vm.prank(admin);
        vm.expectEmit(address(registry));
        emit IComplianceRegistry.AttesterDisabled(attester);
        registry.disableAttester(attester);
        assertFalse(registry.areAllPartiesCleared(id));
        assertFalse(registry.isCleared(id, party));
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.GateClosed.selector, id));
        advance(terms);

        vm.prank(attester);
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.NotAnAttester.selector, id, attester));
        registry.attest(id, party, ComplianceStatus.Pass, "ref");
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.AttesterSetNotUsable.selector, attesterSet));
        create(dvp(2));
        vm.startPrank(admin);
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.NotAnActiveAttester.selector, attester));
        registry.disableAttester(attester);
        IComplianceRegistry.AttesterSet memory set = setOf(attester);
        set.attesters = new address[](2);
        (set.attesters[0], set.attesters[1]) = attester < stranger ? (attester, stranger) : (stranger, attester);
        vm.expectPartialRevert(IComplianceRegistry.InvalidAttesterSet.selector);
        registry.registerAttesterSet(set);
        vm.stopPrank();
    }

    function test_RevertWhen_SetIsUnsound() external {
        IComplianceRegistry.AttesterSet[6] memory unsound;
        unsound[0] = IComplianceRegistry.AttesterSet(new address[](0), 0);
        unsound[1] = bigSet(5, 1);
        unsound[2] = IComplianceRegistry.AttesterSet(new address[](1), 1);
        unsound[3] = bigSet(2, 3);
        unsound[4] = bigSet(2, 0);
        unsound[5] = bigSet(2, 1);
        (unsound[5].attesters[0], unsound[5].attesters[1]) = (unsound[5].attesters[1], unsound[5].attesters[0]);
        for (uint256 i; i < 6; ++i) {
            vm.prank(admin);
            vm.expectPartialRevert(IComplianceRegistry.InvalidAttesterSet.selector);
            registry.registerAttesterSet(unsound[i]);
        }
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.AttesterSetAlreadyRegistered.selector, attesterSet));
        registry.registerAttesterSet(setOf(attester));
    }

    function test_RevertWhen_CallerIsNotTheAdmin() external {
        address[3] memory others = [engine, attester, stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert();
            registry.registerAttesterSet(setOf(stranger));
            vm.expectRevert();
            registry.disableAttester(attester);
            vm.stopPrank();
        }
    }

    function test_AnAttesterOfTheMostSets_CanStillBeDisabled() external {
        // The initial set is its first.
        for (uint160 i = 1; i < MAX_SETS_PER_ATTESTER; ++i) {
            register(pairWith(attester, address(i)));
        }
        IComplianceRegistry.AttesterSet memory one = pairWith(attester, address(0xffff));
        vm.startPrank(admin);
        vm.expectRevert(
            abi.encodeWithSelector(IComplianceRegistry.TooManySets.selector, attester, MAX_SETS_PER_ATTESTER)
        );
        registry.registerAttesterSet(one);
        registry.disableAttester{ gas: 2_000_000 }(attester);
        vm.stopPrank();
    }

    function say(ComplianceStatus status) private {
        vm.prank(attester);
        registry.attest(id, party, status, "ref");
    }

    function pairWith(address one, address other) private pure returns (IComplianceRegistry.AttesterSet memory set) {
        set.attesters = new address[](2);
        (set.attesters[0], set.attesters[1]) = one < other ? (one, other) : (other, one);
        set.threshold = 1;
    }

    function bigSet(uint256 n, uint8 m) private pure returns (IComplianceRegistry.AttesterSet memory set) {
        set.attesters = new address[](n);
        for (uint160 i; i < n; ++i) {
            set.attesters[i] = address(0xA0000 + i);
        }
        set.threshold = m;
    }

    function register(IComplianceRegistry.AttesterSet memory set) private returns (bytes32 setId) {
        vm.prank(admin);
        setId = registry.registerAttesterSet(set);
        vm.warp(block.timestamp + SET_DELAY);
    }

    function createUnder(bytes32 setId, uint256 number) private returns (bytes32) {
        CreateParams memory terms = dvp(number);
        terms.attesterSet = setId;
        create(terms);
        return terms.settlementId;
    }

    function createWithSigner() private returns (bytes32) {
        return createUnder(register(setOf(vm.addr(signerKey))), 7);
    }

    function sign(Attestation memory attestation, uint40 issuedAt, uint256 deadline, ComplianceRegistry verifier)
        private
        view
        returns (bytes memory)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("KeystoneComplianceRegistry"),
                keccak256("1"),
                block.chainid,
                address(verifier)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Attestation(bytes32 settlementId,bytes32 partyHash,uint8 status,bytes32 referenceHash,uint40 issuedAt,uint256 deadline)"
                ),
                attestation.settlementId,
                attestation.partyHash,
                uint8(attestation.status),
                attestation.referenceHash,
                issuedAt,
                deadline
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        return abi.encodePacked(r, s, v);
    }
}
