// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { CreateParams, Opening, Settlement } from "../types/SettlementTypes.sol";
import { IGate } from "./IGate.sol";
import { IMessaging } from "./IMessaging.sol";

/// @title The state machine of settlements: eight states, fixed edges, two compliance gates, one decision for all chains.
interface ISettlementCoordinator is IGate, IMessaging {
    /// @notice A settlement was created; the terms are the calldata of this transaction.
    event SettlementCreated(bytes32 indexed settlementId, bytes32 termsHash);

    /// @notice A settlement changed state. Into AWAITING_DEPOSITS, `evidenceHash` is the digest of the signed decisions.
    event StateTransition(bytes32 indexed settlementId, uint8 fromState, uint8 toState, bytes32 evidenceHash);

    /// @notice The deadline passed before the settlement was decided.
    event SettlementTimedOut(bytes32 indexed settlementId);

    /// @notice A chain was connected; its legs live in `escrow`, whose gate is `gateway`.
    event ChainConnected(uint64 indexed chainId, uint32 endpointId, address gateway, address escrow);

    /// @notice A chain's PREPARED or EXECUTED (`kind`) counted, for the first time.
    event VoteCounted(bytes32 indexed settlementId, uint64 indexed chainId, uint8 kind);

    /// @notice A vote had no effect: too late, under other terms, or counted before.
    event VoteIgnored(bytes32 indexed settlementId, uint64 indexed chainId, uint8 kind);

    /// @notice Thrown when the parts were deployed for other counterparts than these.
    error MiswiredDeployment(address registry, address escrow);
    /// @notice Thrown when the id was used before, whatever the terms.
    error SettlementAlreadyExists(bytes32 settlementId);
    /// @notice Thrown when the id is not 16 bytes followed by 16 zero bytes, or is zero.
    error InvalidSettlementId(bytes32 settlementId);
    /// @notice Thrown when the deadline has passed already, or lies further ahead than `latest`.
    error InvalidDeadline(bytes32 settlementId, uint64 deadline, uint256 latest);
    /// @notice Thrown when there are no legs, or more than `maximum`.
    error InvalidLegCount(uint256 count, uint256 maximum);
    /// @notice Thrown when a leg's chain is not connected.
    error ChainNotConnected(uint64 chainId);
    /// @notice Thrown when a leg names another escrow than the one of its chain.
    error WrongEscrow(uint256 legIndex, address escrow, address expected);
    /// @notice Thrown when a chain cannot be connected: zero values, this chain, a chain or endpoint id that is connected already.
    error InvalidConnection(uint64 chainId, uint32 endpointId);
    /// @notice Thrown when more than `maximum` chains are to be connected.
    error TooManyChains(uint256 maximum);
    /// @notice Thrown when the settlement has no legs on the chain.
    error ChainNotInSettlement(bytes32 settlementId, uint64 chainId);
    /// @notice Thrown when a message is asked for that the settlement's state does not call for.
    error NothingToSend(bytes32 settlementId, uint8 state);
    /// @notice Thrown for values that name no standard.
    error UnsupportedTokenStandard(uint256 legIndex, uint8 tokenStandard);
    /// @notice Thrown when the token is the zero address, by which the native coin is usually meant.
    error NativeCoinRefused(uint256 legIndex);
    /// @notice Thrown when the token is not a contract, or is the escrow or the coordinator.
    error InvalidToken(uint256 legIndex, address token);
    /// @notice Thrown when the amount is zero, more than 2^128 - 1, or not one for an ERC-721.
    error InvalidAmount(uint256 legIndex, uint256 amount);
    /// @notice Thrown when a fungible leg names a token id, a leg without partitions names a partition, or an ERC-1400 leg names none.
    error InvalidTokenSelector(uint256 legIndex, uint256 tokenId, bytes32 partition);
    /// @notice Thrown when payer and payee are the same, or do not index `partyHashes`.
    error InvalidLegParties(uint256 legIndex, uint8 payer, uint8 payee);
    /// @notice Thrown when a leg has more than `maximum` fees, or an ERC-721 leg has any.
    error TooManyFees(uint256 legIndex, uint256 count, uint256 maximum);
    /// @notice Thrown when a fee is zero, or its recipient is zero, the escrow or the token.
    error InvalidFee(uint256 legIndex, uint256 feeIndex);
    /// @notice Thrown when fees leave nothing for the payee.
    error FeesExceedAmount(uint256 legIndex, uint256 fees, uint256 amount);
    /// @notice Thrown when the contract has no such edge.
    error InvalidTransition(bytes32 settlementId, uint8 fromState, uint8 toState);
    /// @notice Thrown when the engine proposes a state that only contract logic reaches.
    error StateNotProposable(bytes32 settlementId, uint8 toState);
    /// @notice Thrown when not every party is cleared.
    error GateClosed(bytes32 settlementId);
    /// @notice Thrown when deposits would open without an anchored decision.
    error ZeroDecisionDigest(bytes32 settlementId);
    /// @notice Thrown when a timeout or a refund comes before `dueAt` (unix seconds).
    error TimeoutNotDue(bytes32 settlementId, uint256 dueAt);
    /// @notice Thrown when execution is asked for before every leg of this chain is in.
    error LegsMissing(bytes32 settlementId, uint256 depositedBits, uint256 homeLegBits);
    /// @notice Thrown when execution is asked for before every other chain of the settlement has voted PREPARED.
    error VotesMissing(bytes32 settlementId, uint256 preparedBits, uint256 remoteChainBits);

