// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { CreateParams, Leg, SettlementState, TokenStandard } from "../../src/types/SettlementTypes.sol";
import { KeystoneTest } from "../KeystoneTest.sol";

/// @dev What the tests need of T-REX 4 and OnchainID 2, whose code is deployed from its published artifacts.
interface ITrex {
    function init() external;
    function init(address trustedIssuers, address claimTopics, address identityStorage) external;
    function init(
        address identityRegistry,
        address compliance,
        string calldata name,
        string calldata symbol,
        uint8 decimals,
        address onchainId
    ) external;
    function addAgent(address agent) external;
    function isAgent(address agent) external view returns (bool);
    function bindIdentityRegistry(address identityRegistry) external;
    function addClaimTopic(uint256 topic) external;
    function addTrustedIssuer(address issuer, uint256[] calldata topics) external;
    function registerIdentity(address wallet, address identity, uint16 country) external;
    function deleteIdentity(address wallet) external;
    function isVerified(address wallet) external view returns (bool);
    function addClaim(
        uint256 topic,
        uint256 scheme,
        address issuer,
        bytes calldata signature,
        bytes calldata data,
        string calldata uri
    ) external returns (bytes32);
    function mint(address to, uint256 amount) external;
    function unpause() external;
    function pause() external;
    function setAddressFrozen(address wallet, bool frozen) external;
    function balanceOf(address wallet) external view returns (uint256);
    function approve(address spender, uint256 amount) external;
}

