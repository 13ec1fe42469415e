// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { SettlementState } from "../types/SettlementTypes.sol";

/// @title The state machine as data: which states follow which, and which of them the engine may propose.
library TransitionRules {
    /// @dev All edges, eight bits for each state they leave from, INSTRUCTED in the lowest byte:
    /// 0: 1 6 7 | 1: 2 6 7 | 2: 3 6 7 | 3: 4 6 7 | 4: 5 | 5, 6, 7: none.
    /// The lifecycle's own table: a settlement leaves 0 within the creating transaction, so 0 to 6 and 7 happen only before it is here.
    uint64 private constant EDGES = 0x00_00_00_20_D0_C8_C4_C2;
    /// @dev The states that the engine may propose: 2, 3 and 6.
    uint256 private constant PROPOSABLE = 0x4C;

    /// @notice Bit j is set when there is an edge from `fromState` to state j.
    function targetsOf(uint8 fromState) internal pure returns (uint8) {
        return fromState > SettlementState.TIMED_OUT ? 0 : uint8(EDGES >> (8 * fromState));
    }

    /// @notice Whether there is an edge.
    function isEdge(uint8 fromState, uint8 toState) internal pure returns (bool) {
        return (targetsOf(fromState) >> toState) & 1 != 0;
    }

    /// @notice Whether the engine may propose the state. All others are reached by contract logic alone.
    function isProposable(uint8 state) internal pure returns (bool) {
        return (PROPOSABLE >> state) & 1 != 0;
    }
}
