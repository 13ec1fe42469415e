import {
  FAILURE_STATES,
  SETTLEMENT_STATES,
  type SettlementState,
  TERMINAL_STATES,
  TRANSITIONS,
} from './settlement-state.ts';
import type { LegType } from './legs.ts';

/**
 * A template chooses roles, legs wanted, screening providers, attester set, time-outs and fees. It never chooses gates: those are
 * fixed in the contract. The identifiers are constants because clients address templates by UUID across installations.
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
  /** Name of the attester set in the chain configuration. */
  readonly attesterSet: string;
  readonly createdAt: string;
}

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
