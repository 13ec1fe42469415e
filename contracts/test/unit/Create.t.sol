// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import { Pausable } from "@openzeppelin/contracts/utils/Pausable.sol";
import { ComplianceRegistry } from "../../src/ComplianceRegistry.sol";
import { KeystoneEscrow } from "../../src/KeystoneEscrow.sol";
import { SettlementCoordinator } from "../../src/SettlementCoordinator.sol";
import { ILayerZeroEndpointV2 } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { IComplianceRegistry } from "../../src/interfaces/IComplianceRegistry.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MAX_FEES, MAX_LEGS, MAX_LIFETIME, MAX_PARTIES } from "../../src/types/Limits.sol";
import {
    CreateParams,
    Fee,
    Leg,
    Settlement,
    SettlementState,
    TokenStandard
} from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";

contract CreateTest is KeystoneTest {
    function test_SoundTerms_AreStoredAsTheirHashAndAnnounced() external {
        CreateParams memory terms = dvp(1);
        bytes32 termsHash = coordinator.hashTerms(terms);
        assertEq(termsHash, keccak256(abi.encode(uint8(1), address(coordinator), uint64(block.chainid), terms)));

        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.SettlementCreated(terms.settlementId, termsHash);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.StateTransition(terms.settlementId, 0, 1, termsHash);
        create(terms);

        Settlement memory stored = coordinator.settlementOf(terms.settlementId);
        assertEq(stored.termsHash, termsHash);
        assertEq(stored.state, SettlementState.COMPLIANCE_CHECKING);
        assertEq(stored.deadline, terms.deadline);
        assertEq(stored.homeLegBits, 3);
        assertEq(stored.depositedBits, 0);
        assertTrue(coordinator.exists(terms.settlementId));
        for (uint256 i; i < 4; ++i) {
            assertTrue(registry.isRegistered(terms.settlementId, terms.partyHashes[i]));
        }
        (uint256 parties, uint256 cleared) = registry.partyCounts(terms.settlementId);
        assertEq(parties, 4);
        assertEq(cleared, 0);
    }

    function test_UnknownSettlement_IsNotClearedAndHasNoState() external {
        assertFalse(coordinator.exists(idOf(9)));
        assertFalse(registry.areAllPartiesCleared(idOf(9)));
        assertFalse(escrow.allLegsDeposited(idOf(9)));
        vm.expectRevert(abi.encodeWithSelector(IGate.UnknownSettlement.selector, idOf(9)));
        coordinator.stateOf(idOf(9));
    }

    function test_RevertWhen_CallerIsNotCreator() external {
        CreateParams memory terms = dvp(1);
        bytes32 role = coordinator.CREATOR_ROLE();
        address[3] memory others = [engine, admin, stranger];
        for (uint256 i; i < others.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, others[i], role)
            );
            vm.prank(others[i]);
            coordinator.createSettlement(terms);
        }
    }

    function test_RevertGiven_Paused() external {
        vm.prank(pauser);
        coordinator.pause();
        expectRefusal(dvp(1), abi.encodeWithSelector(Pausable.EnforcedPause.selector));
    }

    function test_RevertGiven_IdExists_EvenWithTheSameTerms() external {
        CreateParams memory terms = dvp(1);
        create(terms);
        bytes memory reason =
            abi.encodeWithSelector(ISettlementCoordinator.SettlementAlreadyExists.selector, terms.settlementId);
        expectRefusal(terms, reason);
        terms.legs[0].amount += 1;
        expectRefusal(terms, reason);
    }

    function test_RevertWhen_IdIsNotAUuid() external {
        CreateParams memory terms = dvp(1);
        bytes32[2] memory ids = [bytes32(0), bytes32((uint256(1) << 128) | 1)];
        for (uint256 i; i < 2; ++i) {
            terms.settlementId = ids[i];
            expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.InvalidSettlementId.selector, ids[i]));
        }
    }

    function test_RevertWhen_DeadlineIsPastOrTooFar() external {
        CreateParams memory terms = dvp(1);
        uint256 latest = block.timestamp + MAX_LIFETIME;
        uint64[2] memory deadlines = [uint64(block.timestamp), uint64(latest) + 1];
        for (uint256 i; i < 2; ++i) {
            terms.deadline = deadlines[i];
            expectRefusal(
                terms,
                abi.encodeWithSelector(
                    ISettlementCoordinator.InvalidDeadline.selector, terms.settlementId, deadlines[i], latest
                )
            );
        }
        terms.deadline = uint64(latest);
        create(terms);
    }

    function test_RevertWhen_LegCountIsOutOfRange() external {
        CreateParams memory terms = termsWith(1, new Leg[](0));
        expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.InvalidLegCount.selector, 0, MAX_LEGS));
        terms.legs = new Leg[](MAX_LEGS + 1);
        expectRefusal(
            terms, abi.encodeWithSelector(ISettlementCoordinator.InvalidLegCount.selector, MAX_LEGS + 1, MAX_LEGS)
        );
    }

    function test_RevertWhen_LegLivesElsewhere() external {
        CreateParams memory terms = dvp(1);
        terms.legs[1].chainId = 43_114;
        expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.ChainNotConnected.selector, uint64(43_114)));
        terms.legs[1].chainId = uint64(block.chainid);
        terms.legs[1].escrow = stranger;
        expectRefusal(
            terms, abi.encodeWithSelector(ISettlementCoordinator.WrongEscrow.selector, 1, stranger, address(escrow))
        );
    }

    function test_RevertWhen_StandardIsUnsupported() external {
        CreateParams memory terms = dvp(1);
        uint8[2] memory standards = [4, 255];
        for (uint256 i; i < standards.length; ++i) {
            terms.legs[0].tokenStandard = standards[i];
            expectRefusal(
                terms, abi.encodeWithSelector(ISettlementCoordinator.UnsupportedTokenStandard.selector, 0, standards[i])
            );
        }
    }

    function test_RevertWhen_TokenIsNoToken() external {
        CreateParams memory terms = dvp(1);
        terms.legs[0].token = address(0);
        expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.NativeCoinRefused.selector, 0));
        address[3] memory tokens = [stranger, address(escrow), address(coordinator)];
        for (uint256 i; i < tokens.length; ++i) {
            terms.legs[0].token = tokens[i];
            expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.InvalidToken.selector, 0, tokens[i]));
        }
    }

    function test_RevertWhen_AmountIsOutOfRange() external {
        CreateParams memory terms = dvp(1);
        uint256[2] memory amounts = [0, uint256(type(uint128).max) + 1];
        for (uint256 i; i < 2; ++i) {
            terms.legs[0].amount = amounts[i];
            expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.InvalidAmount.selector, 0, amounts[i]));
        }
        terms.legs[0].tokenStandard = TokenStandard.ERC721;
        terms.legs[0].amount = 2;
        expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.InvalidAmount.selector, 0, 2));
    }

    function test_TheLargestAmount_IsTaken_AndNoFeeMayTakeAllOfIt() external {
        CreateParams memory terms = dvp(1);
        uint256 most = type(uint128).max;
        terms.legs[1].amount = most;
        terms.legs[1].fees = new Fee[](1);
        terms.legs[1].fees[0] = Fee(stranger, most);
        expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.FeesExceedAmount.selector, 1, most, most));
        terms.legs[1].fees[0].amount = most - 1;
        create(terms);
    }

    function test_RevertWhen_SelectorDoesNotFitTheStandard() external {
        CreateParams memory terms = dvp(1);
        terms.legs[0].tokenId = 7;
        expectRefusal(
            terms, abi.encodeWithSelector(ISettlementCoordinator.InvalidTokenSelector.selector, 0, 7, bytes32(0))
        );
        terms.legs[0].tokenId = 0;
        terms.legs[0].partition = "A";
        expectRefusal(
            terms, abi.encodeWithSelector(ISettlementCoordinator.InvalidTokenSelector.selector, 0, 0, bytes32("A"))
        );
    }

    function test_RevertWhen_PayerAndPayeeDoNotFit() external {
        uint8[2][4] memory pairs = [[SELLER, SELLER], [uint8(4), BUYER], [SELLER, uint8(4)], [SELLER, uint8(255)]];
        CreateParams memory terms = dvp(1);
        for (uint256 i; i < pairs.length; ++i) {
            (terms.legs[0].payer, terms.legs[0].payee) = (pairs[i][0], pairs[i][1]);
            expectRefusal(
                terms,
                abi.encodeWithSelector(ISettlementCoordinator.InvalidLegParties.selector, 0, pairs[i][0], pairs[i][1])
            );
        }
    }

    function test_RevertWhen_FeesAreUnsound() external {
        CreateParams memory terms = dvp(1);
        terms.legs[1].fees = new Fee[](MAX_FEES + 1);
        expectRefusal(
            terms, abi.encodeWithSelector(ISettlementCoordinator.TooManyFees.selector, 1, MAX_FEES + 1, MAX_FEES)
        );
        Fee[5] memory unsound = [
            Fee(address(0), 1),
            Fee(address(escrow), 1),
            Fee(address(cash), 1),
            Fee(stranger, 0),
            Fee(stranger, type(uint256).max)
        ];
        terms.legs[1].fees = new Fee[](1);
        for (uint256 i; i < unsound.length; ++i) {
            terms.legs[1].fees[0] = unsound[i];
            expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.InvalidFee.selector, 1, 0));
        }
        terms.legs[1].fees[0] = Fee(stranger, CASH_AMOUNT);
        expectRefusal(
            terms, abi.encodeWithSelector(ISettlementCoordinator.FeesExceedAmount.selector, 1, CASH_AMOUNT, CASH_AMOUNT)
        );
        terms.legs[1].fees[0].amount = CASH_AMOUNT - 1;
        create(terms);
    }

    function test_RevertWhen_NftLegHasFees() external {
        CreateParams memory terms = dvp(1);
        terms.legs[0] = nftLegOf(address(bond), 3, SELLER, BUYER);
        terms.legs[0].fees = new Fee[](1);
        expectRefusal(terms, abi.encodeWithSelector(ISettlementCoordinator.TooManyFees.selector, 0, 1, 0));
    }

    function test_RevertWhen_PartiesAreUnsound() external {
        CreateParams memory terms = dvp(1);
        terms.partyHashes[0] = 0;
        expectRefusal(
            terms, abi.encodeWithSelector(IComplianceRegistry.InvalidParty.selector, terms.settlementId, bytes32(0))
        );
        terms.partyHashes[0] = terms.partyHashes[1];
        expectRefusal(
            terms,
            abi.encodeWithSelector(IComplianceRegistry.InvalidParty.selector, terms.settlementId, terms.partyHashes[1])
        );
        terms.partyHashes = new bytes32[](MAX_PARTIES + 1);
        expectRefusal(
            terms, abi.encodeWithSelector(IComplianceRegistry.InvalidPartyCount.selector, MAX_PARTIES + 1, MAX_PARTIES)
        );
    }

    function test_RevertWhen_AttesterSetIsUnknown() external {
        CreateParams memory terms = dvp(1);
        terms.attesterSet = keccak256("nobody");
        expectRefusal(
            terms, abi.encodeWithSelector(IComplianceRegistry.AttesterSetNotUsable.selector, terms.attesterSet)
        );
    }

    function test_RevertWhen_CallerOfRegisterPartiesIsNotTheCoordinator() external {
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.CallerNotCoordinator.selector, admin));
        vm.prank(admin);
        registry.registerParties(idOf(1), attesterSet, new bytes32[](1));
    }

    function test_RevertWhen_PartiesAreRegisteredTwice() external {
        create(dvp(1));
        vm.prank(address(coordinator));
        vm.expectRevert(abi.encodeWithSelector(IComplianceRegistry.PartiesAlreadyRegistered.selector, idOf(1)));
        registry.registerParties(idOf(1), attesterSet, new bytes32[](1));
    }

    /// @dev One thing wrong at a time; nothing wrong at last.
    function test_RevertWhen_DeploymentIsMiswired() external {
        for (uint256 fault; fault < 4; ++fault) {
            vm.expectPartialRevert(ISettlementCoordinator.MiswiredDeployment.selector);
            this.deployWired(fault);
        }
        SettlementCoordinator wired = this.deployWired(4);
        assertEq(address(wired.escrow().gate()), address(wired));
        assertEq(wired.registry().coordinator(), address(wired));
    }

    /// @dev A call of its own: a deployment that fails as expected would end the test that does it, which then passes, whatever follows.
    /// @param fault What knows another coordinator: the registry, the escrow's gate, the escrow; 3: the escrow knows another chain.
    function deployWired(uint256 fault) external returns (SettlementCoordinator) {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        ComplianceRegistry.Settings memory settings;
        settings.coordinator = fault == 0 ? stranger : next;
        ComplianceRegistry its = new ComplianceRegistry(settings);
        KeystoneEscrow holds = new KeystoneEscrow(
            IGate(fault == 1 ? stranger : next),
            fault == 2 ? stranger : next,
            uint64(block.chainid + (fault == 3 ? 1 : 0))
        );
        SettlementCoordinator.Roles memory roles = SettlementCoordinator.Roles(admin, creator, engine, pauser);
        return new SettlementCoordinator(its, holds, roles, GRACE, ILayerZeroEndpointV2(address(0)));
    }

    function test_TheHashOfTheTermsDependsOnEveryField() external view {
        CreateParams memory terms = dvp(1);
        terms.legs[1].fees = new Fee[](1);
        terms.legs[1].fees[0] = Fee(stranger, 5);
        bytes memory sound = abi.encode(terms);
        bytes32 termsHash = coordinator.hashTerms(terms);
        for (uint256 field; field < 17; ++field) {
            CreateParams memory other = abi.decode(sound, (CreateParams));
            _alter(other, field);
            assertNotEq(coordinator.hashTerms(other), termsHash);
        }
    }

    function _alter(CreateParams memory terms, uint256 field) private pure {
        Leg memory leg = terms.legs[1];
        if (field == 0) terms.settlementId = bytes32(uint256(2) << 128);
        if (field == 1) terms.attesterSet = "other";
        if (field == 2) terms.deadline += 1;
        if (field == 3) terms.partyHashes[2] = "other";
        if (field == 4) terms.partyHashes = new bytes32[](3);
        if (field == 5) leg.chainId += 1;
        if (field == 6) leg.escrow = address(1);
        if (field == 7) leg.token = address(1);
        if (field == 8) leg.tokenStandard = 3;
        if (field == 9) leg.tokenId = 1;
        if (field == 10) leg.partition = "P";
        if (field == 11) leg.amount += 1;
        if (field == 12) leg.payer = 0;
        if (field == 13) leg.payee = 0;
        if (field == 14) leg.fees[0].recipient = address(1);
        if (field == 15) leg.fees[0].amount += 1;
        if (field == 16) leg.fees = new Fee[](0);
    }

    function expectRefusal(CreateParams memory terms, bytes memory reason) private {
        vm.expectRevert(reason);
        create(terms);
    }
}
