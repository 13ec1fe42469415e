/**
 * Everything that the two sandboxes know, in one place. Entity names are fictitious; a name that is not here and holds
 * no marker has no hits. Wallets are the set that the vendor publishes for `config=co-sandbox`.
 */

export type Resolution = 'POSITIVE' | 'POSSIBLE' | 'FALSE';

/** One hit as the World-Check sandbox builds it. */
export interface CatalogueHit {
  matchStrength: 'WEAK' | 'MEDIUM' | 'STRONG' | 'EXACT';
  matchScore: number;
  categories: readonly string[];
  /** Whether the registered country of the hit agrees with the submitted one, when one was submitted. */
  registeredCountry?: 'MATCHED' | 'NOT_MATCHED';
  pepStatus?: 'ACTIVE' | 'INACTIVE';
  resolution?: Resolution;
  reviewRequired?: boolean;
}

/** A name that contains the marker (any case) has these hits; the first marker wins. */
export const NAME_MARKERS: ReadonlyArray<{ marker: string; hits: readonly CatalogueHit[] }> = [
  {
    marker: 'SANCTIONED',
    hits: [{ matchStrength: 'EXACT', matchScore: 100, categories: ['Sanctions'], resolution: 'POSITIVE' }],
  },
  {
    marker: 'FLAGME',
    hits: [
      { matchStrength: 'STRONG', matchScore: 93.5, categories: ['PEP'], pepStatus: 'ACTIVE' },
      { matchStrength: 'MEDIUM', matchScore: 86.2, categories: ['Sanctions', 'Other Bodies'] },
    ],
  },
];

/** Fictitious names and their hits; compared without regard to case, marks and punctuation. */
export const NAMED_ENTITIES: ReadonlyArray<{ name: string; hits: readonly CatalogueHit[] }> = [
  {
    name: 'Nordhavn Petrochemical Export',
    hits: [{ matchStrength: 'EXACT', matchScore: 100, categories: ['Sanctions'], resolution: 'POSITIVE' }],
  },
  {
    name: 'Borealis Meridian Trading House',
    hits: [{ matchStrength: 'EXACT', matchScore: 99, categories: ['Sanctions'], registeredCountry: 'MATCHED' }],
  },
  {
    name: 'Tamarind Coast Energy Corporation',
    hits: [{ matchStrength: 'STRONG', matchScore: 94, categories: ['PEP'], pepStatus: 'ACTIVE' }],
  },
  {
    name: 'Quillon Harbour Securities',
    hits: [{ matchStrength: 'MEDIUM', matchScore: 87, categories: ['Regulatory Enforcement'] }],
  },
  {
    name: 'Vestergate Recovery Partners',
    hits: [
      { matchStrength: 'STRONG', matchScore: 92, categories: ['Sanctions'], resolution: 'FALSE', reviewRequired: true },
    ],
  },
  {
    name: 'Ashgrove Lindqvist Holdings',
    hits: [{ matchStrength: 'STRONG', matchScore: 95, categories: ['Sanctions'], resolution: 'FALSE' }],
  },
  {
    name: 'Calder and Voss Shipping',
    hits: [
      { matchStrength: 'WEAK', matchScore: 76, categories: ['Sanctions'] },
      { matchStrength: 'MEDIUM', matchScore: 85, categories: ['Other Bodies'] },
    ],
  },
  {
    name: 'Tidewater Merino Mills',
    hits: [{ matchStrength: 'WEAK', matchScore: 75.4, categories: ['Sanctions'] }],
  },
];

/** Ids of a group are its own: they differ from the vendor's defaults so that nobody hard-codes those. */
export const RESOLUTION_STATUS_IDS: Record<Resolution | 'UNSPECIFIED', string> = {
  POSITIVE: 'sbx-status-0001',
  POSSIBLE: 'sbx-status-0002',
  FALSE: 'sbx-status-0003',
  UNSPECIFIED: 'sbx-status-0004',
};

/** One line of exposure of a catalogued wallet. */
export interface CatalogueExposure {
  category: string;
  direction: 'DIRECT' | 'SEND' | 'RECEIVE';
  hops: number;
}

export interface CatalogueWallet {
  band: 'Severe' | 'High' | 'Medium' | 'Low';
  exposures: readonly CatalogueExposure[];
}

const direct = (...categories: string[]): CatalogueExposure[] =>
  categories.map((category) => ({ category, direction: 'DIRECT', hops: 0 }));
const received = (...categories: string[]): CatalogueExposure[] =>
  categories.map((category) => ({ category, direction: 'RECEIVE', hops: 1 }));
const sent = (...categories: string[]): CatalogueExposure[] =>
  categories.map((category) => ({ category, direction: 'SEND', hops: 1 }));
const severe = (...exposures: CatalogueExposure[]): CatalogueWallet => ({ band: 'Severe', exposures });

/** Chain → lower-case EVM address or Tron address → what is known. Any other address has no risk. */
export const SANDBOX_WALLETS: Readonly<Record<'evm' | 'tron', Readonly<Record<string, CatalogueWallet>>>> = {
  evm: {
    '0x93df2c9c8786242b8fdca3f96b3914b8b4a9f704': severe(...direct('hack'), ...received('ofac', 'japan-sanctioned')),
    '0xab346efef1ffe377cdad686abeab62e83df1099f': severe(...direct('hack'), ...received('ofac', 'japan-sanctioned')),
    '0xf7b31119c2682c88d88d455dbb9d5932c65cf1be': severe(...direct('hack', 'ofac', 'japan-sanctioned')),
    '0xa0e1c89ef1a489c9c7de96311ed5ce5d32c20e4b': severe(...direct('hack', 'ofac', 'japan-sanctioned')),
    '0x6ac5251e07a9cafccec9af39f08222f52ec8c1bc': severe(...direct('hack', 'ofac')),
    '0x4f47bc496083c727c5fbe3ce9cdf2b0f6496270c': severe(...direct('ofac', 'japan-sanctioned')),
    '0x2ad9790b5116ce19b9cc59c7982a64df0fea84bc': severe(...direct('ofac'), ...received('hack', 'japan-sanctioned')),
    '0x511b9ed0b7ef9dfad519f398fdfbdf6af8356780': severe(...direct('hack', 'ofac')),
  },
  tron: {
    TEAqwfMhXLaomXhZ8KeMhx3njGmQEDnsUR: severe(...direct('ofac')),
    THrqsvhL6hgMGcsNQibXUCAVXeExy3c1ip: severe(...direct('hack', 'ofac')),
    TV5Wn9L9T7CwrAZhrxyEGunkvQiSnsGy2H: severe(...direct('hack', 'ofac')),
    TCwrBc8fBnLTAQQENwkTLP4UEESM9Ksg6n: severe(...direct('hack', 'ofac')),
    TCSrVLXVvMtaFpE3xjUHveU4P6APan8uBy: { band: 'High', exposures: sent('ofac') },
  },
};

/** What a test gets for a wallet that it lists by the control API. `Unexplained` is risk without any reason. */
export const CONTROL_WALLETS: Readonly<
  Record<'Severe' | 'SevereIndirect' | 'High' | 'Medium' | 'Low' | 'Unexplained', CatalogueWallet | undefined>
> = {
  Severe: severe(...direct('ofac')),
  SevereIndirect: severe(...received('mixer')),
  High: { band: 'High', exposures: received('mixer') },
  Medium: { band: 'Medium', exposures: received('scam') },
  Low: { band: 'Low', exposures: received('scam') },
  Unexplained: undefined,
};
