// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Every bound of the contracts, in one place.
/// @dev The largest settlement pays MAX_LEGS * (1 + MAX_FEES) = 40 times. At GAS_PER_PAYOUT each, with the overhead, its last deposit
/// asks for less than the 16,777,216 gas that one transaction may use (EIP-7825); a test holds that.

/// @dev Legs of a settlement.
uint256 constant MAX_LEGS = 8;
/// @dev Fees of one leg.
uint256 constant MAX_FEES = 4;
/// @dev Party hashes of a settlement, entity checks included.
uint256 constant MAX_PARTIES = 32;
/// @dev Attesters of one set: their latest statuses about a party share one slot.
uint256 constant MAX_ATTESTERS = 4;
/// @dev Sets that one attester may belong to, so that disabling it stays one affordable transaction.
uint256 constant MAX_SETS_PER_ATTESTER = 32;
/// @dev Attestations of one batch.
uint256 constant MAX_BATCH = 128;
/// @dev Seconds between creation and deadline.
uint256 constant MAX_LIFETIME = 30 days;
/// @dev Largest amount of a leg: however many credits of one token a wallet collects, their sum cannot overflow and block a payout.
uint256 constant MAX_AMOUNT = type(uint128).max;
/// @dev Gas of one token transfer out of the escrow. Permissioned tokens with compliance modules need up to about 200k.
uint256 constant PAYOUT_GAS = 300_000;
/// @dev PAYOUT_GAS, its 1/63 that EIP-150 keeps back, a cold token, a fresh credit slot and two events.
uint256 constant GAS_PER_PAYOUT = PAYOUT_GAS + 45_000;
/// @dev What a deposit itself may spend before it executes: two party hashes opened, a permissioned token pulled in, the gate told.
uint256 constant DEPOSIT_GAS = 400_000;
/// @dev What an automatic execution spends outside the payouts: passing the terms on, four calls to the gate.
uint256 constant EXECUTION_OVERHEAD = 150_000;
/// @dev Gas of the question whether a token is an ERC-721.
uint256 constant INTERFACE_PROBE_GAS = 30_000;
/// @dev Chains that a coordinator can be connected to: each is one bit of a settlement's slot.
uint256 constant MAX_REMOTE_CHAINS = 16;
/// @dev Seconds after its deadline from which a prepared settlement on another chain follows the signatures of its parties. Longer than any
/// outage of messaging that a decision survives, so that signatures and a decision on its way do not compete.
uint256 constant RELEASE_DELAY = 30 days;
