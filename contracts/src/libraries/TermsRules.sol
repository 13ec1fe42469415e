// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import { ISettlementCoordinator } from "../interfaces/ISettlementCoordinator.sol";
import { MAX_AMOUNT, MAX_FEES, MAX_LEGS, MAX_LIFETIME } from "../types/Limits.sol";
import { CreateParams, Fee, Leg, TokenStandard } from "../types/SettlementTypes.sol";

/// @title What terms must look like to be created. Party hashes are the registry's concern; where legs may live is the coordinator's.
library TermsRules {
    /// @notice Reverts when id, deadline or number of legs break a rule.
    function checkFrame(CreateParams calldata terms) internal view {
        bytes32 id = terms.settlementId;
        if (id == 0 || uint128(uint256(id)) != 0) revert ISettlementCoordinator.InvalidSettlementId(id);

        uint256 latest = block.timestamp + MAX_LIFETIME;
        if (terms.deadline <= block.timestamp || terms.deadline > latest) {
            revert ISettlementCoordinator.InvalidDeadline(id, terms.deadline, latest);
        }
        uint256 count = terms.legs.length;
        if (count == 0 || count > MAX_LEGS) revert ISettlementCoordinator.InvalidLegCount(count, MAX_LEGS);
    }

    /// @notice Reverts with the first rule that a leg breaks.
    /// @param parties Number of party hashes.
    /// @param isHere Whether the leg lives on this chain, so that its token can be looked at. Elsewhere the deposit does that.
    function checkLeg(Leg calldata leg, uint256 legIndex, uint256 parties, bool isHere) internal view {
        address token = leg.token;
        uint256 amount = leg.amount;
        uint8 standard = leg.tokenStandard;
        bool isNft = standard == TokenStandard.ERC721;
        if (standard > TokenStandard.ERC3643) {
            revert ISettlementCoordinator.UnsupportedTokenStandard(legIndex, standard);
        }
        if (token == address(0)) revert ISettlementCoordinator.NativeCoinRefused(legIndex);
        if (token == leg.escrow || (isHere && (token.code.length == 0 || token == address(this)))) {
            revert ISettlementCoordinator.InvalidToken(legIndex, token);
        }
        if (amount == 0 || amount > MAX_AMOUNT || (isNft && amount != 1)) {
            revert ISettlementCoordinator.InvalidAmount(legIndex, amount);
        }
        bool isPartitioned = standard == TokenStandard.ERC1400;
        if ((leg.partition != 0) != isPartitioned || (!isNft && leg.tokenId != 0)) {
            revert ISettlementCoordinator.InvalidTokenSelector(legIndex, leg.tokenId, leg.partition);
        }
        if (leg.payer == leg.payee || leg.payer >= parties || leg.payee >= parties) {
            revert ISettlementCoordinator.InvalidLegParties(legIndex, leg.payer, leg.payee);
        }
        _checkFees(leg, legIndex, isNft ? 0 : MAX_FEES);
    }

    function _checkFees(Leg calldata leg, uint256 legIndex, uint256 maximum) private pure {
        uint256 count = leg.fees.length;
        if (count == 0) return;
        if (count > maximum) revert ISettlementCoordinator.TooManyFees(legIndex, count, maximum);
        uint256 total;
        for (uint256 i; i < count; ++i) {
            Fee calldata fee = leg.fees[i];
            address recipient = fee.recipient;
            bool mayReceive = recipient != address(0) && recipient != leg.escrow && recipient != leg.token;
            // Bounding each fee keeps the sum from overflowing past the comparison below.
            if (fee.amount == 0 || fee.amount > MAX_AMOUNT || !mayReceive) {
                revert ISettlementCoordinator.InvalidFee(legIndex, i);
            }
            total += fee.amount;
        }
        if (total >= leg.amount) revert ISettlementCoordinator.FeesExceedAmount(legIndex, total, leg.amount);
    }
}
