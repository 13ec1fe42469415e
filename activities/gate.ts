import type { AttesterSet } from '../chain/registry.ts';
import { partyHashesOf } from '../chain/terms-of-work.ts';
import type { SettlementWork } from '../db/settlement-work.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { templateOf } from './steps.ts';

/** Who attests the settlement's parties, and whether our own oracle is one of them. */
export interface Attesters extends AttesterSet {
  readonly ours: boolean;
}

/** The registry says who belongs to the template's set, so that a deployment with other members needs no change here. */
export async function attestersOf({ chains }: ActivityDependencies, work: SettlementWork): Promise<Attesters> {
  const { home } = chains;
  const members = await home.membersOf(home.attesterSet(templateOf(work).attesterSet));
  return { ...members, ours: members.attesters.includes(home.oracle.toLowerCase()) };
}

/**
 * Why the gate on chain is closed: an attester's latest word about a party is Fail or Flagged, or some have not spoken yet. Any attester of the
 * set may close it, whatever the others say; a flag is lifted only by the one who raised it. Undefined when it is open.
 */
export async function closedGate(
  dependencies: ActivityDependencies,
  work: SettlementWork,
): Promise<'waiting' | 'flagged' | 'failed' | undefined> {
  const { home } = dependencies.chains;
  if (await home.gateIsOpen(work.id)) return undefined;
  const { attesters } = await attestersOf(dependencies, work);
  const hashes = partyHashesOf(work).map((party) => party.party_hash);
  const words = await Promise.all(attesters.map((attester) => home.statusesOf(work.id, hashes, attester)));
  const said = new Set(words.flat());
  if (said.has('FAIL')) return 'failed';
  return said.has('FLAGGED') ? 'flagged' : 'waiting';
}