    /// @notice Creates a settlement: emits INSTRUCTED and enters COMPLIANCE_CHECKING. Needs CREATOR_ROLE, so that nobody can squat an id.
    function createSettlement(CreateParams calldata terms) external;

    /// @notice Proposes a state. Needs ENGINE_ROLE and reaches only COMPLIANCE_CLEARED, AWAITING_DEPOSITS and ROLLED_BACK.
    /// @param evidenceHash Into AWAITING_DEPOSITS the digest of the decision set, which must not be zero; else free.
    function transition(bytes32 settlementId, uint8 targetState, bytes32 evidenceHash) external;

    /// @notice COMPLIANCE_CHECKING to COMPLIANCE_CLEARED to AWAITING_DEPOSITS in one transaction, asking the gate once. Needs ENGINE_ROLE.
    /// @param decisionDigest SHA-256 of the canonical decision set; must not be zero.
    function advance(bytes32 settlementId, bytes32 decisionDigest) external;

    /// @notice Ends a settlement that is not decided by its deadline. Anybody may call it.
    /// @dev Due from the deadline on; when every leg of this chain is in, only from `messageGrace` seconds later, because then votes of other
    /// chains may be on their way, and anybody can still execute.
    function timeout(bytes32 settlementId) external;

    /// @notice Pays out the legs of this chain once every leg everywhere is in. Anybody may call it; needed when a vote, not a deposit, was
    /// last, or when the last deposit did not do it.
    /// @param openings One for each leg, opening its payee; zeroes for legs on other chains.
    function execute(CreateParams calldata terms, Opening[] calldata openings) external;

    /// @notice Connects a chain, once. Only the configurator, before the freeze.
    /// @param chainId EVM chain id.
    /// @param endpointId LayerZero's id of that chain's endpoint.
    /// @param gateway The gate of `escrow` there, and the peer of this contract.
    /// @param escrow Where legs on that chain live.
    function connect(uint64 chainId, uint32 endpointId, address gateway, address escrow) external;

    /// @notice Sends OPEN: deposits may begin on that chain. Anybody, as often as needed, while deposits are open; the value pays the fee, what
    /// is too much comes back.
    function sendOpen(CreateParams calldata terms, uint64 chainId) external payable;

    /// @notice Sends the decision, EXECUTE or ROLLBACK, to a chain of the settlement. Anybody, for ever; value as for {sendOpen}.
    function sendDecision(bytes32 settlementId, uint64 chainId) external payable;

    /// @notice Native fee of {sendOpen}, in wei.
    function quoteOpen(CreateParams calldata terms, uint64 chainId) external view returns (uint256 nativeFee);

    /// @notice Native fee of {sendDecision}, in wei.
    function quoteDecision(bytes32 settlementId, uint64 chainId) external view returns (uint256 nativeFee);

    /// @notice A connected chain; reverts with {ChainNotConnected}.
    /// @param index Its bit in {Settlement.remoteChainBits}.
    function remoteChain(uint64 chainId)
        external
        view
        returns (uint32 endpointId, address gateway, address escrow, uint8 index);

    /// @notice How many chains are connected.
    function remoteChainCount() external view returns (uint256);

    /// @notice Stops creation and deposits, nothing else. Needs PAUSER_ROLE.
    function pause() external;

    /// @notice Lifts a pause. Needs DEFAULT_ADMIN_ROLE.
    function unpause() external;

    /// @notice State index of a settlement; reverts with {UnknownSettlement}.
    function stateOf(bytes32 settlementId) external view returns (uint8);

    /// @notice Whether the id is taken.
    function exists(bytes32 settlementId) external view returns (bool);

    /// @notice Everything stored about a settlement; reverts with {UnknownSettlement}.
    function settlementOf(bytes32 settlementId) external view returns (Settlement memory);

    /// @notice The hash under which deposits are made: keccak256(abi.encode(uint8 1, address coordinator, uint64 chainId, terms)).
    function hashTerms(CreateParams calldata terms) external view returns (bytes32);

    /// @notice Bit j is set when the state machine has an edge from `fromState` to state j.
    function targetsOf(uint8 fromState) external pure returns (uint8);
}
