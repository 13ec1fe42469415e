/** Who pays and is paid, and who screened them: openings, the attester set, and the gate as the attestations show it. */

import { keccak256, abiWord } from './abi.ts';
import { hexToBytes } from './bytes.ts';
import type { AttesterSetEvidence, PartyOpening, SettlementEvidence } from './evidence-types.ts';
import type { Pack } from './pack-types.ts';
import { isBefore } from './pack-view.ts';
import type { Findings } from './report.ts';
import { partyHash } from './terms.ts';

const PASS = 1;
const NO_WALLET = '0x0';

export function checkParties(
  pack: Pack,
  evidence: SettlementEvidence,
  names: readonly string[],
  findings: Findings,
): void {
  const words = latestWords(evidence);
  const isCleared = (hash: string | undefined): boolean => clears(words.get(hash ?? ''), evidence.attester_set);
  checkOpenings(pack, evidence, findings);
  checkScreening(pack, evidence, isCleared, findings);
  checkAttesters(pack, evidence, names, findings);
  findings.holds(
    'every party was cleared before the decision was anchored',
    evidence.terms.party_hashes.every((hash) => isCleared(hash)),
    evidence.attester_set === undefined
      ? 'the latest word of each attester about each party hash is Pass, and there is one'
      : `${evidence.attester_set.threshold} of the set’s attesters say Pass about each party hash, and none says otherwise`,
  );
}

/** keccak256(abi.encode(address[] attesters, uint8 threshold)), the registry's name of a set. */
export function attesterSetId(set: AttesterSetEvidence): string {
  const head = abiWord(64n) + abiWord(BigInt(set.threshold)) + abiWord(BigInt(set.attesters.length));
  return keccak256(hexToBytes(head + set.attesters.map((attester) => abiWord(attester)).join('')));
}

/** By party hash, then by attester: its latest status before the anchor. */
function latestWords(evidence: SettlementEvidence): Map<string, Map<string, number>> {
  const words = new Map<string, Map<string, number>>();
  const inOrder = evidence.attestations
    .filter((attestation) => isBefore(attestation, evidence.anchor))
    .toSorted((a, b) => (isBefore(a, b) ? -1 : 1));
  for (const { party_hash, attester, status } of inOrder) {
    const byAttester = words.get(party_hash) ?? new Map<string, number>();
    words.set(party_hash, byAttester.set(attester, status));
  }
  return words;
}

/** The registry's rule: enough latest Pass, and no latest Flagged or Fail. Without the set, one Pass is enough. */
function clears(words: ReadonlyMap<string, number> | undefined, set: AttesterSetEvidence | undefined): boolean {
  const statuses = [...(words ?? [])];
  const passes = statuses.filter(
    ([attester, status]) => status === PASS && (set === undefined || set.attesters.includes(attester)),
  );
  return passes.length >= Math.max(1, set?.threshold ?? 1) && statuses.every(([, status]) => status === PASS);
}

/** Every leg's two sides as `[party index, wallet, role, chain]`. */
function sidesOf(
  pack: Pack,
  evidence: SettlementEvidence,
): { index: number; wallet: string; role: string; chain: string }[] {
  return pack.settled_legs.legs.flatMap((leg, position) => {
    const term = evidence.terms.legs[position];
    return [
      { index: term?.payer ?? -1, wallet: leg.payer, role: leg.from_role, chain: leg.chain_id },
      { index: term?.payee ?? -1, wallet: leg.payee, role: leg.to_role, chain: leg.chain_id },
    ];
  });
}

/** The opening of an index, if it is the preimage of what is registered there and its entity check is registered too. */
function openingOf(evidence: SettlementEvidence, index: number): PartyOpening | undefined {
  const { openings, terms } = evidence;
  return openings.find(
    ({ party_index, participant_id, wallet }) =>
      party_index === index &&
      partyHash(participant_id, wallet) === terms.party_hashes[index] &&
      terms.party_hashes.includes(partyHash(participant_id, NO_WALLET)),
  );
}

