// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ILayerZeroEndpointV2 } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { Gateway } from "../../src/Gateway.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { RemoteSettlement } from "../../src/types/SettlementTypes.sol";
import { CHEATS, deliveryOf, NamedEndpoint, NamedEscrow, SYMBOLIC } from "./Symbolic.sol";

/// @title One step of the real gateway, from any storage whatever, by any caller, at any time.
/// @dev Phases: 0 none, 1 open, 2 prepared, 3 execute decided, 4 executed, 5 rolled back.
contract GatewayProof {
    address private constant COORDINATOR = address(0xc00);
    uint32 private constant HOME_EID = 30_101;
    uint256 private constant RELEASE_DELAY = 30 days;

    Gateway private gateway;
    NamedEscrow private escrow;
    NamedEndpoint private endpoint;

    function setUp() external {
        endpoint = new NamedEndpoint();
        escrow = new NamedEscrow(COORDINATOR, 1_000_000);
        gateway = new Gateway(
            IKeystoneEscrow(address(escrow)),
            ILayerZeroEndpointV2(address(endpoint)),
            Gateway.Home(COORDINATOR, 1_000_000, HOME_EID),
            address(1),
            address(2)
        );
        SYMBOLIC.enableSymbolicStorage(address(gateway));
    }

    /// @notice A deposit counts once, in time, while open, under the terms of OPEN; with the last one the chain is PREPARED.
    function check_DepositKeepsThePromises(bytes32 id, bytes32 termsHash, uint256 leg, address caller, uint64 time)
        external
    {
        CHEATS.assume(leg < 8);
        RemoteSettlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        bool executes = gateway.recordDeposit(id, termsHash, leg);
        RemoteSettlement memory afterwards = gateway.statusOf(id);
        assert(!executes && caller == address(escrow) && termsHash == before.termsHash);
        assert(before.phase == 1 && time < before.deadline && (before.depositedBits >> leg) & 1 == 0);
        assert(afterwards.depositedBits == before.depositedBits | uint8(1 << leg));
        assert(afterwards.phase == (afterwards.depositedBits == before.legBits ? 2 : 1));
        _requireSameFrame(before, afterwards);
        assert(afterwards.refundedBits == before.refundedBits);
    }

    /// @notice Legs are paid out once, and only after EXECUTE was received.
    function check_ExecutionKeepsThePromises(bytes32 id, bytes32 termsHash, address caller, uint64 time) external {
        RemoteSettlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        gateway.beginExecution(id, termsHash);
        RemoteSettlement memory afterwards = gateway.statusOf(id);
        assert(caller == address(escrow) && termsHash == before.termsHash);
        assert(before.phase == 3 && afterwards.phase == 4);
        _requireSameFrame(before, afterwards);
        _requireSameMoney(before, afterwards);
    }

    /// @notice Legs go back after ROLLBACK, or from the deadline on while one is missing; never once PREPARED, never twice.
    function check_RefundKeepsThePromises(bytes32 id, bytes32 termsHash, uint256 wanted, address caller, uint64 time)
        external
    {
        RemoteSettlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        uint256 legs = gateway.claimRefund(id, termsHash, wanted);
        RemoteSettlement memory afterwards = gateway.statusOf(id);
        assert(caller == address(escrow) && termsHash == before.termsHash && afterwards.phase == 5);
        assert(before.phase == 5 || (before.phase == 1 && time >= before.deadline));
        assert(legs != 0 && legs & ~uint256(before.depositedBits) == 0 && legs & before.refundedBits == 0);
        assert(afterwards.refundedBits == before.refundedBits | uint8(legs));
        assert(afterwards.depositedBits == before.depositedBits);
        _requireSameFrame(before, afterwards);
    }

    /// @notice Everybody's consent counts only while PREPARED and undecided, and 30 days after the deadline.
    function check_ReleaseKeepsThePromises(bytes32 id, bytes32 termsHash, uint8 outcome, address caller, uint64 time)
        external
    {
        RemoteSettlement memory before = _begin(id, time);
        CHEATS.prank(caller);
        gateway.claimRelease(id, termsHash, outcome);
        RemoteSettlement memory afterwards = gateway.statusOf(id);
        assert(caller == address(escrow) && termsHash == before.termsHash && before.phase == 2);
        assert(uint256(time) >= uint256(before.deadline) + RELEASE_DELAY);
        assert(afterwards.phase == (outcome == 1 ? 4 : 5));
        assert(afterwards.refundedBits == (outcome == 1 ? before.refundedBits : before.depositedBits));
        _requireSameFrame(before, afterwards);
    }

    /// @notice OPEN opens what is unknown, once; after a rollback it opens nothing.
    function check_OpenKeepsThePromises(
        bytes32 id,
        bytes32 termsHash,
        uint64 deadline,
        uint8 legBits,
        uint32 endpointId,
        bytes32 sender,
        address caller,
        uint64 time
    ) external {
        RemoteSettlement memory before = _begin(id, time);
        _deliver(abi.encode(uint8(1), uint8(1), id, termsHash, deadline, legBits), endpointId, sender, caller);
        RemoteSettlement memory afterwards = gateway.statusOf(id);
        if (before.phase == 0) {
            assert(afterwards.phase == 1 && afterwards.termsHash == termsHash);
            assert(afterwards.deadline == deadline && afterwards.legBits == legBits);
        } else {
            assert(afterwards.phase == before.phase);
            _requireSameFrame(before, afterwards);
        }
        _requireSameMoney(before, afterwards);
    }

    /// @notice EXECUTE moves PREPARED alone, and ROLLBACK whatever is undecided: whichever comes first, the other changes nothing any more.
    function check_DecisionsKeepThePromises(
        bytes32 id,
        bool isExecute,
        uint32 endpointId,
        bytes32 sender,
        address caller,
        uint64 time
    ) external {
        RemoteSettlement memory before = _begin(id, time);
        _deliver(abi.encode(uint8(1), uint8(isExecute ? 3 : 4), id), endpointId, sender, caller);
        RemoteSettlement memory afterwards = gateway.statusOf(id);
        uint8 expected = before.phase;
        if (isExecute && before.phase == 2) expected = 3;
        if (!isExecute && before.phase <= 2) expected = 5;
        assert(afterwards.phase == expected);
        _requireSameFrame(before, afterwards);
        _requireSameMoney(before, afterwards);
    }

    function _begin(bytes32 id, uint64 time) private returns (RemoteSettlement memory before) {
        CHEATS.warp(time);
        before = gateway.statusOf(id);
        CHEATS.assume(before.phase <= 5);
        CHEATS.assume(before.deadline < type(uint40).max);
    }

    function _deliver(bytes memory message, uint32 endpointId, bytes32 sender, address caller) private {
        CHEATS.prank(caller);
        (bool success,) = address(gateway).call(deliveryOf(message, endpointId, sender));
        CHEATS.assume(success);
        assert(caller == address(endpoint));
        assert(endpointId == HOME_EID && sender == bytes32(uint256(uint160(COORDINATOR))));
    }

    function _requireSameFrame(RemoteSettlement memory a, RemoteSettlement memory b) private pure {
        assert(a.termsHash == b.termsHash && a.deadline == b.deadline && a.legBits == b.legBits);
    }

    function _requireSameMoney(RemoteSettlement memory a, RemoteSettlement memory b) private pure {
        assert(a.depositedBits == b.depositedBits && a.refundedBits == b.refundedBits);
    }
}
