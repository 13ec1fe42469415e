/** What a leg is, as both ways in state it and as the settlement keeps it. */

export const LEG_TYPES = ['asset_delivery', 'payment'] as const;
export type LegType = (typeof LEG_TYPES)[number];

export const DIRECTIONS = ['deliver', 'receive'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** The position of a standard is its `tokenStandard` in the contract's `Leg`. */
export const TOKEN_STANDARDS = ['ERC-20', 'ERC-721', 'ERC-1400', 'ERC-3643'] as const;
export type TokenStandard = (typeof TOKEN_STANDARDS)[number];

export const LEG_STATUSES = ['pending', 'locked', 'released', 'rolled_back'] as const;
export type LegStatus = (typeof LEG_STATUSES)[number];

/** A leg as a platform states it; `direction` is from the point of view of the party that states it (or of `partyRole`). */
export interface StatedLeg {
  readonly legType: LegType;
  /** Token contract address; compared without regard to case. */
  readonly instrumentId: string;
  /** Decimal string, human units. */
  readonly quantity: string;
  readonly direction: Direction;
  readonly chainId: number;
  readonly tokenStandard: TokenStandard;
  readonly externalReference?: string | undefined;
}

export function oppositeDirection(direction: Direction): Direction {
  return direction === 'deliver' ? 'receive' : 'deliver';
}

/** Who pays and who is paid: the deliverer pays. Roles are those of a two-party template. */
export function payerAndPayee(
  partyRole: string,
  direction: Direction,
  roles: readonly [string, string],
): { payerRole: string; payeeRole: string } {
  const other = roles[0] === partyRole ? roles[1] : roles[0];
  return direction === 'deliver'
    ? { payerRole: partyRole, payeeRole: other }
    : { payerRole: other, payeeRole: partyRole };
}

export function tokenStandardIndex(standard: TokenStandard): number {
  return TOKEN_STANDARDS.indexOf(standard);
}
