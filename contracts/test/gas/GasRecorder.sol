// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { KeystoneTest } from "../KeystoneTest.sol";

/// @title Measures whole transactions against committed numbers.
/// @dev `FORGE_SNAPSHOT_EMIT=true forge test --match-path 'test/gas/*'` writes the numbers anew. Always the deployed bytes (contracts/build.ts).
abstract contract GasRecorder is KeystoneTest {
    uint256 private constant TOLERANCE_PERCENT = 2;

    function testsArtifacts() internal pure virtual override returns (bool) {
        return true;
    }

    /// @dev The last call, as a transaction of its own.
    function recordGas(string memory group, string memory name) internal {
        record(group, name, vm.lastCallGas().gasTotalUsed);
    }

    /// @dev The last call without what any transaction costs: the base fee of 21,000 and its calldata.
    function recordInner(string memory group, string memory name, bytes memory call) internal {
        uint256 intrinsic = 21_000;
        for (uint256 i; i < call.length; ++i) {
            intrinsic += call[i] == 0 ? 4 : 16;
        }
        record(group, name, vm.lastCallGas().gasTotalUsed - intrinsic);
    }

    function record(string memory group, string memory name, uint256 gasUsed) private {
        vm.snapshotValue(group, name, gasUsed);
        if (vm.envOr("FORGE_SNAPSHOT_EMIT", false)) return;
        string memory path = string.concat("snapshots/", group, ".json");
        uint256 committed = vm.parseJsonUint(vm.readFile(path), string.concat("$['", name, "']"));
        uint256 drift = gasUsed > committed ? gasUsed - committed : committed - gasUsed;
        assertLe(drift * 100, committed * TOLERANCE_PERCENT, name);
    }
}
