// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Attestation, ComplianceStatus, CreateParams } from "../../src/types/SettlementTypes.sol";
import { GasRecorder } from "./GasRecorder.sol";

/// @title What the steps of a trade on one chain cost.
/// @dev Two legs, four party hashes, tokens without surprises, a pool that is not empty, recipients that held the token before; approvals not
/// counted.
contract GasTest is GasRecorder {
    string private constant GROUP = "settlement";

    function setUp() public override {
        super.setUp();
        bond.mint(address(escrow), 1);
        cash.mint(address(escrow), 1);
        bond.mint(buyer.wallet, 1);
        cash.mint(seller.wallet, 1);
        bond.mint(seller.wallet, 1);
        cash.mint(buyer.wallet, 1);
    }

    function test_Gas_OfASettlement() external {
        CreateParams memory terms = dvp(1);
        bytes32 termsHash = coordinator.hashTerms(terms);
        Attestation[] memory batch = new Attestation[](4);
        for (uint256 i; i < 4; ++i) {
            batch[i] = Attestation(terms.settlementId, terms.partyHashes[i], ComplianceStatus.Pass, keccak256("ref"));
        }

        vm.prank(creator);
        coordinator.createSettlement(terms);
        recordGas(GROUP, "create");
        vm.prank(attester);
        registry.attestBatch(batch);
        recordGas(GROUP, "attestBatch of 4");
        vm.prank(engine);
        coordinator.advance(terms.settlementId, DIGEST);
        recordGas(GROUP, "advance");
        fund(terms, 0);
        fund(terms, 1);
        vm.prank(seller.wallet);
        escrow.depositLeg(terms, 0, seller, buyer, termsHash);
        recordGas(GROUP, "deposit");
        vm.prank(buyer.wallet);
        escrow.depositLeg(terms, 1, buyer, seller, termsHash);
        recordGas(GROUP, "last deposit and execution");
    }

    function test_Gas_OfAFailedSettlement() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        vm.warp(terms.deadline);
        uint256 snapshot = vm.snapshotState();
        coordinator.timeout(terms.settlementId);
        recordGas(GROUP, "timeout");
        vm.revertToState(snapshot);
        escrow.refund(terms, payersOf(terms));
        recordGas(GROUP, "timeout and refund of one leg");
    }

    function test_Gas_OfTheSingleSteps() external {
        CreateParams memory terms = dvp(1);
        create(terms);
        vm.prank(attester);
        registry.attest(terms.settlementId, terms.partyHashes[0], ComplianceStatus.Pass, keccak256("ref"));
        recordGas(GROUP, "attest");
        attestAll(terms, ComplianceStatus.Pass);
        vm.prank(engine);
        coordinator.transition(terms.settlementId, 2, 0);
        recordGas(GROUP, "transition");
    }
}
