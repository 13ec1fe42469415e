// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IComplianceRegistry } from "../../src/interfaces/IComplianceRegistry.sol";
import { MAX_BATCH } from "../../src/types/Limits.sol";
import { Attestation, ComplianceStatus, CreateParams } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";

/// @title Several attestations under one signature; see attest-batch.tree.
contract AttestBatchTest is KeystoneTest {
    function test_ASignedBatch_BroughtByAnybody_ClearsASettlement() external {
        Attestation[] memory batch = passesOf(created(1));
        uint40 issuedAt = uint40(block.timestamp) - 5;
        bytes memory signature = sign("attester", batch, issuedAt, block.timestamp);
        vm.expectEmit(address(registry));
        emit IComplianceRegistry.Attested(idOf(1), batch[0].partyHash, attester, 1, batch[0].referenceHash, issuedAt);
        vm.prank(stranger);
        registry.attestBatchBySignature(batch, issuedAt, block.timestamp, attester, signature);
        assertTrue(registry.areAllPartiesCleared(idOf(1)));
        (ComplianceStatus status, uint40 at) = registry.latestOf(idOf(1), batch[3].partyHash, attester);
        assertEq(uint8(status), 1);
        assertEq(at, issuedAt);
    }

    function test_OneBatch_MaySpeakOfSeveralSettlements_InAnyOrder() external {
        Attestation[] memory first = passesOf(created(1));
        Attestation[] memory second = passesOf(created(2));
        Attestation[] memory mixed = new Attestation[](8);
        for (uint256 i; i < 4; ++i) {
            // Two of the first, one of the second, and so on: no settlement's attestations stand together.
            mixed[2 * i] = i < 2 ? first[i] : second[i];
            mixed[2 * i + 1] = i < 2 ? second[i] : first[i];
        }
        vm.prank(attester);
        registry.attestBatch(mixed);
        assertTrue(registry.areAllPartiesCleared(idOf(1)));
        assertTrue(registry.areAllPartiesCleared(idOf(2)));
        // A flag of one and a second pass of the other: each count follows its own settlement.
        Attestation[] memory later = new Attestation[](2);
        later[0] = Attestation(idOf(1), first[1].partyHash, ComplianceStatus.Flagged, 0);
        later[1] = second[1];
        vm.prank(attester);
        registry.attestBatch(later);
        (, uint256 cleared) = registry.partyCounts(idOf(1));
        assertEq(cleared, 3);
        (, cleared) = registry.partyCounts(idOf(2));
        assertEq(cleared, 4);
    }

    function test_TheLargestBatch_IsTaken() external {
        Attestation[] memory batch = new Attestation[](MAX_BATCH);
        for (uint256 i; i < MAX_BATCH; i += 4) {
            Attestation[] memory passes = passesOf(created(1 + i / 4));
            for (uint256 j; j < 4; ++j) {
                batch[i + j] = passes[j];
            }
        }
        vm.prank(attester);
        registry.attestBatch(batch);
        for (uint256 i; i < MAX_BATCH; i += 4) {
            assertTrue(registry.areAllPartiesCleared(idOf(1 + i / 4)));
        }
    }

    function test_RevertWhen_TheSignatureIsNotOfExactlyThis() external {
        Attestation[] memory batch = passesOf(created(1));
        uint40 issuedAt = uint40(block.timestamp);
        uint256 deadline = block.timestamp + 1;
        bytes memory sound = sign("attester", batch, issuedAt, deadline);
        bytes memory invalid = abi.encodeWithSelector(IComplianceRegistry.InvalidSignature.selector, attester);
        bytes memory other = sign("stranger", batch, issuedAt, deadline);
        expectRefusal(batch, issuedAt, deadline, other, invalid);
        expectRefusal(batch, issuedAt, deadline + 1, sound, invalid);
        expectRefusal(batch, issuedAt - 1, deadline, sound, invalid);
        for (uint256 field; field < 4; ++field) {
            Attestation[] memory bent = abi.decode(abi.encode(batch), (Attestation[]));
            if (field == 0) bent[2].settlementId = idOf(9);
            if (field == 1) bent[2].partyHash = "somebody";
            if (field == 2) bent[2].status = ComplianceStatus.Flagged;
            if (field == 3) bent[2].referenceHash = "another reference";
            expectRefusal(bent, issuedAt, deadline, sound, invalid);
        }
        (batch[0], batch[1]) = (batch[1], batch[0]);
        expectRefusal(batch, issuedAt, deadline, sound, invalid);
        (batch[0], batch[1]) = (batch[1], batch[0]);
        vm.chainId(5);
        expectRefusal(batch, issuedAt, deadline, sound, invalid);
        vm.chainId(31_337);
        registry.attestBatchBySignature(batch, issuedAt, deadline, attester, sound);
    }

    function test_RevertWhen_ASignedBatchIsLate_FromTheFuture_OrNotNewer() external {
        Attestation[] memory batch = passesOf(created(1));
        uint40 now_ = uint40(block.timestamp);
        bytes memory signature = sign("attester", batch, now_, now_ - 1);
        expectRefusal(
            batch,
            now_,
            now_ - 1,
            signature,
            abi.encodeWithSelector(IComplianceRegistry.SignatureExpired.selector, now_ - 1)
        );
        signature = sign("attester", batch, now_ + 1, now_);
        expectRefusal(
            batch,
            now_ + 1,
            now_,
            signature,
            abi.encodeWithSelector(IComplianceRegistry.InvalidIssuedAt.selector, now_ + 1, 0)
        );
        signature = sign("attester", batch, 0, now_);
        expectRefusal(
            batch, 0, now_, signature, abi.encodeWithSelector(IComplianceRegistry.InvalidIssuedAt.selector, 0, 0)
        );
        signature = sign("attester", batch, now_, now_);
        registry.attestBatchBySignature(batch, now_, now_, attester, signature);
        expectRefusal(
            batch,
            now_,
            now_,
            signature,
            abi.encodeWithSelector(IComplianceRegistry.InvalidIssuedAt.selector, now_, now_)
        );
    }

    function test_RevertWhen_ABatchNamesAPartyTwice_AnUnknownParty_OrIsEmptyOrTooLong() external {
        Attestation[] memory batch = passesOf(created(1));
        uint40 now_ = uint40(block.timestamp);
        batch[3] = batch[0];
        bytes memory signature = sign("attester", batch, now_, now_);
        expectRefusal(
            batch,
            now_,
            now_,
            signature,
            abi.encodeWithSelector(IComplianceRegistry.InvalidIssuedAt.selector, now_, now_)
        );
        batch[3].partyHash = "nobody";
        signature = sign("attester", batch, now_, now_);
        expectRefusal(
            batch,
            now_,
            now_,
            signature,
            abi.encodeWithSelector(IComplianceRegistry.PartyNotRegistered.selector, idOf(1), bytes32("nobody"))
        );
        uint256[2] memory sizes = [0, MAX_BATCH + 1];
        for (uint256 i; i < 2; ++i) {
            batch = new Attestation[](sizes[i]);
            signature = sign("attester", batch, now_, now_);
            expectRefusal(
                batch,
                now_,
                now_,
                signature,
                abi.encodeWithSelector(IComplianceRegistry.InvalidBatchSize.selector, sizes[i], MAX_BATCH)
            );
        }
        (, uint256 cleared) = registry.partyCounts(idOf(1));
        assertEq(cleared, 0, "all of a batch, or none");
    }

    function test_AFailAfterDepositsOpened_StaysOnRecord_AndStopsNothing() external {
        CreateParams memory terms = created(1);
        attestAll(terms, ComplianceStatus.Pass);
        uint256 snapshot = vm.snapshotState();
        vm.prank(attester);
        registry.attest(idOf(1), terms.partyHashes[0], ComplianceStatus.Fail, "late");
        vm.prank(engine);
        vm.expectRevert();
        coordinator.advance(idOf(1), DIGEST);
        vm.revertToState(snapshot);
        advance(terms);
        vm.prank(attester);
        registry.attest(idOf(1), terms.partyHashes[0], ComplianceStatus.Fail, "late");
        assertFalse(registry.areAllPartiesCleared(idOf(1)));
        deposit(terms, 0);
        deposit(terms, 1);
        assertEq(stateOf(terms), 5);
        (ComplianceStatus status,) = registry.latestOf(idOf(1), terms.partyHashes[0], attester);
        assertEq(uint8(status), uint8(ComplianceStatus.Fail));
    }

    function created(uint256 number) private returns (CreateParams memory terms) {
        terms = dvp(number);
        create(terms);
    }

    function passesOf(CreateParams memory terms) private pure returns (Attestation[] memory batch) {
        batch = new Attestation[](terms.partyHashes.length);
        for (uint256 i; i < batch.length; ++i) {
            batch[i] = Attestation(terms.settlementId, terms.partyHashes[i], ComplianceStatus.Pass, keccak256("ref"));
        }
    }

    function expectRefusal(
        Attestation[] memory batch,
        uint40 issuedAt,
        uint256 deadline,
        bytes memory signature,
        bytes memory reason
    ) private {
        vm.expectRevert(reason);
        registry.attestBatchBySignature(batch, issuedAt, deadline, attester, signature);
    }

    /// @dev Written out from EIP-712, not taken from the contract.
    function sign(string memory name, Attestation[] memory batch, uint40 issuedAt, uint256 deadline)
        private
        returns (bytes memory)
    {
        bytes32[] memory items = new bytes32[](batch.length);
        for (uint256 i; i < batch.length; ++i) {
            items[i] = keccak256(
                abi.encode(
                    keccak256(
                        "AttestationItem(bytes32 settlementId,bytes32 partyHash,uint8 status,bytes32 referenceHash)"
                    ),
                    batch[i].settlementId,
                    batch[i].partyHash,
                    uint256(batch[i].status),
                    batch[i].referenceHash
                )
            );
        }
        bytes32 message = keccak256(
            abi.encode(
                keccak256(
                    "AttestationBatch(AttestationItem[] attestations,uint40 issuedAt,uint256 deadline)AttestationItem(bytes32 settlementId,bytes32 partyHash,uint8 status,bytes32 referenceHash)"
                ),
                keccak256(abi.encodePacked(items)),
                issuedAt,
                deadline
            )
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("KeystoneComplianceRegistry"),
                keccak256("1"),
                uint256(31_337),
                address(registry)
            )
        );
        (, uint256 key) = makeAddrAndKey(name);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked("\x19\x01", domain, message)));
        return abi.encodePacked(r, s, v);
    }
}