function checkOpenings(pack: Pack, evidence: SettlementEvidence, findings: Findings): void {
  const { openings } = evidence;
  const sides = sidesOf(pack, evidence);
  if (openings.length === 0 && evidence.remotes === undefined) {
    findings.open('wallets open their party hashes', 'the pack carries no openings');
    return;
  }
  findings.holds(
    'wallets open their party hashes',
    sides.every((side) => openingOf(evidence, side.index)?.wallet === side.wallet),
    'keccak256(participant, wallet) is registered, and so is the participant’s entity check',
  );
  findings.holds(
    'openings are of the legs’ wallets and of nothing else',
    new Set(openings.map((opening) => opening.party_index)).size === openings.length &&
      openings.every(
        (opening) =>
          openingOf(evidence, opening.party_index) === opening &&
          sides.some((side) => side.index === opening.party_index),
      ),
    'one opening per party index that a leg names',
    openings.map((opening) => opening.party_index),
  );
  if (evidence.remotes === undefined && openings.every((opening) => opening.chain_id === undefined)) {
    findings.open('openings name their party and chain', 'the openings name neither');
    return;
  }
  findings.holds(
    'openings name their party and chain',
    sides.every((side) => {
      const opening = openingOf(evidence, side.index);
      return opening?.chain_id === side.chain && opening.role === side.role;
    }),
    'role and chain of every leg that the wallet pays or is paid in',
  );
  findings.holds(
    'a participant id is of one party on one chain',
    openings.every((one) =>
      openings.every(
        (other) =>
          one.participant_id !== other.participant_id || (one.role === other.role && one.chain_id === other.chain_id),
      ),
    ),
    'a contract wallet may have another owner on another chain',
  );
}

/** A deposit wallet of its own is screened like the wallet that receives. */
function checkScreening(
  pack: Pack,
  evidence: SettlementEvidence,
  isCleared: (hash: string | undefined) => boolean,
  findings: Findings,
): void {
  const name = 'wallets and their entities were screened';
  if (evidence.openings.length === 0 && evidence.remotes === undefined) {
    findings.open(name, 'the pack carries no openings');
    return;
  }
  const unscreened = sidesOf(pack, evidence).filter((side) => {
    const opening = openingOf(evidence, side.index);
    return (
      opening === undefined ||
      !isCleared(partyHash(opening.participant_id, side.wallet)) ||
      !isCleared(partyHash(opening.participant_id, NO_WALLET))
    );
  });
  findings.holds(
    name,
    unscreened.length === 0,
    'each wallet that pays or is paid, and the entity behind it, is cleared by attestations of its own',
    unscreened.map((side) => side.wallet),
  );
}

function checkAttesters(pack: Pack, evidence: SettlementEvidence, names: readonly string[], findings: Findings): void {
  const { attester_set: set, terms, attestations } = evidence;
  for (const name of names) {
    const label = `[${name}] policy attester set is the terms’`;
    const stated = pack.protocols[name]?.policy_object.attester_set;
    if (stated === undefined && evidence.remotes === undefined) {
      findings.open(label, 'the policy names no attester set');
    } else {
      findings.equal(label, terms.attester_set, stated, 'bytes32 of the registry’s set');
    }
  }
  if (set === undefined && evidence.remotes === undefined) {
    findings.open('attester set recomputes', 'the pack does not list the attesters: their threshold is not recomputed');
    return;
  }
  findings.equal(
    'attester set recomputes',
    terms.attester_set,
    set === undefined ? undefined : attesterSetId(set),
    'keccak256(abi.encode(address[] attesters, uint8 threshold))',
  );
  const strangers = attestations.filter((attestation) => set?.attesters.includes(attestation.attester) !== true);
  findings.holds(
    'attestations are by members of the attester set',
    strangers.length === 0,
    'nobody else’s word counts',
    strangers.map((attestation) => attestation.attester),
  );
}
