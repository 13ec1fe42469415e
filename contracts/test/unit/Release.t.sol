// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IERC1271 } from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { IGateway } from "../../src/interfaces/IGateway.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { MessageCodec, MessageKind } from "../../src/messaging/MessageCodec.sol";
import { RELEASE_DELAY } from "../../src/types/Limits.sol";
import {
    CreateParams,
    Opening,
    ReleaseOutcome,
    RemotePhase,
    RollbackReason
} from "../../src/types/SettlementTypes.sol";
import { CrossChainTest } from "../crosschain/CrossChainTest.sol";
import { HookToken } from "../mocks/WeirdTokens.sol";

/// @dev A wallet that signs by saying so.
contract ContractWallet is IERC1271 {
    bytes32 public agreedTo;

    function agree(bytes32 digest) external {
        agreedTo = digest;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return digest == agreedTo ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @title The way out when messaging has died for good; see release.tree.
contract ReleaseTest is CrossChainTest {
    bytes private kept;

    function test_Pay_AsAllPartiesSigned() external {
        prepareAndWait(remoteDvp(1));
        bytes[] memory signatures = signed(ReleaseOutcome.PAY);
        vm.expectEmit(address(gateway));
        emit IGateway.CooperativeRelease(terms().settlementId, ReleaseOutcome.PAY);
        release(ReleaseOutcome.PAY, signatures);
        assertEq(remoteBond.balanceOf(remoteBuyer.wallet), BOND_AMOUNT);
        assertEq(remoteCash.balanceOf(remoteSeller.wallet), CASH_AMOUNT);
        assertEq(phaseOf(terms()), RemotePhase.EXECUTED);
        expectReleased();
        sendVote(terms());
    }

    function test_Refund_AsAllPartiesSigned() external {
        prepareAndWait(remoteDvp(1));
        bytes[] memory signatures = signed(ReleaseOutcome.REFUND);
        vm.expectEmit(address(gateway));
        emit IGateway.RemoteRolledBack(terms().settlementId, RollbackReason.COOPERATIVE);
        release(ReleaseOutcome.REFUND, signatures);
        assertEq(remoteBond.balanceOf(remoteSeller.wallet), BOND_AMOUNT);
        assertEq(remoteCash.balanceOf(remoteBuyer.wallet), CASH_AMOUNT);
        assertEq(phaseOf(terms()), RemotePhase.ROLLED_BACK);
        expectReleased();
    }

    function test_OnlyThePartiesOfThisChainsLegsSign() external {
        prepareAndWait(crossDvp(1));
        bytes32 digest = digestOf(ReleaseOutcome.PAY);
        bytes[] memory signatures = new bytes[](2);
        signatures[0] = sign("buyer there", digest);
        signatures[1] = sign("seller there", digest);
        release(ReleaseOutcome.PAY, signatures);
        assertEq(remoteCash.balanceOf(remoteSeller.wallet), CASH_AMOUNT);
    }

    function test_AContractWallet_SignsByErc1271() external {
        ContractWallet wallet = new ContractWallet();
        remoteBuyer = Opening(remoteBuyer.participantId, address(wallet));
        know(remoteBuyer);
        prepareAndWait(crossDvp(1));
        bytes32 digest = digestOf(ReleaseOutcome.REFUND);
        bytes[] memory signatures = new bytes[](2);
        signatures[1] = sign("seller there", digest);
        expectRefusal(
            ReleaseOutcome.REFUND,
            signatures,
            abi.encodeWithSelector(IKeystoneEscrow.InvalidReleaseSignature.selector, address(wallet))
        );
        wallet.agree(digest);
        release(ReleaseOutcome.REFUND, signatures);
        assertEq(remoteCash.balanceOf(address(wallet)), CASH_AMOUNT);
    }

    function test_RevertGiven_ThirtyDaysHaveNotPassed_OrADecisionCame_OrNothingIsPrepared() external {
        keep(remoteDvp(1));
        openEverywhere(terms());
        deposit(terms(), 0);
        vm.warp(terms().deadline - 1);
        onChain(REMOTE_CHAIN);
        expectUnavailable(RemotePhase.OPEN, 0);
        deposit(terms(), 1);
        uint256 availableAt = terms().deadline + RELEASE_DELAY;
        vm.warp(availableAt - 1);
        expectUnavailable(RemotePhase.PREPARED, availableAt);
        uint256 snapshot = vm.snapshotState();
        receiveThere(MessageCodec.encode(MessageKind.EXECUTE, terms().settlementId));
        vm.warp(availableAt);
        expectUnavailable(RemotePhase.EXECUTE_DECIDED, 0);
        executeThere(terms());
        expectUnavailable(RemotePhase.EXECUTED, 0);
        vm.revertToState(snapshot);
        vm.warp(availableAt);
        release(ReleaseOutcome.PAY, signed(ReleaseOutcome.PAY));
    }

    function test_RevertWhen_ASignatureIsMissing_OfSomebodyElse_OfOtherWords_OrOfAnotherChain() external {
        prepareAndWait(remoteDvp(1));
        bytes[] memory sound = signed(ReleaseOutcome.PAY);
        bytes[] memory one = new bytes[](1);
        one[0] = sound[0];
        expectRefusal(
            ReleaseOutcome.PAY, one, abi.encodeWithSelector(IKeystoneEscrow.InvalidSignatureCount.selector, 1, 2)
        );
        expectRefusal(
            ReleaseOutcome.REFUND,
            sound,
            abi.encodeWithSelector(IKeystoneEscrow.InvalidReleaseSignature.selector, remoteSeller.wallet)
        );
        (sound[0], sound[1]) = (sound[1], sound[0]);
        expectRefusal(
            ReleaseOutcome.PAY,
            sound,
            abi.encodeWithSelector(IKeystoneEscrow.InvalidReleaseSignature.selector, remoteSeller.wallet)
        );
        (sound[0], sound[1]) = (sound[1], sound[0]);
        onChain(99);
        expectRefusal(
            ReleaseOutcome.PAY,
            sound,
            abi.encodeWithSelector(IKeystoneEscrow.InvalidReleaseSignature.selector, remoteSeller.wallet)
        );
        onChain(REMOTE_CHAIN);
        for (uint8 outcome; outcome < 4; outcome += 3) {
            expectRefusal(outcome, sound, abi.encodeWithSelector(IKeystoneEscrow.InvalidOutcome.selector, outcome));
        }
    }

    function test_RevertWhen_OpeningsOrTermsAreOthers() external {
        prepareAndWait(remoteDvp(1));
        bytes[] memory signatures = signed(ReleaseOutcome.PAY);
        Opening[] memory payers = payersOf(terms());
        Opening[] memory payees = payeesOf(terms());
        payees[0] = Opening(payees[0].participantId, stranger);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 0, BUYER_THERE));
        remoteEscrow.release(terms(), payers, payees, ReleaseOutcome.PAY, signatures);
        payees = payeesOf(terms());
        payers[1] = Opening(payers[1].participantId, stranger);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.OpeningMismatch.selector, 1, BUYER_THERE));
        remoteEscrow.release(terms(), payers, payees, ReleaseOutcome.PAY, signatures);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.InvalidOpeningCount.selector, 1, 2));
        remoteEscrow.release(terms(), new Opening[](1), payees, ReleaseOutcome.PAY, signatures);
        vm.expectRevert(abi.encodeWithSelector(IKeystoneEscrow.InvalidOpeningCount.selector, 0, 2));
        remoteEscrow.release(terms(), payers, new Opening[](0), ReleaseOutcome.PAY, signatures);

        CreateParams memory other = terms();
        bytes32 stored = coordinator.hashTerms(terms());
        other.legs[0].amount += 1;
        bytes32 actual = coordinator.hashTerms(other);
        payers = payersOf(terms());
        vm.expectRevert(abi.encodeWithSelector(IGate.TermsMismatch.selector, other.settlementId, stored, actual));
        remoteEscrow.release(other, payers, payees, ReleaseOutcome.PAY, signatures);
    }

    function test_RevertWhen_ASignatureIsOfAnotherSettlement() external {
        prepareAndWait(remoteDvp(1));
        bytes[] memory signatures = signed(ReleaseOutcome.PAY);
        vm.warp(1_760_000_000);
        onChain(homeChain);
        prepareAndWait(remoteDvp(2));
        expectRefusal(
            ReleaseOutcome.PAY,
            signatures,
            abi.encodeWithSelector(IKeystoneEscrow.InvalidReleaseSignature.selector, remoteSeller.wallet)
        );
    }

    function test_WhileAnotherEntryMovesTokens_NothingIsReleased() external {
        HookToken token = new HookToken();
        CreateParams memory other = remoteDvp(2);
        other.legs[0].token = address(token);
        prepareAndWait(remoteDvp(1));
        bytes memory call = abi.encodeCall(
            remoteEscrow.release,
            (terms(), payersOf(terms()), payeesOf(terms()), ReleaseOutcome.PAY, signed(ReleaseOutcome.PAY))
        );
        onChain(homeChain);
        other.deadline = uint64(block.timestamp) + LIFETIME;
        openEverywhere(other);
        onChain(REMOTE_CHAIN);
        fund(other, 0);
        token.callOut(remoteSeller.wallet, address(remoteEscrow), call);
        pay(other, 0);
        assertEq(token.calls(), 1);
        assertFalse(token.anySucceeded());
        (bool released,) = address(remoteEscrow).call(call);
        assertTrue(released, "nothing else was wrong with it");
    }

    function test_AtHome_ThereIsNothingToRelease() external {
        CreateParams memory home = dvp(1);
        Opening[2] memory parties = [seller, buyer];
        home.partyHashes = new bytes32[](4);
        for (uint256 i; i < 2; ++i) {
            home.partyHashes[2 * i] = entityHash(parties[i]);
            home.partyHashes[2 * i + 1] = partyHash(parties[i]);
        }
        open(home);
        vm.warp(home.deadline + RELEASE_DELAY);
        Opening[] memory payers = payersOf(home);
        Opening[] memory payees = payeesOf(home);
        vm.expectRevert(abi.encodeWithSelector(IGate.ReleaseNotAvailable.selector, home.settlementId, 3, 0));
        escrow.release(home, payers, payees, ReleaseOutcome.REFUND, new bytes[](2));
        vm.expectRevert(abi.encodeWithSelector(IGate.CallerNotEscrow.selector, address(this)));
        coordinator.claimRelease(home.settlementId, 0, 1);
    }

    function keep(CreateParams memory new_) private {
        kept = abi.encode(new_);
    }

    function terms() private view returns (CreateParams memory) {
        return abi.decode(kept, (CreateParams));
    }

    function prepareAndWait(CreateParams memory new_) private {
        keep(new_);
        openEverywhere(new_);
        for (uint256 i; i < new_.legs.length; ++i) {
            if (new_.legs[i].chainId == REMOTE_CHAIN) deposit(new_, i);
        }
        vm.warp(new_.deadline + RELEASE_DELAY);
        onChain(REMOTE_CHAIN);
    }

    /// @dev Once released, no decision, release or refund does anything.
    function expectReleased() private {
        uint8 phase = phaseOf(terms());
        for (uint8 kind = MessageKind.EXECUTE; kind <= MessageKind.ROLLBACK; ++kind) {
            vm.expectEmit(address(gateway));
            emit IGateway.MessageIgnored(terms().settlementId, kind);
            receiveThere(MessageCodec.encode(kind, terms().settlementId));
        }
        assertEq(phaseOf(terms()), phase);
        expectUnavailable(phase, 0);
        Opening[] memory payers = payersOf(terms());
        vm.expectRevert();
        remoteEscrow.refund(terms(), payers);
        Opening[] memory payees = payeesOf(terms());
        vm.expectRevert();
        remoteEscrow.execute(terms(), payees);
    }

    function expectUnavailable(uint8 phase, uint256 availableAt) private {
        expectRefusal(
            ReleaseOutcome.PAY,
            new bytes[](2),
            abi.encodeWithSelector(IGate.ReleaseNotAvailable.selector, terms().settlementId, phase, availableAt)
        );
    }

    function expectRefusal(uint8 outcome, bytes[] memory signatures, bytes memory reason) private {
        Opening[] memory payers = payersOf(terms());
        Opening[] memory payees = payeesOf(terms());
        vm.expectRevert(reason);
        remoteEscrow.release(terms(), payers, payees, outcome, signatures);
    }

    function release(uint8 outcome, bytes[] memory signatures) private {
        Opening[] memory payers = payersOf(terms());
        Opening[] memory payees = payeesOf(terms());
        vm.prank(stranger);
        remoteEscrow.release(terms(), payers, payees, outcome, signatures);
    }

    /// @dev Of {remoteDvp}: the seller pays first, so it comes first.
    function signed(uint8 outcome) private returns (bytes[] memory signatures) {
        bytes32 digest = digestOf(outcome);
        signatures = new bytes[](2);
        signatures[0] = sign("seller there", digest);
        signatures[1] = sign("buyer there", digest);
    }

    function sign(string memory name, bytes32 digest) private returns (bytes memory) {
        (, uint256 key) = makeAddrAndKey(name);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Written out from EIP-712, not taken from the contract.
    function digestOf(uint8 outcome) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("KeystoneEscrow"),
                keccak256("1"),
                uint256(REMOTE_CHAIN),
                address(remoteEscrow)
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Release(bytes32 settlementId,bytes32 termsHash,uint8 outcome)"),
                terms().settlementId,
                coordinator.hashTerms(terms()),
                outcome
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, message));
    }
}
