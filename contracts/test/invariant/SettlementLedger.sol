// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Vm } from "forge-std/Vm.sol";
import { IKeystoneEscrow } from "../../src/interfaces/IKeystoneEscrow.sol";
import { CreateParams, Leg, SettlementState } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";
import { BlocklistToken } from "../mocks/WeirdTokens.sol";

/// @title An independent book of what the contracts' events say, kept leg by leg.
/// @dev It reads logs and terms, never the contracts' own accounting, so that a wrong account cannot vouch for itself.
abstract contract SettlementLedger is KeystoneTest {
    /// @dev What happened to one leg, in base units.
    struct LegBook {
        uint256 deposited;
        uint256 released;
        uint256 refunded;
    }

    BlocklistToken internal blockable;

    bytes[] private _terms;
    uint8[] private _lastStates;
    mapping(bytes32 settlementId => mapping(uint256 legIndex => LegBook)) private _books;
    mapping(bytes32 settlementId => uint256) private _indexOf;

    uint256 public creditsGiven;
    uint256 public creditsTaken;
    uint256 public releases;
    uint256 public refunds;
    uint256 public finalized;
    uint256 public rolledBack;
    uint256 public timedOut;
    uint256 public executionsWithheld;
    uint256 public executionsFailed;
    uint256 public proposalsAccepted;

    /// @notice The first broken promise; empty while there is none.
    string public broken;

    function setUp() public virtual override {
        super.setUp();
        blockable = new BlocklistToken();
    }

    /// @dev Books the events of one action, then looks at what became of every settlement.
    modifier recorded() {
        vm.recordLogs();
        _;
        _book(vm.getRecordedLogs());
        _observe();
    }

    function count() public view returns (uint256) {
        return _terms.length;
    }

    function recall(uint256 index) public view returns (CreateParams memory) {
        return abi.decode(_terms[index], (CreateParams));
    }

    function bookOf(bytes32 id, uint256 legIndex) external view returns (LegBook memory) {
        return _books[id][legIndex];
    }

    function tokens() external view returns (address[2] memory) {
        return [address(bond), address(blockable)];
    }

    function balanceOfEscrow(address token) external view returns (uint256) {
        return BlocklistToken(token).balanceOf(address(escrow));
    }

    function stateAt(uint256 index) external view returns (uint8) {
        return _lastStates[index];
    }

    /// @notice Base units of the token that the escrow owes: legs paid in that have not left, and credits.
    function liabilities(address token) external view returns (uint256 total) {
        for (uint256 i; i < _terms.length; ++i) {
            CreateParams memory terms = recall(i);
            for (uint256 j; j < terms.legs.length; ++j) {
                if (terms.legs[j].token != token) continue;
                LegBook memory book = _books[terms.settlementId][j];
                total += book.deposited - book.released - book.refunded;
            }
        }
        address[3] memory wallets = [seller.wallet, buyer.wallet, stranger];
        for (uint256 i; i < 3; ++i) {
            total += escrow.creditOf(token, 0, 0, wallets[i]);
        }
    }

    function remember(CreateParams memory terms) internal returns (uint256 index) {
        index = _terms.length;
        _indexOf[terms.settlementId] = index;
        _terms.push(abi.encode(terms));
        _lastStates.push(stateOf(terms));
    }

    function _book(Vm.Log[] memory logs) private {
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(escrow)) continue;
            bytes32 topic = logs[i].topics[0];
            if (topic == IKeystoneEscrow.CreditWithdrawn.selector) ++creditsTaken;
            else if (topic == IKeystoneEscrow.ExecutionFailed.selector) ++executionsFailed;
            else if (topic != IKeystoneEscrow.LegOpened.selector) _bookLeg(logs[i], topic);
        }
    }

    function _bookLeg(Vm.Log memory log, bytes32 topic) private {
        CreateParams memory terms = recall(_indexOf[log.topics[1]]);
        uint256 legIndex = uint256(log.topics[2]);
        address wallet = address(uint160(uint256(log.topics[3])));
        Leg memory leg = terms.legs[legIndex];
        LegBook storage book = _books[terms.settlementId][legIndex];
        address payer = openingIn(terms, leg.payer).wallet;
        address payee = openingIn(terms, leg.payee).wallet;
        bool failed = coordinator.stateOf(terms.settlementId) >= SettlementState.ROLLED_BACK;

        if (topic == IKeystoneEscrow.FeePaid.selector) {
            (, uint256 fee) = abi.decode(log.data, (address, uint256));
            book.released += fee;
            _require(wallet == stranger, "a fee went to somebody else");
            return;
        }
        (address token,, uint256 amount) = abi.decode(log.data, (address, uint256, uint256));
        _require(token == leg.token, "another token moved");
        if (topic == IKeystoneEscrow.LegDeposited.selector) {
            book.deposited += amount;
            _require(wallet == payer, "somebody else paid in");
        } else if (topic == IKeystoneEscrow.LegReleased.selector) {
            book.released += amount;
            ++releases;
            _require(wallet == payee, "somebody else was paid");
        } else if (topic == IKeystoneEscrow.LegRefunded.selector) {
            book.refunded += amount;
            ++refunds;
            _require(wallet == payer, "somebody else was refunded");
        } else if (topic == IKeystoneEscrow.PayoutCredited.selector) {
            ++creditsGiven;
            if (failed) book.refunded += amount;
            else book.released += amount;
            _require(wallet == (failed ? payer : payee), "somebody else was credited");
        }
    }

    function _observe() private {
        for (uint256 i; i < _terms.length; ++i) {
            CreateParams memory terms = recall(i);
            uint8 state = coordinator.stateOf(terms.settlementId);
            uint8 last = _lastStates[i];
            if (state == last) continue;
            _lastStates[i] = state;
            _require(last < SettlementState.FINALIZED, "a terminal state was left");
            _require(state != SettlementState.EXECUTING_SWAP, "an execution was left half done");
            _require(state > last, "a settlement went back");
            if (state == SettlementState.FINALIZED) {
                ++finalized;
                _require(last == SettlementState.AWAITING_DEPOSITS, "executed without open deposits");
            }
            if (state == SettlementState.ROLLED_BACK) ++rolledBack;
            if (state == SettlementState.TIMED_OUT) {
                ++timedOut;
                _require(block.timestamp >= terms.deadline, "timed out early");
            }
            if (state == SettlementState.COMPLIANCE_CLEARED || state == SettlementState.AWAITING_DEPOSITS) {
                _require(registry.areAllPartiesCleared(terms.settlementId), "passed a closed gate");
            }
        }
    }

    function _require(bool holds, string memory failure) private {
        if (!holds && bytes(broken).length == 0) broken = failure;
    }
}
