// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { Origin } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { Gateway } from "../../src/Gateway.sol";
import { KeystoneEscrow } from "../../src/KeystoneEscrow.sol";
import { IComplianceRegistry } from "../../src/interfaces/IComplianceRegistry.sol";
import { IGate } from "../../src/interfaces/IGate.sol";
import { KBOND } from "../../src/tokens/KBOND.sol";
import { TUSDC } from "../../src/tokens/TUSDC.sol";
import { CreateParams, Leg, Opening } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";
import { Wire } from "./Wire.sol";

/// @title A Keystone across two chains in one EVM: the coordinator's, and one that follows.
/// @dev Escrows know their chain from their deployment, so that the EVM's chain id matters for signatures only, see {onChain}.
abstract contract CrossChainTest is KeystoneTest, Wire {
    struct Remote {
        uint64 chainId;
        uint32 eid;
        Gateway gateway;
        KeystoneEscrow escrow;
    }

    uint32 internal constant HOME_EID = 30_101;
    uint32 internal constant REMOTE_EID = 30_106;
    uint64 internal constant REMOTE_CHAIN = 43_113;
    uint256 internal constant MESSAGE_FEE = 100;

    /// @dev Indexes into partyHashes of {crossDvp}: per party, per chain, the entity and then its wallet.
    uint8 internal constant SELLER_HERE = 1;
    uint8 internal constant SELLER_THERE = 3;
    uint8 internal constant BUYER_HERE = 5;
    uint8 internal constant BUYER_THERE = 7;

    uint64 internal homeChain;
    Gateway internal gateway;
    KeystoneEscrow internal remoteEscrow;
    TUSDC internal remoteCash;
    KBOND internal remoteBond;
    Opening internal remoteSeller;
    Opening internal remoteBuyer;
    address internal relayer = makeAddr("relayer");

    function setUp() public virtual override {
        vm.warp(1_760_000_000);
        homeChain = uint64(block.chainid);
        bond = new KBOND();
        cash = new TUSDC();
        remoteCash = new TUSDC();
        remoteBond = new KBOND();
        seller = newParty("seller");
        buyer = newParty("buyer");
        remoteSeller = newParty("seller there");
        remoteBuyer = newParty("buyer there");

        buildStation(HOME_EID);
        IComplianceRegistry.AttesterSet[] memory sets = new IComplianceRegistry.AttesterSet[](1);
        sets[0] = setOf(attester);
        deployKeystone(sets, stations[HOME_EID].endpoint);
        attesterSet = registry.attesterSetId(sets[0]);

        Remote memory remote = buildRemote(REMOTE_CHAIN, REMOTE_EID);
        gateway = remote.gateway;
        remoteEscrow = remote.escrow;
        connectMore();
        coordinator.freeze();
        vm.deal(relayer, 100 ether);
        vm.recordLogs();
    }

    /// @dev For tests with more chains than two; called before the coordinator is frozen.
    function connectMore() internal virtual { }

    /// @dev Deploys an endpoint, an escrow and a gateway as another chain, connects it both ways, and freezes its gateway.
    function buildRemote(uint64 chainId, uint32 eid) internal returns (Remote memory remote) {
        vm.chainId(chainId);
        buildStation(eid);
        remote = deployRemote(chainId, eid);
        chooseLibraries(eid, address(remote.gateway), HOME_EID);
        remote.gateway.freeze();
        vm.chainId(homeChain);
        coordinator.connect(chainId, eid, address(remote.gateway), address(remote.escrow));
        chooseLibraries(HOME_EID, address(coordinator), eid);
    }

    function deployRemote(uint64 chainId, uint32 eid) internal returns (Remote memory remote) {
        address predicted = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        Gateway.Home memory home = Gateway.Home(address(coordinator), homeChain, HOME_EID);
        remote.chainId = chainId;
        remote.eid = eid;
        if (testsArtifacts()) {
            bytes memory escrowArguments = abi.encode(predicted, coordinator, homeChain);
            remote.escrow = KeystoneEscrow(deployCode(artifact("KeystoneEscrow"), escrowArguments));
            bytes memory arguments = abi.encode(remote.escrow, stations[eid].endpoint, home, admin, pauser);
            remote.gateway = Gateway(deployCode(artifact("Gateway"), arguments));
        } else {
            remote.escrow = new KeystoneEscrow(IGate(predicted), address(coordinator), homeChain);
            remote.gateway = new Gateway(remote.escrow, stations[eid].endpoint, home, admin, pauser);
        }
    }

    /// @dev 500 KBOND here from seller to buyer (leg 0) against 125,000 TUSDC there from buyer to seller (leg 1).
    function crossDvp(uint256 number) internal view returns (CreateParams memory terms) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = legOf(address(bond), BOND_AMOUNT, SELLER_HERE, BUYER_HERE);
        legs[1] = remoteLegOf(address(remoteCash), CASH_AMOUNT, BUYER_THERE, SELLER_THERE);
        return crossTerms(number, legs);
    }

    /// @dev Both legs on the other chain: bond against cash.
    function remoteDvp(uint256 number) internal view returns (CreateParams memory terms) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = remoteLegOf(address(remoteBond), BOND_AMOUNT, SELLER_THERE, BUYER_THERE);
        legs[1] = remoteLegOf(address(remoteCash), CASH_AMOUNT, BUYER_THERE, SELLER_THERE);
        return crossTerms(number, legs);
    }

    function remoteLegOf(address token, uint256 amount, uint8 payer, uint8 payee)
        internal
        view
        returns (Leg memory leg)
    {
        leg = legOf(token, amount, payer, payee);
        leg.chainId = REMOTE_CHAIN;
        leg.escrow = address(remoteEscrow);
    }

    /// @dev Terms between seller and buyer, each with a participant id and a wallet per chain.
    function crossTerms(uint256 number, Leg[] memory legs) internal view returns (CreateParams memory terms) {
        terms.settlementId = idOf(number);
        terms.attesterSet = attesterSet;
        terms.deadline = uint64(block.timestamp) + LIFETIME;
        Opening[4] memory parties = [seller, remoteSeller, buyer, remoteBuyer];
        terms.partyHashes = new bytes32[](8);
        for (uint256 i; i < 4; ++i) {
            terms.partyHashes[2 * i] = entityHash(parties[i]);
            terms.partyHashes[2 * i + 1] = partyHash(parties[i]);
        }
        terms.legs = legs;
    }

    /// @dev Brings new terms to AWAITING_DEPOSITS at home, and to OPEN on the other chain.
    function openEverywhere(CreateParams memory terms) internal {
        open(terms);
        sendOpen(terms);
        deliverAll();
    }

    function sendOpen(CreateParams memory terms) internal {
        vm.prank(relayer);
        coordinator.sendOpen{ value: MESSAGE_FEE }(terms, REMOTE_CHAIN);
    }

    function sendDecision(CreateParams memory terms) internal {
        vm.prank(relayer);
        coordinator.sendDecision{ value: MESSAGE_FEE }(terms.settlementId, REMOTE_CHAIN);
    }

    function sendVote(CreateParams memory terms) internal {
        vm.prank(relayer);
        gateway.sendVote{ value: MESSAGE_FEE }(terms.settlementId);
    }

    /// @dev Anybody pays out the legs of the other chain.
    function executeThere(CreateParams memory terms) internal {
        vm.prank(stranger);
        remoteEscrow.execute(terms, payeesOf(terms));
    }

    /// @dev Anybody hands back what the other chain holds.
    function refundThere(CreateParams memory terms) internal {
        vm.prank(stranger);
        remoteEscrow.refund(terms, payersOf(terms));
    }

    /// @dev Hands a message to the coordinator as its endpoint would, from whatever chain and sender.
    function receiveHere(uint32 eid, address sender, bytes memory message) internal {
        vm.prank(address(stations[HOME_EID].endpoint));
        coordinator.lzReceive(originOf(eid, sender), bytes32(0), message, stranger, "");
    }

    /// @dev Hands a message to the gateway as its endpoint would, from the coordinator.
    function receiveThere(bytes memory message) internal {
        vm.prank(address(stations[REMOTE_EID].endpoint));
        gateway.lzReceive(originOf(HOME_EID, address(coordinator)), bytes32(0), message, stranger, "");
    }

    function originOf(uint32 eid, address sender) internal pure returns (Origin memory) {
        return Origin(eid, bytes32(uint256(uint160(sender))), 1);
    }

    function phaseOf(CreateParams memory terms) internal view returns (uint8) {
        return gateway.statusOf(terms.settlementId).phase;
    }

    /// @dev Runs what follows under a chain's id, as {KeystoneEscrow.release} and its signatures need.
    function onChain(uint64 chainId) internal {
        vm.chainId(chainId);
    }
}
