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

    address[] private attesters;
    /// @dev When each attester has last spoken about the settlement at hand.
    uint256[MAX_ATTESTERS] private dates;

    function test_EveryCombination_UnderEveryThreshold() external {
        for (uint160 i; i < MAX_ATTESTERS; ++i) {
            attesters.push(address(0xA0000 + i));
        }
        for (uint8 threshold = 1; threshold <= MAX_ATTESTERS; ++threshold) {
            IComplianceRegistry.AttesterSet memory set = IComplianceRegistry.AttesterSet(attesters, threshold);
            vm.prank(admin);
            bytes32 setId = registry.registerAttesterSet(set);
            vm.warp(block.timestamp + SET_DELAY);
            for (uint256 first; first < COMBINATIONS; first += MAX_PARTIES) {
                // Odd and even dates by turns, so that a bit that is left over, or taken from a neighbour, shows.
                vm.warp(block.timestamp + 1 + (first / MAX_PARTIES) % 2);
                bytes32 id = created(threshold * COMBINATIONS + first, setId);
                delete dates;
                for (uint256 i; i < MAX_ATTESTERS; ++i) {
                    say(id, first, i, 0);
                }
                expectWords(id, first, threshold, 0);
                for (uint256 i; i < MAX_ATTESTERS; i += 2) {
                    say(id, first, i, 1);
                }
                expectWords(id, first, threshold, 1);
            }
        }
    }

    /// @dev What the attester at `position` says in the combination; those at even positions say the next word in a second round.
    function wordOf(uint256 combination, uint256 position, uint256 round) private pure returns (uint8) {
        uint256 word = (combination / STATUSES ** position) % STATUSES;
        if (round == 0 || word == 0 || position % 2 != 0) return uint8(word);
        return uint8(word % (STATUSES - 1) + 1);
    }

    function say(bytes32 id, uint256 first, uint256 position, uint256 round) private {
        dates[position] = block.timestamp + 1;
        vm.warp(dates[position]);
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
        vm.prank(attesters[position]);
        registry.attestBatch(all);
    }

    function expectWords(bytes32 id, uint256 first, uint8 threshold, uint256 round) private view {
        uint256 clearedParties;
        for (uint256 i; i < MAX_PARTIES; ++i) {
            bool cleared = expectWordsAbout(id, first + i, threshold, round);
            assertEq(registry.isCleared(id, partyOf(first + i)), cleared);
            if (cleared) ++clearedParties;
        }
        (, uint256 counted) = registry.partyCounts(id);
        assertEq(counted, clearedParties);
    }

    function expectWordsAbout(bytes32 id, uint256 combination, uint8 threshold, uint256 round)
        private
        view
        returns (bool cleared)
    {
        uint256 passes;
        bool other;
        for (uint256 position; position < MAX_ATTESTERS; ++position) {
            uint8 word = wordOf(combination, position, round);
            (ComplianceStatus status, uint40 issuedAt) =
                registry.latestOf(id, partyOf(combination), attesters[position]);
            assertEq(uint8(status), word);
            assertEq(issuedAt, word == 0 ? 0 : dates[position]);
            if (word == 1) ++passes;
            else if (word != 0) other = true;
        }
        return passes >= threshold && !other;
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
}