/// @title A permissioned security as an issuer would deploy it; see erc3643.tree.
contract Erc3643Test is KeystoneTest {
    string private constant TREX = "../node_modules/@tokenysolutions/t-rex/artifacts/contracts/";
    string private constant ONCHAINID = "../node_modules/@onchain-id/solidity/artifacts/contracts/";
    uint256 private constant KYC = 1;
    uint256 private constant AMOUNT = 1_000e18;

    ITrex private token;
    ITrex private identities;
    address private claimIssuer;

    function setUp() public override {
        super.setUp();
        ITrex claimTopics = trex("registry/implementation/ClaimTopicsRegistry.sol/ClaimTopicsRegistry.json");
        ITrex trustedIssuers = trex("registry/implementation/TrustedIssuersRegistry.sol/TrustedIssuersRegistry.json");
        ITrex store = trex("registry/implementation/IdentityRegistryStorage.sol/IdentityRegistryStorage.json");
        ITrex compliance = trex("compliance/modular/ModularCompliance.sol/ModularCompliance.json");
        identities = trex("registry/implementation/IdentityRegistry.sol/IdentityRegistry.json");
        token = trex("token/Token.sol/Token.json");
        claimTopics.init();
        trustedIssuers.init();
        store.init();
        compliance.init();
        identities.init(address(trustedIssuers), address(claimTopics), address(store));
        token.init(address(identities), address(compliance), "Permissioned Bond", "PBOND", 18, address(0));
        store.bindIdentityRegistry(address(identities));
        identities.addAgent(address(this));
        token.addAgent(address(this));

        claimTopics.addClaimTopic(KYC);
        claimIssuer = deployCode(
            string.concat(ONCHAINID, "ClaimIssuer.sol/ClaimIssuer.json"), abi.encode(makeAddr("claim signer"))
        );
        uint256[] memory topics = new uint256[](1);
        topics[0] = KYC;
        trustedIssuers.addTrustedIssuer(claimIssuer, topics);
        token.unpause();
        verify(seller.wallet);
        verify(address(escrow));
    }

    function test_AVerifiedBuyer_IsPaid_WithTheEscrowAsAHolderLikeAnyOther() external {
        verify(buyer.wallet);
        CreateParams memory terms = openedTrade(1);
        deposit(terms, 0);
        assertEq(token.balanceOf(address(escrow)), AMOUNT);
        deposit(terms, 1);
        assertEq(token.balanceOf(buyer.wallet), AMOUNT);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT);
        assertFalse(token.isAgent(address(escrow)), "the agent role could move anybody's tokens");
    }

    function test_AnUnverifiedBuyer_GetsACredit_TheSellerIsPaid_AndVerificationBringsTheToken() external {
        CreateParams memory terms = openedTrade(1);
        deposit(terms, 0);
        deposit(terms, 1);
        expectCredited(terms);
        vm.expectRevert();
        escrow.withdraw(address(token), 0, 0, buyer.wallet);
        verify(buyer.wallet);
        escrow.withdraw(address(token), 0, 0, buyer.wallet);
        assertEq(token.balanceOf(buyer.wallet), AMOUNT);
    }

    function test_AFrozenBuyer_GetsACredit_UntilItIsUnfrozen() external {
        verify(buyer.wallet);
        CreateParams memory terms = openedTrade(1);
        deposit(terms, 0);
        token.setAddressFrozen(buyer.wallet, true);
        deposit(terms, 1);
        expectCredited(terms);
        token.setAddressFrozen(buyer.wallet, false);
        escrow.withdraw(address(token), 0, 0, buyer.wallet);
        assertEq(token.balanceOf(buyer.wallet), AMOUNT);
    }

    function test_AFrozenSeller_HasItsRefundAsACredit() external {
        CreateParams memory terms = openedTrade(1);
        deposit(terms, 0);
        token.setAddressFrozen(seller.wallet, true);
        vm.warp(terms.deadline);
        escrow.refund(terms, payersOf(terms));
        assertEq(escrow.creditOf(address(token), 0, 0, seller.wallet), AMOUNT);
        token.setAddressFrozen(seller.wallet, false);
        escrow.withdraw(address(token), 0, 0, seller.wallet);
        assertEq(token.balanceOf(seller.wallet), AMOUNT);
    }

    function test_RevertGiven_TheEscrowIsNotVerified_OrTheTokenIsPaused_AndTheSellerKeepsItsTokens() external {
        CreateParams memory terms = openedTrade(1);
        fund(terms, 0);
        identities.deleteIdentity(address(escrow));
        vm.expectRevert();
        this.payExternally(terms, 0);
        verify(address(escrow));
        token.pause();
        vm.expectRevert();
        this.payExternally(terms, 0);
        assertEq(token.balanceOf(seller.wallet), AMOUNT);
        token.unpause();
        pay(terms, 0);
    }

    /// @dev So that expectRevert meets the deposit and not the preparations for it.
    function payExternally(CreateParams memory terms, uint256 legIndex) external {
        pay(terms, legIndex);
    }

    function openedTrade(uint256 number) private returns (CreateParams memory terms) {
        Leg[] memory legs = new Leg[](2);
        legs[0] = legOf(address(token), AMOUNT, SELLER, BUYER);
        legs[0].tokenStandard = TokenStandard.ERC3643;
        legs[1] = legOf(address(cash), CASH_AMOUNT, BUYER, SELLER);
        terms = termsWith(number, legs);
        open(terms);
    }

    function expectCredited(CreateParams memory terms) private view {
        assertEq(stateOf(terms), SettlementState.FINALIZED);
        assertEq(cash.balanceOf(seller.wallet), CASH_AMOUNT, "the other leg is paid");
        assertEq(escrow.creditOf(address(token), 0, 0, buyer.wallet), AMOUNT);
        assertEq(token.balanceOf(address(escrow)), AMOUNT);
    }

    /// @dev Gives a wallet an identity with a claim that the trusted issuer has signed.
    function verify(address wallet) private {
        (, uint256 key) = makeAddrAndKey("claim signer");
        ITrex identity =
            ITrex(deployCode(string.concat(ONCHAINID, "Identity.sol/Identity.json"), abi.encode(address(this), false)));
        bytes memory data = "passed";
        bytes32 claim = keccak256(abi.encode(address(identity), KYC, data));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(key, keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", claim)));
        identity.addClaim(KYC, 1, claimIssuer, abi.encodePacked(r, s, v), data, "");
        identities.registerIdentity(wallet, address(identity), 276);
        assertTrue(identities.isVerified(wallet));
    }

    function trex(string memory path) private returns (ITrex) {
        return ITrex(deployCode(string.concat(TREX, path)));
    }
}
