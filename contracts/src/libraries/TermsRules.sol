// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ISettlementCoordinator } from "../interfaces/ISettlementCoordinator.sol";
import { MAX_AMOUNT, MAX_FEES, MAX_LEGS, MAX_LIFETIME } from "../types/Limits.sol";
import { CreateParams, Fee, Leg, TokenStandard } from "../types/SettlementTypes.sol";
import { TermsLibrary } from "./TermsLibrary.sol";

/// @title What terms must look like to be created. Party hashes are the registry's concern.
library TermsRules {
    using TermsLibrary for Leg;

    /// @notice Reverts with the first rule that the terms break.
    /// @param escrow The only escrow in which legs may live.
    /// @return homeLegBits Bit i is set when leg i lives in `escrow`.
    function check(CreateParams calldata terms, address escrow) internal view returns (uint32 homeLegBits) {
        bytes32 id = terms.settlementId;
        if (id == 0 || uint128(uint256(id)) != 0) revert ISettlementCoordinator.InvalidSettlementId(id);

        uint256 latest = block.timestamp + MAX_LIFETIME;
        if (terms.deadline <= block.timestamp || terms.deadline > latest) {
            revert ISettlementCoordinator.InvalidDeadline(id, terms.deadline, latest);
        }

        uint256 count = terms.legs.length;
        if (count == 0 || count > MAX_LEGS) revert ISettlementCoordinator.InvalidLegCount(count, MAX_LEGS);
        for (uint256 i; i < count; ++i) {
            _checkLeg(terms.legs[i], i, terms.partyHashes.length, escrow);
        }
        // casting to uint32 is safe: count <= MAX_LEGS = 8
        return uint32((1 << count) - 1);
    }

    function _checkLeg(Leg calldata leg, uint256 legIndex, uint256 parties, address escrow) private view {
        if (!leg.isHeldBy(escrow)) revert ISettlementCoordinator.LegNotHere(legIndex, leg.chainId, leg.escrow);

        bool isNft = leg.tokenStandard == TokenStandard.ERC721;
        if (leg.tokenStandard > TokenStandard.ERC3643 || leg.tokenStandard == TokenStandard.ERC1400) {
            revert ISettlementCoordinator.UnsupportedTokenStandard(legIndex, leg.tokenStandard);
        }
        if (leg.token == address(0)) revert ISettlementCoordinator.NativeCoinRefused(legIndex);
        if (leg.token.code.length == 0 || leg.token == escrow || leg.token == address(this)) {
            revert ISettlementCoordinator.InvalidToken(legIndex, leg.token);
        }
        if (leg.amount == 0 || leg.amount > MAX_AMOUNT || (isNft && leg.amount != 1)) {
            revert ISettlementCoordinator.InvalidAmount(legIndex, leg.amount);
        }
        if (leg.partition != 0 || (!isNft && leg.tokenId != 0)) {
            revert ISettlementCoordinator.InvalidTokenSelector(legIndex, leg.tokenId, leg.partition);
        }
        if (leg.payer == leg.payee || leg.payer >= parties || leg.payee >= parties) {
            revert ISettlementCoordinator.InvalidLegParties(legIndex, leg.payer, leg.payee);
        }
        _checkFees(leg, legIndex, isNft ? 0 : MAX_FEES, escrow);
    }

    function _checkFees(Leg calldata leg, uint256 legIndex, uint256 maximum, address escrow) private pure {
        uint256 count = leg.fees.length;
        if (count > maximum) revert ISettlementCoordinator.TooManyFees(legIndex, count, maximum);
        uint256 total;
        for (uint256 i; i < count; ++i) {
            Fee calldata fee = leg.fees[i];
            // Bounding each fee by the amount keeps the sum from overflowing past the comparison below.
            if (fee.amount == 0 || fee.amount > MAX_AMOUNT || !_mayReceive(fee.recipient, escrow, leg.token)) {
                revert ISettlementCoordinator.InvalidFee(legIndex, i);
            }
            total += fee.amount;
        }
        if (total >= leg.amount) revert ISettlementCoordinator.FeesExceedAmount(legIndex, total, leg.amount);
    }

    function _mayReceive(address recipient, address escrow, address token) private pure returns (bool) {
        return recipient != address(0) && recipient != escrow && recipient != token;
    }
}
