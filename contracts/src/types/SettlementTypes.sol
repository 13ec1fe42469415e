// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The vocabulary of a settlement. These structs are hashed into the terms, so their fields and order are final.

/// @notice A part of a leg's amount that goes to somebody other than the payee.
/// @param recipient Who receives it. Agreed to by depositing under the terms; not screened.
/// @param amount Base units of the leg's token, taken out of the leg's amount.
struct Fee {
    address recipient;
    uint256 amount;
}

/// @notice One movement of one asset from one party to another.
/// @param chainId Chain on which the asset lives.
/// @param escrow Escrow on that chain.
/// @param token Token contract. The native coin is refused: it has no contract.
/// @param tokenStandard One of {TokenStandard}.
/// @param tokenId Id of an ERC-721 token, else zero.
/// @param partition Partition of an ERC-1400 token, else zero.
/// @param amount Base units deposited, fees included; one for ERC-721.
/// @param payer Index into `partyHashes` of the wallet that pays in.
/// @param payee Index into `partyHashes` of the wallet that is paid.
/// @param fees What is taken out of `amount` before the payee is paid.
struct Leg {
    uint64 chainId;
    address escrow;
    address token;
    uint8 tokenStandard;
    uint256 tokenId;
    bytes32 partition;
    uint256 amount;
    uint8 payer;
    uint8 payee;
    Fee[] fees;
}

/// @notice The terms of a settlement. Contracts store only their hash; everybody brings them along as typed calldata.
/// @param settlementId 16 bytes of a UUID, then 16 zero bytes.
/// @param attesterSet Id of the attester set whose attestations open the compliance gate.
/// @param deadline Unix seconds. Deposits strictly before, timeout from then on.
/// @param partyHashes keccak256(abi.encode(bytes32 participantId, address wallet)); wallet zero is the entity check.
/// @param legs The movements; all of them happen, or none.
struct CreateParams {
    bytes32 settlementId;
    bytes32 attesterSet;
    uint64 deadline;
    bytes32[] partyHashes;
    Leg[] legs;
}

/// @notice The preimage of a party hash.
/// @param participantId 16 bytes of a random UUID, then 16 zero bytes.
/// @param wallet The screened wallet.
struct Opening {
    bytes32 participantId;
    address wallet;
}

/// @notice What an attester says about one party of one settlement.
enum ComplianceStatus {
    None,
    Pass,
    Flagged,
    Fail
}

/// @notice One attestation of a batch.
/// @param referenceHash keccak256 of the provider's reference; never the reference itself.
struct Attestation {
    bytes32 settlementId;
    bytes32 partyHash;
    ComplianceStatus status;
    bytes32 referenceHash;
}

/// @notice What the coordinator stores of a settlement: the terms' hash and one packed slot.
/// @param termsHash Hash of the terms, see {TermsLibrary}.
/// @param state One of {SettlementState}.
/// @param deadline Unix seconds.
/// @param homeLegBits Bit i is set when leg i lives in the escrow of this chain.
/// @param depositedBits Bit i is set once leg i was paid in here. Never cleared.
/// @param refundedBits Bit i is set once leg i was handed back here.
/// @param remoteChainBits Bit c is set when a leg lives on the chain that was connected as number c, counted from zero.
/// @param preparedBits Of those, the chains that have voted PREPARED in time.
/// @param executedBits Of those, the chains that have reported EXECUTED.
/// @param homeExecuted Whether the legs of this chain were paid out; true at the decision when there are none.
struct Settlement {
    bytes32 termsHash;
    uint8 state;
    uint64 deadline;
    uint32 homeLegBits;
    uint32 depositedBits;
    uint32 refundedBits;
    uint16 remoteChainBits;
    uint16 preparedBits;
    uint16 executedBits;
    bool homeExecuted;
}

/// @notice What the gateway of another chain stores of a settlement.
/// @param termsHash Hash of the terms, as the coordinator's OPEN stated it; zero before, and for ever after a ROLLBACK that overtook OPEN.
/// @param phase One of {RemotePhase}.
/// @param deadline Unix seconds.
/// @param legBits Bit i is set when leg i lives in the escrow of that chain.
/// @param depositedBits Bit i is set once leg i was paid in. Never cleared.
/// @param refundedBits Bit i is set once leg i was handed back.
struct RemoteSettlement {
    bytes32 termsHash;
    uint8 phase;
    uint64 deadline;
    uint8 legBits;
    uint8 depositedBits;
    uint8 refundedBits;
}

/// @notice On-chain indexes of the eight states.
library SettlementState {
    uint8 internal constant INSTRUCTED = 0;
    uint8 internal constant COMPLIANCE_CHECKING = 1;
    uint8 internal constant COMPLIANCE_CLEARED = 2;
    uint8 internal constant AWAITING_DEPOSITS = 3;
    uint8 internal constant EXECUTING_SWAP = 4;
    uint8 internal constant FINALIZED = 5;
    uint8 internal constant ROLLED_BACK = 6;
    uint8 internal constant TIMED_OUT = 7;
}

/// @notice Values of {Leg.tokenStandard}.
library TokenStandard {
    uint8 internal constant ERC20 = 0;
    uint8 internal constant ERC721 = 1;
    uint8 internal constant ERC1400 = 2;
    uint8 internal constant ERC3643 = 3;
}

/// @notice What a gateway knows of a settlement.
library RemotePhase {
    uint8 internal constant NONE = 0;
    uint8 internal constant OPEN = 1;
    uint8 internal constant PREPARED = 2;
    uint8 internal constant EXECUTE_DECIDED = 3;
    uint8 internal constant EXECUTED = 4;
    uint8 internal constant ROLLED_BACK = 5;
}

/// @notice Why a gateway let a settlement go.
library RollbackReason {
    uint8 internal constant DECISION = 1;
    uint8 internal constant UNILATERAL = 2;
    uint8 internal constant COOPERATIVE = 3;
    uint8 internal constant BEFORE_OPEN = 4;
}

/// @notice What the parties of a chain that messaging has left alone may agree on.
library ReleaseOutcome {
    uint8 internal constant PAY = 1;
    uint8 internal constant REFUND = 2;
}
