// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IComplianceRegistry } from "../../src/interfaces/IComplianceRegistry.sol";
import { MAX_ATTESTERS, MAX_PARTIES } from "../../src/types/Limits.sol";
import { Attestation, ComplianceStatus, CreateParams } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";

/// @title Every combination of words that four attesters can have said about a party; see attester-words.tree.
contract AttesterWordsTest is KeystoneTest {
    uint256 private constant STATUSES = 4;
    uint256 private constant COMBINATIONS = STATUSES ** MAX_ATTESTERS;

    function test_EveryCombination_UnderEveryThreshold() external {
        for (uint8 threshold = 1; threshold <= MAX_ATTESTERS; ++threshold) {
            address[] memory attesters = fourAttesters(threshold);
            for (uint256 first; first < COMBINATIONS; first += MAX_PARTIES) {
                bytes32 id = created(threshold * COMBINATIONS + first, setId(attesters, threshold));
                for (uint256 i; i < attesters.length; ++i) {
                    // Odd and even dates, so that a bit that is left over, or taken from a neighbour, shows.
                    vm.warp(block.timestamp + 1);
                    say(id, attesters[i], first, i, 0);
                }
                expectWords(id, attesters, first, threshold, 0);
                for (uint256 i; i < attesters.length; i += 2) {
                    vm.warp(block.timestamp + 1);
                    say(id, attesters[i], first, i, 1);
                }
                expectWords(id, attesters, first, threshold, 1);
            }
        }
    }

    /// @dev What the attester at `position` says in the combination; those at even positions say the next word in a second round.
    function wordOf(uint256 combination, uint256 position, uint256 round) private pure returns (uint8) {
        uint256 word = (combination / STATUSES ** position) % STATUSES;
        if (round == 0 || word == 0 || position % 2 != 0) return uint8(word);
        return uint8(word % (STATUSES - 1) + 1);
    }

    function say(bytes32 id, address who, uint256 first, uint256 position, uint256 round) private {
        Attestation[] memory all = new Attestation[](MAX_PARTIES);
        uint256 count;
        for (uint256 i; i < MAX_PARTIES; ++i) {
            uint8 word = wordOf(first + i, position, round);
            if (word == 0) continue;
            all[count++] = Attestation(id, partyOf(first + i), ComplianceStatus(word), "ref");
        }
        if (count == 0) return;
        assembly ("memory-safe") {
            mstore(all, count)
        }
        vm.prank(who);
        registry.attestBatch(all);
    }

    function expectWords(bytes32 id, address[] memory attesters, uint256 first, uint8 threshold, uint256 round)
        private
        view
    {
        uint256 clearedParties;
        for (uint256 i; i < MAX_PARTIES; ++i) {
            uint256 passes;
            bool other;
            for (uint256 position; position < attesters.length; ++position) {
                uint8 word = wordOf(first + i, position, round);
                (ComplianceStatus status, uint40 issuedAt) =
                    registry.latestOf(id, partyOf(first + i), attesters[position]);
                assertEq(uint8(status), word);
                assertEq(issuedAt == 0, word == 0);
                if (word == 1) ++passes;
                else if (word != 0) other = true;
            }
            bool cleared = passes >= threshold && !other;
            assertEq(registry.isCleared(id, partyOf(first + i)), cleared);
            if (cleared) ++clearedParties;
        }
        (, uint256 counted) = registry.partyCounts(id);
        assertEq(counted, clearedParties);
    }

    function created(uint256 number, bytes32 set) private returns (bytes32) {
        CreateParams memory terms = dvp(number);
        terms.attesterSet = set;
        terms.partyHashes = new bytes32[](MAX_PARTIES);
        for (uint256 i; i < MAX_PARTIES; ++i) {
            terms.partyHashes[i] = partyOf(number % COMBINATIONS + i);
        }
        create(terms);
        return terms.settlementId;
    }

    function partyOf(uint256 combination) private pure returns (bytes32) {
        return keccak256(abi.encode("party", combination));
    }

    /// @dev Registered and usable.
    function fourAttesters(uint8 threshold) private returns (address[] memory attesters) {
        attesters = new address[](MAX_ATTESTERS);
        for (uint160 i; i < MAX_ATTESTERS; ++i) {
            attesters[i] = address(0xA0000 + i);
        }
        vm.prank(admin);
        registry.registerAttesterSet(IComplianceRegistry.AttesterSet(attesters, threshold));
        vm.warp(block.timestamp + SET_DELAY);
    }

    function setId(address[] memory attesters, uint8 threshold) private view returns (bytes32) {
        return registry.attesterSetId(IComplianceRegistry.AttesterSet(attesters, threshold));
    }
}
