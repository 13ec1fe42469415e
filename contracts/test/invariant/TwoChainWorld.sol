// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { KeystoneEscrow } from "../../src/KeystoneEscrow.sol";
import { KFUND } from "../../src/tokens/KFUND.sol";
import {
    ComplianceStatus,
    CreateParams,
    Fee,
    Leg,
    RemotePhase,
    Settlement,
    SettlementState,
    TokenStandard
} from "../../src/types/SettlementTypes.sol";
import { BlocklistToken, FeeToken, HookToken, TestNft } from "../mocks/WeirdTokens.sol";
import { TwoChainLedger } from "./TwoChainLedger.sol";

/// @title Two chains full of settlements, in honest and in awkward tokens, and what is due on them next.
abstract contract TwoChainWorld is TwoChainLedger {
    uint256 internal constant MAX_SETTLEMENTS = 14;
    bytes32 internal constant PARTITION = "class A";

    BlocklistToken internal blockableHere;
    BlocklistToken internal blockableThere;
    HookToken internal hookHere;
    HookToken internal hookThere;
    TestNft internal deed;
    KFUND internal fund_;
    FeeToken internal shrinking;

    function setUp() public virtual override {
        super.setUp();
        (blockableHere, blockableThere) = (new BlocklistToken(), new BlocklistToken());
        (hookHere, hookThere) = (new HookToken(), new HookToken());
        (deed, fund_, shrinking) = (new TestNft(), new KFUND(), new FeeToken());
        collect();
    }

    /// @notice Every token with the escrow that may hold it.
    function holdings() public view returns (address[2][9] memory) {
        (address here, address there) = (address(escrow), address(remoteEscrow));
        return [
            [here, address(bond)],
            [here, address(blockableHere)],
            [here, address(hookHere)],
            [here, address(deed)],
            [here, address(shrinking)],
            [there, address(remoteCash)],
            [there, address(blockableThere)],
            [there, address(hookThere)],
            [there, address(fund_)]
        ];
    }

    /// @dev New terms of one to three legs: all here, all there, or both, of which both is what matters most.
    function createOne(uint256 seed) internal returns (uint256 index) {
        uint256 shape = seed % 6;
        Leg[] memory legs = new Leg[](shape > 1 ? 2 + (seed >> 8) % 2 : 1 + (seed >> 8) % 3);
        for (uint256 i; i < legs.length; ++i) {
            // The number too: two settlements of one seed would both want to mint the same deed.
            uint256 word = uint256(keccak256(abi.encode(seed, i, count())));
            // Of two or more legs across chains, the first lives here and the second there.
            bool here = shape == 0 || (shape > 1 && (i == 0 || (i == 2 && word % 2 == 0)));
            legs[i] = here ? _legHere(word) : _legThere(word);
            if (legs[i].amount > 20 && word % 3 == 0) {
                legs[i].fees = new Fee[](1);
                legs[i].fees[0] = Fee(stranger, 1 + (word >> 16) % 9);
            }
        }
        CreateParams memory terms = crossTerms(count() + 1, legs);
        index = remember(terms);
        create(terms);
        note("created");
    }

    function _legHere(uint256 word) private view returns (Leg memory leg) {
        (uint8 payer, uint8 payee) = (word >> 8) % 2 == 0 ? (SELLER_HERE, BUYER_HERE) : (BUYER_HERE, SELLER_HERE);
        uint256 asset = (word >> 24) % 16;
        if (asset < 3) return nftLegOf(address(deed), uint128(word), payer, payee);
        uint256 amount = 21 + (word >> 32) % 1e24;
        if (asset == 3) return legOf(address(shrinking), 1000 + amount, payer, payee);
        if (asset < 8) return legOf(address(blockableHere), amount, payer, payee);
        return legOf(asset < 12 ? address(hookHere) : address(bond), amount, payer, payee);
    }

    function _legThere(uint256 word) private view returns (Leg memory leg) {
        (uint8 payer, uint8 payee) = (word >> 8) % 2 == 0 ? (SELLER_THERE, BUYER_THERE) : (BUYER_THERE, SELLER_THERE);
        uint256 asset = (word >> 24) % 16;
        uint256 amount = 21 + (word >> 32) % 1e24;
        if (asset < 4) {
            leg = remoteLegOf(address(fund_), amount, payer, payee);
            leg.tokenStandard = TokenStandard.ERC1400;
            leg.partition = PARTITION;
            return leg;
        }
        if (asset < 8) return remoteLegOf(address(blockableThere), amount, payer, payee);
        return remoteLegOf(asset < 12 ? address(hookThere) : address(remoteCash), amount, payer, payee);
    }

    function screenAndOpen(uint256 index) internal {
        CreateParams memory terms = recall(index);
        attestAll(terms, ComplianceStatus.Pass);
        advance(terms);
    }

    function isScreenable(uint256 index) internal view returns (bool) {
        Story storage entry = stories[ids[index]];
        return entry.state == SettlementState.COMPLIANCE_CHECKING && block.timestamp < entry.deadline;
    }

    /// @dev The next leg that its payer can pay in.
    function missingLeg(uint256 index) internal view returns (bool found, uint256 legIndex) {
        bytes32 id = ids[index];
        Story storage entry = stories[id];
        if (block.timestamp >= entry.deadline) return (false, 0);
        for (uint256 i; i < entry.legs; ++i) {
            LegBook storage book = books[id][i];
            bool isHere = book.escrow == address(escrow);
            bool isOpen = isHere ? entry.state == SettlementState.AWAITING_DEPOSITS : entry.phase == RemotePhase.OPEN;
            if (isOpen && book.deposited == 0 && book.token != address(shrinking)) return (true, i);
        }
    }

    /// @dev Pays one leg in. A blocked payer is let through for that moment, and blocked again before it could be paid by the other legs.
    function payIn(uint256 index, uint256 legIndex) internal {
        CreateParams memory terms = recall(index);
        Leg memory leg = terms.legs[legIndex];
        address payer = openingIn(terms, leg.payer).wallet;
        if (leg.token == address(fund_)) fund_.setLocked(payer, false);
        if (leg.token != address(blockableHere) && leg.token != address(blockableThere)) {
            bool frozen = deed.frozen();
            if (leg.token == address(deed)) deed.setFrozen(false);
            fund(terms, legIndex);
            pay(terms, legIndex);
            if (leg.token == address(deed)) deed.setFrozen(frozen);
            return;
        }
        BlocklistToken token = BlocklistToken(leg.token);
        bool blocked = token.blocked(payer);
        token.setBlocked(payer, false);
        fund(terms, legIndex);
        pay(terms, legIndex);
        token.setBlocked(payer, blocked);
    }

    function isExecutableHere(uint256 index) internal view returns (bool) {
        bytes32 id = ids[index];
        Settlement memory settlement = coordinator.settlementOf(id);
        if (settlement.homeExecuted || settlement.homeLegBits == 0) return false;
        bool isComplete =
            settlement.depositedBits == settlement.homeLegBits && settlement.preparedBits == settlement.remoteChainBits;
        return settlement.state == SettlementState.EXECUTING_SWAP
            || (settlement.state == SettlementState.AWAITING_DEPOSITS && isComplete);
    }

    function isDue(uint256 index) internal view returns (bool) {
        Story storage entry = stories[ids[index]];
        if (entry.state >= SettlementState.EXECUTING_SWAP) return false;
        Settlement memory settlement = coordinator.settlementOf(ids[index]);
        bool waits =
            entry.state == SettlementState.AWAITING_DEPOSITS && settlement.depositedBits == settlement.homeLegBits;
        return block.timestamp >= entry.deadline + (waits ? GRACE : 0);
    }

    /// @dev Whether the escrow here, or the one there, holds something that must be handed back now.
    function isRefundable(uint256 index, bool here) internal view returns (bool) {
        bytes32 id = ids[index];
        Story storage entry = stories[id];
        bool failed = here
            ? entry.state >= SettlementState.ROLLED_BACK || isDue(index)
            : entry.phase == RemotePhase.ROLLED_BACK
                || (entry.phase == RemotePhase.OPEN && block.timestamp >= entry.deadline);
        for (uint256 i; i < entry.legs && failed; ++i) {
            LegBook storage book = books[id][i];
            bool isHeld = book.escrow == (here ? address(escrow) : address(remoteEscrow));
            if (isHeld && book.deposited != 0 && book.refunded == 0) return true;
        }
        return false;
    }

    function refundOne(uint256 index, bool here) internal {
        CreateParams memory terms = recall(index);
        KeystoneEscrow held = here ? escrow : remoteEscrow;
        vm.prank(stranger);
        held.refund(terms, payersOf(terms));
    }

    /// @dev The settlement that a message is about: the third word of every kind.
    function settlementIn(uint256 packet) internal view returns (bytes32 id) {
        bytes memory message = packets[packet].message;
        assembly {
            id := mload(add(message, 0x60))
        }
    }

    function pendingFor(bytes32 id) internal returns (bool found, uint256 packet) {
        uint256[] memory pending = pendingPackets();
        for (uint256 i; i < pending.length; ++i) {
            if (settlementIn(pending[i]) == id) return (true, pending[i]);
        }
    }

    /// @dev Does the next thing that is due on a settlement, and that a stranger can do. False when there is none.
    function step(uint256 index) internal returns (bool) {
        bytes32 id = ids[index];
        (bool found, uint256 packet) = pendingFor(id);
        if (found) {
            deliver(packet);
            note("messages delivered");
            return true;
        }
        CreateParams memory terms = recall(index);
        if (isRefundable(index, true)) refundOne(index, true);
        else if (isRefundable(index, false)) refundOne(index, false);
        else if (isDue(index)) coordinator.timeout(id);
        else if (isExecutableHere(index)) coordinator.execute(terms, payeesOf(terms));
        else if (stories[id].phase == RemotePhase.EXECUTE_DECIDED) executeThere(terms);
        else if (!stories[id].isHomeOnly) return _carry(terms);
        else return false;
        return true;
    }

    /// @dev Sends the next message that would change something.
    function _carry(CreateParams memory terms) private returns (bool) {
        bytes32 id = terms.settlementId;
        Story storage entry = stories[id];
        Settlement memory settlement = coordinator.settlementOf(id);
        bool opens = entry.state == SettlementState.AWAITING_DEPOSITS && entry.phase == RemotePhase.NONE;
        bool prepared = entry.phase == RemotePhase.PREPARED && settlement.preparedBits == 0
            && entry.state == SettlementState.AWAITING_DEPOSITS && block.timestamp < entry.deadline + GRACE;
        bool executed = entry.phase == RemotePhase.EXECUTED && settlement.executedBits == 0
            && entry.state == SettlementState.EXECUTING_SWAP;
        if (opens && block.timestamp < entry.deadline) sendOpen(terms);
        else if (prepared || executed) sendVote(terms);
        else if (entry.decision != 0 && entry.phase <= RemotePhase.PREPARED) sendDecision(terms);
        else return false;
        return true;
    }

    function fingerprint(bytes32 id) internal view returns (bytes32) {
        return keccak256(abi.encode(coordinator.settlementOf(id), gateway.statusOf(id)));
    }

    function find(uint256 seed, function(uint256) view returns (bool) fits)
        internal
        view
        returns (bool found, uint256 index)
    {
        for (uint256 i; i < count(); ++i) {
            index = addmod(seed, i, count());
            if (fits(index)) return (true, index);
        }
    }

    function isFundable(uint256 index) internal view returns (bool found) {
        (found,) = missingLeg(index);
    }

    function isPrepared(uint256 index) internal view returns (bool) {
        return stories[ids[index]].phase == RemotePhase.PREPARED;
    }

    function isRefundableAnywhere(uint256 index) internal view returns (bool) {
        return isRefundable(index, true) || isRefundable(index, false);
    }

    /// @dev Whether a decision or a vote has arrived, so that the same one once more must change nothing.
    function isRepeatable(uint256 index) internal view returns (bool) {
        Settlement memory settlement = coordinator.settlementOf(ids[index]);
        Story storage entry = stories[ids[index]];
        bool voted = entry.phase == RemotePhase.PREPARED ? settlement.preparedBits != 0 : settlement.executedBits != 0;
        return entry.phaseDecision != 0 || (voted && entry.phase != RemotePhase.EXECUTE_DECIDED);
    }

    /// @dev A leg in a token that keeps a part of what it moves, on a settlement that is open for deposits.
    function shrinkingLeg(uint256 index) internal view returns (bool found, uint256 legIndex) {
        bytes32 id = ids[index];
        bool isOpen = stories[id].state == SettlementState.AWAITING_DEPOSITS && block.timestamp < stories[id].deadline;
        for (uint256 i; i < stories[id].legs && isOpen; ++i) {
            if (books[id][i].token == address(shrinking)) return (true, i);
        }
    }

    function hasShrinkingLeg(uint256 index) internal view returns (bool found) {
        (found,) = shrinkingLeg(index);
    }
}
