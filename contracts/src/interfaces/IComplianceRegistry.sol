// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Attestation, ComplianceStatus } from "../types/SettlementTypes.sol";

/// @title Attestations about the parties of settlements, and the question whether all of them are cleared.
interface IComplianceRegistry {
    /// @notice A set of attesters that the constructor knows from the start.
    /// @param attesters One to four addresses in strictly ascending order.
    /// @param threshold How many of them must say Pass.
    struct AttesterSet {
        address[] attesters;
        uint8 threshold;
    }

    /// @notice An attester said something about a party. `issuedAt` is in unix seconds and strictly increases per attester and party.
    event Attested(
        bytes32 indexed settlementId,
        bytes32 indexed partyHash,
        address indexed attester,
        uint8 status,
        bytes32 referenceHash,
        uint40 issuedAt
    );

    /// @notice A set may be used by settlements created from `activeFrom` (unix seconds) on.
    event AttesterSetRegistered(bytes32 indexed attesterSet, address[] attesters, uint8 threshold, uint64 activeFrom);

    /// @notice An attester is out, for ever; every gate that uses one of its sets is closed.
    event AttesterDisabled(address indexed attester);

    /// @notice Thrown when parties are registered by anybody but the coordinator.
    error CallerNotCoordinator(address caller);
    /// @notice Thrown when a set has no attesters, too many, unordered, zero or disabled ones, or a threshold that does not fit.
    error InvalidAttesterSet(bytes32 attesterSet);
    /// @notice Thrown when the set exists.
    error AttesterSetAlreadyRegistered(bytes32 attesterSet);
    /// @notice Thrown when an attester belongs to too many sets.
    error TooManySets(address attester, uint256 maximum);
    /// @notice Thrown when a settlement names a set that is unknown, not active yet, or closed.
    error AttesterSetNotUsable(bytes32 attesterSet);
    /// @notice Thrown when an address that belongs to no set, or was disabled before, is to be disabled.
    error NotAnActiveAttester(address attester);
    /// @notice Thrown when a settlement is registered twice.
    error PartiesAlreadyRegistered(bytes32 settlementId);
    /// @notice Thrown when a settlement has no parties, or more than `maximum`.
    error InvalidPartyCount(uint256 count, uint256 maximum);
    /// @notice Thrown when a party hash is zero or occurs twice.
    error InvalidParty(bytes32 settlementId, bytes32 partyHash);
    /// @notice Thrown when the party is not one of the settlement's.
    error PartyNotRegistered(bytes32 settlementId, bytes32 partyHash);
    /// @notice Thrown when the attester does not belong to the settlement's set, or was disabled.
    error NotAnAttester(bytes32 settlementId, address attester);
    /// @notice Thrown when the status is none.
    error InvalidStatus(bytes32 settlementId, bytes32 partyHash);
    /// @notice Thrown when a batch is empty or longer than `maximum`.
    error InvalidBatchSize(uint256 size, uint256 maximum);
    /// @notice Thrown when a signed attestation is not newer than the last one, or is dated in the future.
    error InvalidIssuedAt(uint40 issuedAt, uint40 last);
    /// @notice Thrown when a signed attestation is submitted after its deadline.
    error SignatureExpired(uint256 deadline);
    /// @notice Thrown when the signature is not the attester's.
    error InvalidSignature(address attester);

    /// @notice Records what the caller, an attester of the settlement's set, says about a party.
    /// @param partyHash keccak256(abi.encode(bytes32 participantId, address wallet)).
    /// @param referenceHash keccak256 of the provider's reference.
    function attest(bytes32 settlementId, bytes32 partyHash, ComplianceStatus status, bytes32 referenceHash) external;

    /// @notice Records several attestations of the caller.
    function attestBatch(Attestation[] calldata attestations) external;

    /// @notice Records an attestation that the attester signed (EIP-712), brought by anybody.
    /// @param issuedAt Unix seconds, later than the attester's last word on the party and not in the future.
    /// @param deadline Unix seconds until which the signature may be used.
    /// @param attester Who signed; a contract signs by ERC-1271.
    function attestBySignature(
        Attestation calldata attestation,
        uint40 issuedAt,
        uint256 deadline,
        address attester,
        bytes calldata signature
    ) external;

    /// @notice Records several attestations under one signature (EIP-712), brought by anybody. All of them count, or none.
    /// @param issuedAt As for {attestBySignature}, for each of them; so no party occurs twice.
    /// @param deadline Unix seconds until which the signature may be used.
    /// @param attester Who signed; a contract signs by ERC-1271.
    function attestBatchBySignature(
        Attestation[] calldata attestations,
        uint40 issuedAt,
        uint256 deadline,
        address attester,
        bytes calldata signature
    ) external;

    /// @notice Registers the parties of a settlement. Only the coordinator.
    function registerParties(bytes32 settlementId, bytes32 attesterSet, bytes32[] calldata partyHashes) external;

    /// @notice Registers a set, usable after `setDelay` seconds. Needs DEFAULT_ADMIN_ROLE. Its id is its content, so it cannot change.
    function registerAttesterSet(AttesterSet calldata set) external returns (bytes32 attesterSet);

    /// @notice Takes an attester out, at once and for ever. Needs DEFAULT_ADMIN_ROLE.
    function disableAttester(address attester) external;

    /// @notice Whether enough attesters of the settlement's set say Pass about the party, and none says otherwise.
    function isCleared(bytes32 settlementId, bytes32 partyHash) external view returns (bool);

    /// @notice Whether every registered party is cleared. False for an unknown settlement.
    function areAllPartiesCleared(bytes32 settlementId) external view returns (bool);

    /// @notice Whether the party is one of the settlement's.
    function isRegistered(bytes32 settlementId, bytes32 partyHash) external view returns (bool);

    /// @notice The latest word of one attester about one party; None and zero when there is none.
    function latestOf(bytes32 settlementId, bytes32 partyHash, address attester)
        external
        view
        returns (ComplianceStatus status, uint40 issuedAt);

    /// @notice Numbers of parties, and of cleared parties, of a settlement.
    function partyCounts(bytes32 settlementId) external view returns (uint256 parties, uint256 cleared);

    /// @notice A set, when it may be used from (unix seconds, zero when unknown), and whether it is closed.
    function attesterSetOf(bytes32 attesterSet)
        external
        view
        returns (AttesterSet memory set, uint64 activeFrom, bool closed);

    /// @notice The id of a set: keccak256(abi.encode(address[] attesters, uint8 threshold)).
    function attesterSetId(AttesterSet calldata set) external pure returns (bytes32);

    /// @notice The coordinator whose settlements are attested here.
    function coordinator() external view returns (address);
}
