// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ILayerZeroEndpointV2 } from "@layerzerolabs/lz-evm-protocol-v2/contracts/interfaces/ILayerZeroEndpointV2.sol";
import { Test } from "forge-std/Test.sol";
import { ComplianceRegistry } from "../src/ComplianceRegistry.sol";
import { KeystoneEscrow } from "../src/KeystoneEscrow.sol";
import { SettlementCoordinator } from "../src/SettlementCoordinator.sol";
import { IComplianceRegistry } from "../src/interfaces/IComplianceRegistry.sol";
import { IGate } from "../src/interfaces/IGate.sol";
import { KBOND } from "../src/tokens/KBOND.sol";
import { KFUND } from "../src/tokens/KFUND.sol";
import { TUSDC } from "../src/tokens/TUSDC.sol";
import {
    Attestation,
    ComplianceStatus,
    CreateParams,
    Leg,
    Opening,
    TokenStandard
} from "../src/types/SettlementTypes.sol";

/// @dev Anything that can be minted, weird tokens included.
interface IMintable {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external;
    function balanceOf(address owner) external view returns (uint256);
}

/// @title A deployed Keystone, two parties, and the steps of a trade.
abstract contract KeystoneTest is Test {
    uint64 internal constant GRACE = 1 hours;
    uint64 internal constant SET_DELAY = 2 days;
    uint64 internal constant LIFETIME = 1 hours;
    uint256 internal constant BOND_AMOUNT = 500e18;
    uint256 internal constant CASH_AMOUNT = 125_000e6;
    bytes32 internal constant DIGEST = keccak256("decision set");

    /// @dev Indexes into partyHashes of {dvp}.
    uint8 internal constant SELLER_ENTITY = 0;
    uint8 internal constant SELLER = 1;
    uint8 internal constant BUYER_ENTITY = 2;
    uint8 internal constant BUYER = 3;

    SettlementCoordinator internal coordinator;
    ComplianceRegistry internal registry;
    KeystoneEscrow internal escrow;
    KBOND internal bond;
    TUSDC internal cash;
    bytes32 internal attesterSet;

    address internal admin = makeAddr("admin");
    address internal creator = makeAddr("creator");
    address internal engine = makeAddr("engine");
    address internal pauser = makeAddr("pauser");
    address internal attester = makeAddr("attester");
    address internal stranger = makeAddr("stranger");
    Opening internal seller;
    Opening internal buyer;
    /// @dev Preimages of the party hashes in use, so that steps can be taken for whatever terms.
    mapping(bytes32 partyHash => Opening) private _openings;

    function setUp() public virtual {
        vm.warp(1_760_000_000);
        bond = new KBOND();
        cash = new TUSDC();
        seller = newParty("seller");
        buyer = newParty("buyer");
        IComplianceRegistry.AttesterSet[] memory sets = new IComplianceRegistry.AttesterSet[](1);
        sets[0] = setOf(attester);
        deployKeystone(sets);
        attesterSet = registry.attesterSetId(sets[0]);
    }

    function deployKeystone(IComplianceRegistry.AttesterSet[] memory sets) internal {
        deployKeystone(sets, ILayerZeroEndpointV2(address(0)));
    }

    /// @param endpoint Zero for a coordinator that never settles across chains.
    function deployKeystone(IComplianceRegistry.AttesterSet[] memory sets, ILayerZeroEndpointV2 endpoint) internal {
        uint64 here = uint64(block.chainid);
        address predicted = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        SettlementCoordinator.Roles memory roles = SettlementCoordinator.Roles(admin, creator, engine, pauser);
        ComplianceRegistry.Settings memory settings = ComplianceRegistry.Settings(predicted, admin, SET_DELAY, sets);
        if (testsArtifacts()) {
            registry = ComplianceRegistry(deployCode(artifact("ComplianceRegistry"), abi.encode(settings)));
            escrow = KeystoneEscrow(deployCode(artifact("KeystoneEscrow"), abi.encode(predicted, predicted, here)));
            bytes memory arguments = abi.encode(registry, escrow, roles, GRACE, endpoint);
            coordinator = SettlementCoordinator(deployCode(artifact("SettlementCoordinator"), arguments));
        } else {
            registry = new ComplianceRegistry(settings);
            escrow = new KeystoneEscrow(IGate(predicted), predicted, here);
            coordinator = new SettlementCoordinator(registry, escrow, roles, GRACE, endpoint);
        }
    }

    /// @dev With FOUNDRY_PROFILE=deployed, and always for gas, the very bytes that are deployed are tested (contracts/build.ts, via-IR).
    /// Otherwise forge's own build of the sources, which compiles faster and can be measured for coverage.
    function testsArtifacts() internal view virtual returns (bool) {
        return keccak256(bytes(vm.envOr("FOUNDRY_PROFILE", string("default")))) == keccak256("deployed");
    }

    function artifact(string memory name) internal pure returns (string memory) {
        return string.concat("out/", name, ".json");
    }

    /// @dev A party with a participant id and a wallet of its own.
    function newParty(string memory name) internal returns (Opening memory opening) {
        opening = Opening(participant(name), makeAddr(name));
        know(opening);
    }

    /// @dev Lets steps for terms that carry this party's hash find its preimage.
    function know(Opening memory opening) internal {
        _openings[partyHash(opening)] = opening;
    }

    function openingIn(CreateParams memory terms, uint8 partyIndex) internal view returns (Opening memory) {
        return _openings[terms.partyHashes[partyIndex]];
    }

    /// @dev One opening per leg, of its payee: what an execution brings along.
    function payeesOf(CreateParams memory terms) internal view returns (Opening[] memory openings) {
        openings = new Opening[](terms.legs.length);
        for (uint256 i; i < openings.length; ++i) {
            openings[i] = openingIn(terms, terms.legs[i].payee);
        }
    }

    /// @dev One opening per leg, of its payer: what a refund brings along.
    function payersOf(CreateParams memory terms) internal view returns (Opening[] memory openings) {
        openings = new Opening[](terms.legs.length);
        for (uint256 i; i < openings.length; ++i) {
            openings[i] = openingIn(terms, terms.legs[i].payer);
        }
    }

    function setOf(address only) internal pure returns (IComplianceRegistry.AttesterSet memory set) {
        set.attesters = new address[](1);
        set.attesters[0] = only;
        set.threshold = 1;
    }

    /// @dev 16 bytes, then 16 zero bytes, as for a UUID.
    function participant(string memory name) internal pure returns (bytes32) {
        return bytes32(bytes16(keccak256(bytes(name))));
    }

    function idOf(uint256 number) internal pure returns (bytes32) {
        return bytes32(number << 128);
    }

    function partyHash(Opening memory opening) internal pure returns (bytes32) {
        return keccak256(abi.encode(opening.participantId, opening.wallet));
    }

    function entityHash(Opening memory opening) internal pure returns (bytes32) {
        return keccak256(abi.encode(opening.participantId, address(0)));
    }

    function legOf(address token, uint256 amount, uint8 payer, uint8 payee) internal view returns (Leg memory leg) {
        leg.chainId = uint64(block.chainid);
        leg.escrow = address(escrow);
        leg.token = token;
        leg.amount = amount;
        leg.payer = payer;
        leg.payee = payee;
    }

    function partitionedLegOf(address token, bytes32 partition, uint256 amount, uint8 payer, uint8 payee)
        internal
        view
        returns (Leg memory leg)
    {
        leg = legOf(token, amount, payer, payee);
        leg.tokenStandard = TokenStandard.ERC1400;
        leg.partition = partition;
    }

    function nftLegOf(address token, uint256 tokenId, uint8 payer, uint8 payee) internal view returns (Leg memory leg) {
        leg = legOf(token, 1, payer, payee);
        leg.tokenStandard = TokenStandard.ERC721;
        leg.tokenId = tokenId;
    }

    /// @dev Terms between seller and buyer with the given legs.
    function termsWith(uint256 number, Leg[] memory legs) internal view returns (CreateParams memory terms) {
        terms.settlementId = idOf(number);
        terms.attesterSet = attesterSet;
        terms.deadline = uint64(block.timestamp) + LIFETIME;
        terms.partyHashes = new bytes32[](4);
        terms.partyHashes[SELLER_ENTITY] = entityHash(seller);
        terms.partyHashes[SELLER] = partyHash(seller);
        terms.partyHashes[BUYER_ENTITY] = entityHash(buyer);
        terms.partyHashes[BUYER] = partyHash(buyer);
        terms.legs = legs;
    }

    /// @dev `token0` from seller to buyer against `token1` from buyer to seller.
    function swapTerms(uint256 number, address token0, uint256 amount0, address token1, uint256 amount1)
        internal
        view
        returns (CreateParams memory)
    {
        Leg[] memory legs = new Leg[](2);
        legs[0] = legOf(token0, amount0, SELLER, BUYER);
        legs[1] = legOf(token1, amount1, BUYER, SELLER);
        return termsWith(number, legs);
    }

    /// @dev 500 KBOND against 125,000 TUSDC.
    function dvp(uint256 number) internal view returns (CreateParams memory) {
        return swapTerms(number, address(bond), BOND_AMOUNT, address(cash), CASH_AMOUNT);
    }

    function create(CreateParams memory terms) internal {
        vm.prank(creator);
        coordinator.createSettlement(terms);
    }

    function attestAll(CreateParams memory terms, ComplianceStatus status) internal {
        Attestation[] memory batch = new Attestation[](terms.partyHashes.length);
        for (uint256 i; i < batch.length; ++i) {
            batch[i] = Attestation(terms.settlementId, terms.partyHashes[i], status, keccak256(abi.encode("ref", i)));
        }
        vm.prank(attester);
        registry.attestBatch(batch);
    }

    function advance(CreateParams memory terms) internal {
        vm.prank(engine);
        coordinator.advance(terms.settlementId, DIGEST);
    }

    /// @dev Brings new terms to AWAITING_DEPOSITS.
    function open(CreateParams memory terms) internal {
        create(terms);
        attestAll(terms, ComplianceStatus.Pass);
        advance(terms);
    }

    /// @dev Mints and approves what the leg's payer needs.
    function fund(CreateParams memory terms, uint256 legIndex) internal {
        Leg memory leg = terms.legs[legIndex];
        address payer = openingIn(terms, leg.payer).wallet;
        if (leg.tokenStandard == TokenStandard.ERC1400) {
            KFUND(leg.token).mint(leg.partition, payer, leg.amount);
            vm.prank(payer);
            KFUND(leg.token).authorizeOperatorByPartition(leg.partition, leg.escrow);
            return;
        }
        bool isNft = leg.tokenStandard == TokenStandard.ERC721;
        IMintable(leg.token).mint(payer, isNft ? leg.tokenId : leg.amount);
        vm.prank(payer);
        IMintable(leg.token).approve(leg.escrow, isNft ? leg.tokenId : leg.amount);
    }

    /// @dev Pays a funded leg in, in whichever escrow it lives.
    function pay(CreateParams memory terms, uint256 legIndex) internal {
        Leg memory leg = terms.legs[legIndex];
        Opening memory payer = openingIn(terms, leg.payer);
        Opening memory payee = openingIn(terms, leg.payee);
        bytes32 termsHash = coordinator.hashTerms(terms);
        vm.prank(payer.wallet);
        KeystoneEscrow(leg.escrow).depositLeg(terms, legIndex, payer, payee, termsHash);
    }

    function deposit(CreateParams memory terms, uint256 legIndex) internal {
        fund(terms, legIndex);
        pay(terms, legIndex);
    }

    function stateOf(CreateParams memory terms) internal view returns (uint8) {
        return coordinator.stateOf(terms.settlementId);
    }
}
