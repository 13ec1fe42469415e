// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { IComplianceRegistry } from "../../src/interfaces/IComplianceRegistry.sol";
import { IMessaging } from "../../src/interfaces/IMessaging.sol";
import { ISettlementCoordinator } from "../../src/interfaces/ISettlementCoordinator.sol";
import { MessageCodec } from "../../src/messaging/MessageCodec.sol";
import { MAX_REMOTE_CHAINS } from "../../src/types/Limits.sol";
import { ComplianceStatus, CreateParams } from "../../src/types/SettlementTypes.sol";
import { CrossChainTest } from "../crosschain/CrossChainTest.sol";

/// @title Connecting and freezing; see messaging.tree.
contract ConfigurationTest is CrossChainTest {
    uint32 private constant NEW_EID = 40_001;
    uint64 private constant NEW_CHAIN = 4_001;

    /// @dev A coordinator and a gateway of its own that are not frozen yet.
    function setUp() public override {
        super.setUp();
        IComplianceRegistry.AttesterSet[] memory sets = new IComplianceRegistry.AttesterSet[](1);
        sets[0] = setOf(attester);
        deployKeystone(sets, stations[HOME_EID].endpoint);
        vm.chainId(NEW_CHAIN);
        buildStation(NEW_EID);
        Remote memory remote = deployRemote(NEW_CHAIN, NEW_EID);
        vm.chainId(homeChain);
        (gateway, remoteEscrow) = (remote.gateway, remote.escrow);
    }

    function test_Connect_MakesAChainKnown_ByChainAndEndpointId() external {
        assertEq(coordinator.remoteChainCount(), 0);
        vm.expectEmit(address(coordinator));
        emit ISettlementCoordinator.ChainConnected(NEW_CHAIN, NEW_EID, address(gateway), address(remoteEscrow));
        connect();
        (uint32 eid, address peer, address there, uint8 index) = coordinator.remoteChain(NEW_CHAIN);
        assertEq(eid, NEW_EID);
        assertEq(peer, address(gateway));
        assertEq(there, address(remoteEscrow));
        assertEq(index, 0);
        assertEq(coordinator.remoteChainCount(), 1);
        assertEq(coordinator.peers(NEW_EID), originOf(0, address(gateway)).sender);
        assertEq(coordinator.peers(NEW_EID + 1), 0);
        assertEq(gateway.peers(HOME_EID), originOf(0, address(coordinator)).sender);
        assertEq(gateway.peers(NEW_EID), 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.ChainNotConnected.selector, 7));
        coordinator.remoteChain(7);
    }

    function test_RevertWhen_AConnectionIsUnsound() external {
        connect();
        expectInvalid(NEW_CHAIN, NEW_EID + 1, stranger, stranger);
        expectInvalid(NEW_CHAIN + 1, NEW_EID, stranger, stranger);
        expectInvalid(0, NEW_EID + 1, stranger, stranger);
        expectInvalid(NEW_CHAIN + 1, 0, stranger, stranger);
        expectInvalid(NEW_CHAIN + 1, NEW_EID + 1, address(0), stranger);
        expectInvalid(NEW_CHAIN + 1, NEW_EID + 1, stranger, address(0));
        expectInvalid(homeChain, NEW_EID + 1, stranger, stranger);
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IMessaging.CallerNotConfigurator.selector, admin));
        coordinator.connect(5, 5, stranger, stranger);
    }

    function test_RevertWhen_TooManyChainsAreConnected() external {
        for (uint32 i = 1; i <= MAX_REMOTE_CHAINS; ++i) {
            coordinator.connect(i, i, stranger, stranger);
        }
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.TooManyChains.selector, MAX_REMOTE_CHAINS));
        coordinator.connect(99, 99, stranger, stranger);
        (,,, uint8 last) = coordinator.remoteChain(uint64(MAX_REMOTE_CHAINS));
        assertEq(last, MAX_REMOTE_CHAINS - 1);
    }

    function test_RevertWhen_Freezing_WithALibraryThatLayerZeroMayReplace() external {
        connect();
        expectNotChosen(coordinator, NEW_EID);
        expectNotChosen(gateway, HOME_EID);
        // Sending alone is not enough, nor is receiving.
        stations[HOME_EID].endpoint.setSendLibrary(address(coordinator), NEW_EID, address(stations[HOME_EID].lib));
        expectNotChosen(coordinator, NEW_EID);
        stations[NEW_EID].endpoint.setReceiveLibrary(address(gateway), HOME_EID, address(stations[NEW_EID].lib), 0);
        expectNotChosen(gateway, HOME_EID);
    }

    function test_RevertWhen_Freezing_WhileAnOldLibraryMayStillDeliver() external {
        connect();
        chooseLibraries(HOME_EID, address(coordinator), NEW_EID);
        Station memory station = stations[HOME_EID];
        address old = address(station.lib);
        buildSecondLibrary(HOME_EID);
        station.endpoint.setReceiveLibrary(address(coordinator), NEW_EID, address(stations[HOME_EID].lib), 100);
        assertTrue(station.endpoint.isValidReceiveLibrary(address(coordinator), NEW_EID, old));
        uint256 expiry = block.number + 100;
        vm.expectRevert(abi.encodeWithSelector(IMessaging.OldLibraryStillValid.selector, NEW_EID, expiry));
        coordinator.freeze();
        vm.roll(expiry);
        assertFalse(station.endpoint.isValidReceiveLibrary(address(coordinator), NEW_EID, old));
        coordinator.freeze();
    }

    function test_Freeze_LeavesNobodyWhoCouldForgeADecision() external {
        connectAndChoose();
        address[2] memory applications = [address(coordinator), address(gateway)];
        uint32[2] memory eids = [HOME_EID, NEW_EID];
        for (uint256 i; i < 2; ++i) {
            IMessaging application = IMessaging(applications[i]);
            assertEq(application.configurator(), address(this));
            assertEq(delegateOf(eids[i], applications[i]), address(this));
            vm.prank(admin);
            vm.expectRevert(abi.encodeWithSelector(IMessaging.CallerNotConfigurator.selector, admin));
            application.freeze();
            vm.expectEmit(applications[i]);
            emit IMessaging.ConfigurationFrozen();
            application.freeze();
            assertEq(application.configurator(), address(0));
            assertEq(delegateOf(eids[i], applications[i]), address(0));
            vm.expectRevert(abi.encodeWithSelector(IMessaging.CallerNotConfigurator.selector, address(this)));
            application.freeze();
        }
        vm.expectRevert(abi.encodeWithSelector(IMessaging.CallerNotConfigurator.selector, address(this)));
        coordinator.connect(5, 5, stranger, stranger);
        vm.expectRevert();
        this.chooseExternally(HOME_EID, address(coordinator), NEW_EID);
    }

    function test_BeforeTheFreeze_RemoteLegsAreRefused_AndNothingIsSentOrVerified() external {
        connectAndChoose();
        CreateParams memory terms = crossDvp(1);
        terms.legs[1].chainId = NEW_CHAIN;
        vm.prank(creator);
        vm.expectRevert(IMessaging.ConfigurationNotFrozen.selector);
        coordinator.createSettlement(terms);
        assertFalse(coordinator.allowInitializePath(originOf(NEW_EID, address(gateway))));
        assertFalse(gateway.allowInitializePath(originOf(HOME_EID, address(coordinator))));
        coordinator.freeze();
        assertTrue(coordinator.allowInitializePath(originOf(NEW_EID, address(gateway))));
        create(terms);
        attestAll(terms, ComplianceStatus.Pass);
        advance(terms);
        // The gateway of the other side is not frozen: a message leaves, and nobody can have it verified there.
        vm.deal(address(this), 1 ether);
        vm.recordLogs();
        coordinator.sendOpen{ value: MESSAGE_FEE }(terms, NEW_CHAIN);
        collect();
        vm.expectRevert();
        this.verifyExternally(packets.length - 1);
        gateway.freeze();
        deliver(packets.length - 1);
        assertEq(gateway.statusOf(terms.settlementId).legBits, 2);
    }

    function test_BeforeTheFreeze_AGatewaySendsNothing() external {
        connectAndChoose();
        vm.prank(address(stations[NEW_EID].endpoint));
        gateway.lzReceive(
            originOf(HOME_EID, address(coordinator)),
            0,
            MessageCodec.encodeOpen(idOf(1), "terms", uint64(block.timestamp + 1), 1),
            stranger,
            ""
        );
        vm.startPrank(address(remoteEscrow));
        gateway.recordDeposit(idOf(1), "terms", 0);
        vm.stopPrank();
        vm.expectRevert(IMessaging.ConfigurationNotFrozen.selector);
        gateway.sendVote(idOf(1));
    }

    function test_WithoutAnEndpoint_ACoordinatorIsFrozenFromTheStart() external {
        IComplianceRegistry.AttesterSet[] memory sets = new IComplianceRegistry.AttesterSet[](1);
        sets[0] = setOf(attester);
        deployKeystone(sets);
        assertEq(coordinator.configurator(), address(0));
        vm.expectRevert(abi.encodeWithSelector(IMessaging.CallerNotConfigurator.selector, address(this)));
        coordinator.connect(NEW_CHAIN, NEW_EID, stranger, stranger);
        create(dvp(1));
    }

    function verifyExternally(uint256 index) external {
        verify(index);
    }

    function chooseExternally(uint32 eid, address application, uint32 peerEid) external {
        chooseLibraries(eid, application, peerEid);
    }

    function connect() private {
        coordinator.connect(NEW_CHAIN, NEW_EID, address(gateway), address(remoteEscrow));
    }

    function connectAndChoose() private {
        connect();
        chooseLibraries(HOME_EID, address(coordinator), NEW_EID);
        chooseLibraries(NEW_EID, address(gateway), HOME_EID);
    }

    function setDefaults(uint32 eid, uint32 peerEid) private {
        Station memory station = stations[eid];
        // The endpoint refuses a value that is set already.
        if (station.endpoint.defaultReceiveLibrary(peerEid) != address(0)) return;
        station.endpoint.setDefaultSendLibrary(peerEid, address(station.lib));
        station.endpoint.setDefaultReceiveLibrary(peerEid, address(station.lib), 0);
    }

    function expectInvalid(uint64 chainId, uint32 eid, address peer, address there) private {
        vm.expectRevert(abi.encodeWithSelector(ISettlementCoordinator.InvalidConnection.selector, chainId, eid));
        coordinator.connect(chainId, eid, peer, there);
    }

    /// @dev LayerZero's own default is in place, which the endpoint reports; without any default it reverts itself.
    function expectNotChosen(IMessaging application, uint32 eid) private {
        uint32 here = address(application) == address(coordinator) ? HOME_EID : NEW_EID;
        setDefaults(here, eid);
        vm.expectRevert(abi.encodeWithSelector(IMessaging.LibraryNotChosen.selector, eid));
        application.freeze();
    }

    function delegateOf(uint32 eid, address application) private view returns (address) {
        (bool success, bytes memory answer) =
            address(stations[eid].endpoint).staticcall(abi.encodeWithSignature("delegates(address)", application));
        assertTrue(success);
        return abi.decode(answer, (address));
    }
}
