// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { AccessControl } from "@openzeppelin/contracts/access/AccessControl.sol";
import { EIP712 } from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import { SignatureChecker } from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import { IComplianceRegistry } from "./interfaces/IComplianceRegistry.sol";
import { PartyRecord, PartyRecordLibrary } from "./libraries/PartyRecord.sol";
import { MAX_ATTESTERS, MAX_BATCH, MAX_PARTIES, MAX_SETS_PER_ATTESTER } from "./types/Limits.sol";
import { Attestation, ComplianceStatus } from "./types/SettlementTypes.sol";

/// @title Who said what about whom, and whether that is enough.
/// @notice Attester sets are named by their content, so the terms of a settlement fix who may clear its parties. The admin can add sets, which
/// become usable after a delay, and take attesters out, which closes gates; it can never open one.
contract ComplianceRegistry is IComplianceRegistry, AccessControl, EIP712 {
    /// @notice What the registry is deployed with.
    /// @param coordinator Who registers parties.
    /// @param admin Registers sets and takes attesters out.
    /// @param setDelay Seconds between the registration of a set and its first use.
    /// @param initialSets Sets that are usable at once.
    struct Settings {
        address coordinator;
        address admin;
        uint64 setDelay;
        AttesterSet[] initialSets;
    }

    /// @dev One slot. The threshold is a copy of the set's, which cannot change: attesting then reads no set.
    struct Parties {
        uint32 setNumber;
        uint8 threshold;
        uint16 count;
        uint16 cleared;
    }

    /// @dev What the creation of a settlement reads of a set, in one slot. Sets are numbered from one; zero is no set.
    struct SetHead {
        uint32 number;
        uint64 activeFrom;
        uint8 threshold;
        bool closed;
    }

    /// @dev What everything after it reads, by the number that a settlement keeps. Both `closed` are written together.
    struct SetBody {
        bool closed;
        bytes32 attesterSet;
        address[] attesters;
    }

    /// @dev Whoever speaks, about one settlement: what is the same for all of its parties.
    struct Speaker {
        bytes32 settlementId;
        address attester;
        uint40 issuedAt;
        uint256 position;
        uint256 threshold;
    }

    /// @notice Type of a signed attestation (EIP-712).
    bytes32 public constant ATTESTATION_TYPEHASH = keccak256(
        "Attestation(bytes32 settlementId,bytes32 partyHash,uint8 status,bytes32 referenceHash,uint40 issuedAt,uint256 deadline)"
    );
    /// @notice Type of a signed batch (EIP-712).
    bytes32 public constant BATCH_TYPEHASH = keccak256(
        "AttestationBatch(AttestationItem[] attestations,uint40 issuedAt,uint256 deadline)AttestationItem(bytes32 settlementId,bytes32 partyHash,uint8 status,bytes32 referenceHash)"
    );
    /// @notice Type of one attestation of a signed batch (EIP-712); date and deadline are the batch's.
    bytes32 public constant ITEM_TYPEHASH =
        keccak256("AttestationItem(bytes32 settlementId,bytes32 partyHash,uint8 status,bytes32 referenceHash)");

    /// @inheritdoc IComplianceRegistry
    address public immutable coordinator;
    /// @notice Seconds between the registration of a set and its first use.
    uint64 public immutable setDelay;
    /// @notice Whether an attester was taken out.
    mapping(address attester => bool) public isDisabled;

    mapping(bytes32 settlementId => Parties) private _parties;
    mapping(bytes32 settlementId => mapping(bytes32 partyHash => PartyRecord)) private _records;
    mapping(bytes32 attesterSet => SetHead) private _heads;
    mapping(uint32 setNumber => SetBody) private _bodies;
    uint32 private _setCount;
    /// @dev Position of an attester in a set plus one; zero when it does not belong to it, or no longer.
    mapping(uint32 setNumber => mapping(address attester => uint256)) private _positions;
    mapping(address attester => uint32[]) private _setsOfAttester;

    /// @dev One struct, since four parameters with nested arrays exceed the stack of the legacy compiler pipeline.
    /// @param settings See {Settings}.
    constructor(Settings memory settings) EIP712("KeystoneComplianceRegistry", "1") {
        coordinator = settings.coordinator;
        setDelay = settings.setDelay;
        _grantRole(DEFAULT_ADMIN_ROLE, settings.admin);
        for (uint256 i; i < settings.initialSets.length; ++i) {
            _addSet(settings.initialSets[i], uint64(block.timestamp));
        }
    }

    /// @inheritdoc IComplianceRegistry
    function attest(bytes32 settlementId, bytes32 partyHash, ComplianceStatus status, bytes32 referenceHash) external {
        Parties storage parties = _parties[settlementId];
        int256 change = _speak(_speaker(settlementId, msg.sender, 0, parties), partyHash, status, referenceHash);
        _count(parties, change);
    }

    /// @inheritdoc IComplianceRegistry
    function attestBatch(Attestation[] calldata attestations) external {
        _recordAll(attestations, msg.sender, 0);
    }

    /// @inheritdoc IComplianceRegistry
    function attestBySignature(
        Attestation calldata attestation,
        uint40 issuedAt,
        uint256 deadline,
        address attester,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(abi.encode(ATTESTATION_TYPEHASH, attestation, issuedAt, deadline));
        _requireSigned(structHash, issuedAt, deadline, attester, signature);
        Parties storage parties = _parties[attestation.settlementId];
        Speaker memory speaker = _speaker(attestation.settlementId, attester, issuedAt, parties);
        _count(parties, _speak(speaker, attestation.partyHash, attestation.status, attestation.referenceHash));
    }

    /// @inheritdoc IComplianceRegistry
    function attestBatchBySignature(
        Attestation[] calldata attestations,
        uint40 issuedAt,
        uint256 deadline,
        address attester,
        bytes calldata signature
    ) external {
        bytes32[] memory items = new bytes32[](attestations.length);
        for (uint256 i; i < items.length; ++i) {
            items[i] = keccak256(abi.encode(ITEM_TYPEHASH, attestations[i]));
        }
        bytes32 structHash =
            keccak256(abi.encode(BATCH_TYPEHASH, keccak256(abi.encodePacked(items)), issuedAt, deadline));
        _requireSigned(structHash, issuedAt, deadline, attester, signature);
        _recordAll(attestations, attester, issuedAt);
    }

    /// @inheritdoc IComplianceRegistry
    function registerParties(bytes32 settlementId, bytes32 attesterSet, bytes32[] calldata partyHashes) external {
        if (msg.sender != coordinator) revert CallerNotCoordinator(msg.sender);
        uint256 count = partyHashes.length;
        if (count == 0 || count > MAX_PARTIES) revert InvalidPartyCount(count, MAX_PARTIES);
        if (_parties[settlementId].count != 0) revert PartiesAlreadyRegistered(settlementId);

        SetHead memory head = _heads[attesterSet];
        if (head.number == 0 || head.closed || head.activeFrom > block.timestamp) {
            revert AttesterSetNotUsable(attesterSet);
        }
        // casting to uint16 is safe: count <= MAX_PARTIES = 32
        _parties[settlementId] = Parties(head.number, head.threshold, uint16(count), 0);
        mapping(bytes32 => PartyRecord) storage records = _records[settlementId];
        for (uint256 i; i < count; ++i) {
            bytes32 partyHash = partyHashes[i];
            if (partyHash == 0 || records[partyHash].isRegistered()) revert InvalidParty(settlementId, partyHash);
            records[partyHash] = PartyRecordLibrary.fresh();
        }
    }

    /// @inheritdoc IComplianceRegistry
    function registerAttesterSet(AttesterSet calldata set)
        external
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (bytes32 attesterSet)
    {
        return _addSet(set, uint64(block.timestamp) + setDelay);
    }

    /// @inheritdoc IComplianceRegistry
    function disableAttester(address attester) external onlyRole(DEFAULT_ADMIN_ROLE) {
        uint32[] storage setNumbers = _setsOfAttester[attester];
        if (setNumbers.length == 0 || isDisabled[attester]) revert NotAnActiveAttester(attester);
        isDisabled[attester] = true;
        for (uint256 i; i < setNumbers.length; ++i) {
            SetBody storage body = _bodies[setNumbers[i]];
            body.closed = true;
            _heads[body.attesterSet].closed = true;
            delete _positions[setNumbers[i]][attester];
        }
        emit AttesterDisabled(attester);
    }

    /// @inheritdoc IComplianceRegistry
    function isCleared(bytes32 settlementId, bytes32 partyHash) external view returns (bool) {
        return _records[settlementId][partyHash].isCleared() && !_bodies[_parties[settlementId].setNumber].closed;
    }

    /// @inheritdoc IComplianceRegistry
    function areAllPartiesCleared(bytes32 settlementId) external view returns (bool) {
        Parties memory parties = _parties[settlementId];
        return parties.count != 0 && parties.cleared == parties.count && !_bodies[parties.setNumber].closed;
    }

    /// @inheritdoc IComplianceRegistry
    function isRegistered(bytes32 settlementId, bytes32 partyHash) external view returns (bool) {
        return _records[settlementId][partyHash].isRegistered();
    }

    /// @inheritdoc IComplianceRegistry
    function latestOf(bytes32 settlementId, bytes32 partyHash, address attester)
        external
        view
        returns (ComplianceStatus status, uint40 issuedAt)
    {
        uint256 position = _positions[_parties[settlementId].setNumber][attester];
        if (position != 0) return _records[settlementId][partyHash].latest(position - 1);
    }

    /// @inheritdoc IComplianceRegistry
    function partyCounts(bytes32 settlementId) external view returns (uint256 parties, uint256 cleared) {
        return (_parties[settlementId].count, _parties[settlementId].cleared);
    }

    /// @inheritdoc IComplianceRegistry
    function attesterSetOf(bytes32 attesterSet)
        external
        view
        returns (AttesterSet memory set, uint64 activeFrom, bool closed)
    {
        SetHead memory head = _heads[attesterSet];
        return (AttesterSet(_bodies[head.number].attesters, head.threshold), head.activeFrom, head.closed);
    }

    /// @inheritdoc IComplianceRegistry
    function attesterSetId(AttesterSet memory set) public pure returns (bytes32) {
        return keccak256(abi.encode(set.attesters, set.threshold));
    }

    function _recordAll(Attestation[] calldata attestations, address attester, uint40 issuedAt) private {
        uint256 size = attestations.length;
        if (size == 0 || size > MAX_BATCH) revert InvalidBatchSize(size, MAX_BATCH);
        uint256 next;
        while (next < size) {
            next = _recordRun(attestations, next, attester, issuedAt);
        }
    }

    /// @dev Records attestations from `start` on for as long as they concern the same settlement, whose slot is read and written once.
    function _recordRun(Attestation[] calldata attestations, uint256 start, address attester, uint40 issuedAt)
        private
        returns (uint256 next)
    {
        bytes32 id = attestations[start].settlementId;
        Parties storage parties = _parties[id];
        Speaker memory speaker = _speaker(id, attester, issuedAt, parties);
        int256 change;
        for (next = start; next < attestations.length; ++next) {
            Attestation calldata attestation = attestations[next];
            if (attestation.settlementId != id) break;
            change += _speak(speaker, attestation.partyHash, attestation.status, attestation.referenceHash);
        }
        _count(parties, change);
    }

    /// @dev Puts one word on record.
    /// @return change By how much the number of cleared parties changes: one, zero or minus one.
    function _speak(Speaker memory speaker, bytes32 partyHash, ComplianceStatus status, bytes32 referenceHash)
        private
        returns (int256 change)
    {
        bytes32 id = speaker.settlementId;
        PartyRecord record = _records[id][partyHash];
        if (!record.isRegistered()) revert PartyNotRegistered(id, partyHash);
        if (speaker.position == 0) revert NotAnAttester(id, speaker.attester);
        if (status == ComplianceStatus.None) revert InvalidStatus(id, partyHash);

        uint256 position = speaker.position - 1;
        uint40 issuedAt = _dated(record, position, speaker.issuedAt);
        PartyRecord updated = record.withWord(position, status, issuedAt, speaker.threshold);
        _records[id][partyHash] = updated;
        emit Attested(id, partyHash, speaker.attester, uint8(status), referenceHash, issuedAt);
        if (updated.isCleared() == record.isCleared()) return 0;
        return updated.isCleared() ? int256(1) : int256(-1);
    }

    /// @dev casting is safe: the number of cleared parties lies between zero and MAX_PARTIES = 32
    function _count(Parties storage parties, int256 change) private {
        if (change != 0) parties.cleared = uint16(uint256(int256(uint256(parties.cleared)) + change));
    }

    /// @param issuedAt Zero means a direct call, which is dated now, or one second after the attester's last word: several in one block all count.
    function _speaker(bytes32 id, address attester, uint40 issuedAt, Parties storage parties)
        private
        view
        returns (Speaker memory)
    {
        uint256 position = _positions[parties.setNumber][attester];
        return Speaker(id, attester, issuedAt, position, parties.threshold);
    }

    function _requireSigned(
        bytes32 structHash,
        uint40 issuedAt,
        uint256 deadline,
        address attester,
        bytes calldata signature
    ) private view {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        if (issuedAt == 0 || issuedAt > block.timestamp) revert InvalidIssuedAt(issuedAt, 0);
        if (!SignatureChecker.isValidSignatureNowCalldata(attester, _hashTypedDataV4(structHash), signature)) {
            revert InvalidSignature(attester);
        }
    }

    function _dated(PartyRecord record, uint256 position, uint40 issuedAt) private view returns (uint40) {
        (, uint40 last) = record.latest(position);
        if (issuedAt == 0) return last < block.timestamp ? uint40(block.timestamp) : last + 1;
        if (issuedAt <= last) revert InvalidIssuedAt(issuedAt, last);
        return issuedAt;
    }

    function _addSet(AttesterSet memory set, uint64 activeFrom) private returns (bytes32 attesterSet) {
        uint256 count = set.attesters.length;
        attesterSet = attesterSetId(set);
        if (_heads[attesterSet].number != 0) revert AttesterSetAlreadyRegistered(attesterSet);
        if (count == 0 || count > MAX_ATTESTERS || set.threshold == 0 || set.threshold > count) {
            revert InvalidAttesterSet(attesterSet);
        }
        uint32 setNumber = ++_setCount;
        _heads[attesterSet] = SetHead(setNumber, activeFrom, set.threshold, false);
        _bodies[setNumber] = SetBody(false, attesterSet, set.attesters);

        address previous;
        for (uint256 i; i < count; ++i) {
            address attester = set.attesters[i];
            // Ascending order gives each set one id, and excludes zero and repeated addresses.
            if (attester <= previous || isDisabled[attester]) revert InvalidAttesterSet(attesterSet);
            if (_setsOfAttester[attester].length == MAX_SETS_PER_ATTESTER) {
                revert TooManySets(attester, MAX_SETS_PER_ATTESTER);
            }
            _setsOfAttester[attester].push(setNumber);
            _positions[setNumber][attester] = i + 1;
            previous = attester;
        }
        emit AttesterSetRegistered(attesterSet, set.attesters, set.threshold, activeFrom);
    }
}
