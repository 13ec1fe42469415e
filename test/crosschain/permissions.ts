import type { Person } from './world.ts';

/** Who may call which function that changes anything, of every contract. The tests take the functions from the ABI, so none can be forgotten. */

/** Everybody whose key could be stolen. `engine` creates settlements and carries them forward; `relayer` holds gas money and no role. */
export const KEYS = [
  'engine',
  'oracle',
  'relayer',
  'admin',
  'pauser',
  'configurator',
  'stranger',
] as const satisfies Person[];
export type Key = (typeof KEYS)[number];

export type ContractName = 'coordinator' | 'registry' | 'homeEscrow' | 'gateway' | 'remoteEscrow';

/** What nobody's key may call, another contract may, or the one party that it concerns. */
export type Instead = 'coordinator' | 'escrow' | 'endpoint' | 'payer';

export interface Permission {
  readonly allowed: readonly Key[] | 'anybody' | 'nobody';
  /** The error that everybody else gets. */
  readonly refusal?: string;
  /** Who may, where nobody's key may. */
  readonly instead?: Instead;
}

const ANYBODY: Permission = { allowed: 'anybody' };
const only = (key: Key): Permission => ({ allowed: [key], refusal: 'AccessControlUnauthorizedAccount' });
const contract = (instead: Instead, refusal: string): Permission => ({ allowed: 'nobody', instead, refusal });
const FROZEN: Permission = { allowed: 'nobody', refusal: 'CallerNotConfigurator' };

const ROLES = { grantRole: only('admin'), revokeRole: only('admin'), renounceRole: ANYBODY } as const;
const GATE = {
  recordDeposit: contract('escrow', 'CallerNotEscrow'),
  beginExecution: contract('escrow', 'CallerNotEscrow'),
  endExecution: contract('escrow', 'CallerNotEscrow'),
  claimRefund: contract('escrow', 'CallerNotEscrow'),
  lzReceive: contract('endpoint', 'CallerNotEndpoint'),
  freeze: FROZEN,
  pause: only('pauser'),
  unpause: only('admin'),
} as const;
const ESCROW = {
  depositLeg: contract('payer', 'CallerNotPayer'),
  executeFromDeposit: contract('escrow', 'CallerNotSelf'),
  execute: ANYBODY,
  refund: ANYBODY,
  withdraw: ANYBODY,
} as const;

export const PERMISSIONS: Readonly<Record<ContractName, Readonly<Record<string, Permission>>>> = {
  coordinator: {
    ...ROLES,
    ...GATE,
    createSettlement: only('engine'),
    transition: only('engine'),
    advance: only('engine'),
    connect: FROZEN,
    timeout: ANYBODY,
    execute: ANYBODY,
    sendOpen: ANYBODY,
    sendDecision: ANYBODY,
  },
  registry: {
    ...ROLES,
    attest: { allowed: ['oracle'], refusal: 'NotAnAttester' },
    attestBatch: { allowed: ['oracle'], refusal: 'NotAnAttester' },
    // Whoever brings the oracle's signature.
    attestBySignature: ANYBODY,
    attestBatchBySignature: ANYBODY,
    registerAttesterSet: only('admin'),
    disableAttester: only('admin'),
    registerParties: contract('coordinator', 'CallerNotCoordinator'),
  },
  // The coordinator's own chain decides by itself: there is nothing to release.
  homeEscrow: { ...ESCROW, release: { allowed: 'nobody', refusal: 'ReleaseNotAvailable' } },
  gateway: { ...ROLES, ...GATE, claimRelease: contract('escrow', 'CallerNotEscrow'), sendVote: ANYBODY },
  // Whoever brings the signatures of every payer and payee there.
  remoteEscrow: { ...ESCROW, release: ANYBODY },
};
