// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Attestation, ComplianceStatus, CreateParams } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";

/// @title What the steps of a trade cost, as whole transactions, against committed numbers.
/// @dev Two legs, four party hashes, tokens without surprises, a pool that is not empty, recipients that held the token before; approvals not
/// counted. `FORGE_SNAPSHOT_EMIT=true forge test --match-contract GasTest` writes the numbers anew.
contract GasTest is KeystoneTest {
    string private constant COMMITTED = "snapshots/settlement.json";
    uint256 private constant TOLERANCE_PERCENT = 2;

    function setUp() public override {
        super.setUp();
        bond.mint(address(escrow), 1);
        cash.mint(address(escrow), 1);
        bond.mint(buyer.wallet, 1);
        cash.mint(seller.wallet, 1);
        bond.mint(seller.wallet, 1);
        cash.mint(buyer.wallet, 1);
    }

    function testsArtifacts() internal pure override returns (bool) {
        return true;
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
        record("create");
        vm.prank(attester);
        registry.attestBatch(batch);
        record("attestBatch of 4");
        vm.prank(engine);
        coordinator.advance(terms.settlementId, DIGEST);
        record("advance");
        fund(terms, 0);
        fund(terms, 1);
        vm.prank(seller.wallet);
        escrow.depositLeg(terms, 0, seller, buyer, termsHash);
        record("deposit");
        vm.prank(buyer.wallet);
        escrow.depositLeg(terms, 1, buyer, seller, termsHash);
        record("last deposit and execution");
    }

    function test_Gas_OfAFailedSettlement() external {
        CreateParams memory terms = dvp(1);
        open(terms);
        deposit(terms, 0);
        vm.warp(terms.deadline);
        uint256 snapshot = vm.snapshotState();
        coordinator.timeout(terms.settlementId);
        record("timeout");
        vm.revertToState(snapshot);
        escrow.refund(terms, payersOf(terms));
        record("timeout and refund of one leg");
    }

    function test_Gas_OfTheSingleSteps() external {
        CreateParams memory terms = dvp(1);
        create(terms);
        vm.prank(attester);
        registry.attest(terms.settlementId, terms.partyHashes[0], ComplianceStatus.Pass, keccak256("ref"));
        record("attest");
        attestAll(terms, ComplianceStatus.Pass);
        vm.prank(engine);
        coordinator.transition(terms.settlementId, 2, 0);
        record("transition");
    }

    function record(string memory name) private {
        uint256 gasUsed = vm.lastCallGas().gasTotalUsed;
        vm.snapshotGasLastCall("settlement", name);
        if (vm.envOr("FORGE_SNAPSHOT_EMIT", false)) return;
        uint256 committed = vm.parseJsonUint(vm.readFile(COMMITTED), string.concat("$['", name, "']"));
        uint256 drift = gasUsed > committed ? gasUsed - committed : committed - gasUsed;
        assertLe(drift * 100, committed * TOLERANCE_PERCENT, name);
    }
}
