/** What a leg is, as both ways in state it and as the settlement keeps it. */

export const LEG_TYPES = ['asset_delivery', 'payment'] as const;
export type LegType = (typeof LEG_TYPES)[number];

export const DIRECTIONS = ['deliver', 'receive'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** The position of a standard is its `tokenStandard` in the contract's `Leg`. */
export const TOKEN_STANDARDS = ['ERC-20', 'ERC-721', 'ERC-1400', 'ERC-3643'] as const;
export type TokenStandard = (typeof TOKEN_STANDARDS)[number];

/** What a leg of each standard names besides its token and its quantity. */
export const TOKEN_SELECTORS = {
  'ERC-20': 'none',
  'ERC-721': 'token_id',
  'ERC-1400': 'partition',
  'ERC-3643': 'none',
} as const satisfies Record<TokenStandard, 'none' | 'token_id' | 'partition'>;

/** What people write for the native coin of a chain. It has no contract that an escrow could pull from, so it is refused; wrapped, it is an ERC-20. */
export const NATIVE_COIN_ADDRESSES: readonly string[] = [`0x${'0'.repeat(40)}`, `0x${'e'.repeat(40)}`];

/** Largest id of an ERC-721 token: a uint256. */
export const MAXIMUM_TOKEN_ID = 2n ** 256n - 1n;

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
  /** Decimal; of an ERC-721 leg only. */
  readonly tokenId?: string | undefined;
  /** 0x and 64 lower-case hex digits; of an ERC-1400 leg only. */
  readonly partition?: string | undefined;
  readonly externalReference?: string | undefined;
}

/** Which asset a leg moves: two legs of one key move the same thing, and for an ERC-721 the same single token. */
export function assetKey(leg: Pick<StatedLeg, 'chainId' | 'instrumentId' | 'tokenId' | 'partition'>): string {
  return `${leg.chainId}/${leg.instrumentId.toLowerCase()}/${leg.tokenId ?? ''}/${leg.partition ?? ''}`;
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
