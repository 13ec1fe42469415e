import {
  FAILURE_STATES,
  SETTLEMENT_STATES,
  type SettlementState,
  TERMINAL_STATES,
  TRANSITIONS,
} from './settlement-state.ts';
import type { FeeMode } from './fees.ts';
import type { LegType } from './legs.ts';

/**
 * A template chooses roles, legs wanted, screening providers, attester set and who bears a fee; the fee itself is configuration
 * (domain/template-fees.ts). It never chooses gates: those are fixed in the contract. The identifiers are constants because clients address templates by UUID across installations.
 */
export interface SettlementTemplate {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly version: number;
  readonly requiredRoles: readonly string[];
  /** Leg types of which at least one must be present; empty means that the sides settle whatever they state. */
  readonly requiredLegTypes: readonly LegType[];
  readonly entityProviders: readonly string[];
  readonly walletProviders: readonly string[];
  /** Name of the attester set in the configuration of the coordinator's chain. Whether our own oracle belongs to it is asked at run time. */
  readonly attesterSet: AttesterSetName;
  /** Who bears the template's fee where the sides say nothing. */
  readonly feeMode: FeeMode;
  readonly createdAt: string;
}

/** `default`: our oracle. `platform`: the platform's own. `two-of-two`: both, and both must say Pass. */
export const ATTESTER_SETS = ['default', 'platform', 'two-of-two'] as const;
export type AttesterSetName = (typeof ATTESTER_SETS)[number];

export const DEFAULT_TEMPLATE_SLUG = 'dvp-standard';

export const SETTLEMENT_TEMPLATES: readonly SettlementTemplate[] = [
  {
    id: '6f1d2c1e-6a0b-4f3e-9a54-0f6d1a5d0001',
    slug: DEFAULT_TEMPLATE_SLUG,
    name: 'Delivery versus payment',
    description: 'An asset against a payment; both legs move or neither does.',
    version: 1,
    requiredRoles: ['seller', 'buyer'],
    requiredLegTypes: ['asset_delivery', 'payment'],
    entityProviders: ['lseg_worldcheck'],
    walletProviders: ['cipherowl'],
    attesterSet: 'default',
    feeMode: 'seller_pays',
    createdAt: '2026-11-21T00:00:00.000Z',
  },
  {
    id: '6f1d2c1e-6a0b-4f3e-9a54-0f6d1a5d0002',
    slug: 'dvp-immediate',
    name: 'Immediate delivery',
    description: 'Settles what both sides state, a delivery free of payment included.',
    version: 1,
    requiredRoles: ['seller', 'buyer'],
    requiredLegTypes: [],
    entityProviders: ['lseg_worldcheck'],
    walletProviders: ['cipherowl'],
    attesterSet: 'default',
    feeMode: 'seller_pays',
    createdAt: '2026-11-21T00:00:00.000Z',
  },
  {
    id: '6f1d2c1e-6a0b-4f3e-9a54-0f6d1a5d0003',
    slug: 'dvp-crosschain',
    name: 'Delivery versus payment across two chains',
    description:
      'An asset on one chain against a payment on another; both legs move or neither does. No asset is bridged.',
    version: 1,
    requiredRoles: ['seller', 'buyer'],
    requiredLegTypes: ['asset_delivery', 'payment'],
    entityProviders: ['lseg_worldcheck'],
    walletProviders: ['cipherowl'],
    attesterSet: 'default',
    feeMode: 'seller_pays',
    createdAt: '2026-11-21T00:00:00.000Z',
  },
  {
    id: '6f1d2c1e-6a0b-4f3e-9a54-0f6d1a5d0004',
    slug: 'dvp-platform-oracle',
    name: 'Delivery versus payment, cleared by a platform’s own oracle',
    description:
      'The platform screens the parties and attests them from its own key; this system neither screens nor attests.',
    version: 1,
    requiredRoles: ['seller', 'buyer'],
    requiredLegTypes: ['asset_delivery', 'payment'],
    entityProviders: [],
    walletProviders: [],
    attesterSet: 'platform',
    feeMode: 'seller_pays',
    createdAt: '2026-11-21T00:00:00.000Z',
  },
  {
    id: '6f1d2c1e-6a0b-4f3e-9a54-0f6d1a5d0005',
    slug: 'dvp-two-attesters',
    name: 'Delivery versus payment, cleared by two attesters',
    description: 'Our oracle and the platform’s own both attest the parties, and both must say Pass.',
    version: 1,
    requiredRoles: ['seller', 'buyer'],
    requiredLegTypes: ['asset_delivery', 'payment'],
    entityProviders: ['lseg_worldcheck'],
    walletProviders: ['cipherowl'],
    attesterSet: 'two-of-two',
    feeMode: 'seller_pays',
    createdAt: '2026-11-21T00:00:00.000Z',
  },
];

export function templateBySlug(slug: string): SettlementTemplate | undefined {
  return SETTLEMENT_TEMPLATES.find((template) => template.slug === slug);
}

export function templateById(id: string): SettlementTemplate | undefined {
  return SETTLEMENT_TEMPLATES.find((template) => template.id === id);
}

interface TemplateAction {
  type: string;
  provider: string;
  resolution: 'immediate' | 'webhook' | 'poll' | 'manual';
  params: Record<string, unknown>;
}

const ACTIONS: Partial<Record<SettlementState, TemplateAction>> = {
  AWAITING_CONFIRMATION: {
    type: 'await_confirmation',
    provider: 'internal',
    resolution: 'manual',
    params: {},
  },
  COMPLIANCE_CHECKING: {
    type: 'compliance_check',
    provider: 'internal',
    resolution: 'immediate',
    params: {},
  },
  COMPLIANCE_CLEARED: {
    type: 'noop',
    provider: 'internal',
    resolution: 'immediate',
    params: {},
  },
  AWAITING_DEPOSITS: {
    type: 'monitor_deposits',
    provider: 'escrow',
    resolution: 'poll',
    params: {},
  },
  EXECUTING_SWAP: {
    type: 'execute_escrow',
    provider: 'escrow',
    resolution: 'immediate',
    params: {},
  },
};

/** The template as the API shows it (`reference/keystone-os.md` §3.5 and §8.1 name the fields). */
export function templateConfig(template: SettlementTemplate) {
  return {
    states: [...SETTLEMENT_STATES],
    initial_state: 'INSTRUCTED' as const,
    terminal_states: TERMINAL_STATES.filter((state) => !(FAILURE_STATES as readonly string[]).includes(state)),
    failure_states: [...FAILURE_STATES],
    transitions: Object.fromEntries(
      SETTLEMENT_STATES.filter((state) => TRANSITIONS[state].length > 0).map((state) => [
        state,
        { allowed_next: [...TRANSITIONS[state]] },
      ]),
    ),
    compliance: {
      recheck_at_states: [] as string[],
      entity_providers: [...template.entityProviders],
      wallet_providers: [...template.walletProviders],
    },
    required_roles: [...template.requiredRoles],
    required_leg_types: [...template.requiredLegTypes],
    actions: ACTIONS,
  };
}
