/** Which contracts the evidence is of: the remote chains are those of the legs, and every contract is a pinned one. */

import { evmChainNumber } from './caip.ts';
import type { LogPoint, SettlementEvidence } from './evidence-types.ts';
import type { TrustedDeployment, TrustedKeysFile } from './keys.ts';
import type { Pack } from './pack-types.ts';
import type { Findings } from './report.ts';

export function checkContractsOf(
  pack: Pack,
  evidence: SettlementEvidence,
  keys: TrustedKeysFile | undefined,
  findings: Findings,
): void {
  checkRemoteChains(pack, evidence, findings);
  checkPinned(pack, evidence, keys, findings);
}

/** One entry for each chain that a leg names besides the coordinator's; a further one would be evidence of nothing. */
function checkRemoteChains(pack: Pack, evidence: SettlementEvidence, findings: Findings): void {
  const { legs } = pack.settled_legs;
  const remotes = evidence.remotes ?? [];
  const chains = [...new Set(legs.map((leg) => leg.chain_id))]
    .filter((chain) => chain !== evidence.chain_id)
    .toSorted((a, b) => Number((evmChainNumber(a) ?? 0n) - (evmChainNumber(b) ?? 0n)));
  findings.equal(
    'remote chains are those of the legs',
    chains.join(' '),
    remotes.map((remote) => remote.chain_id).join(' '),
    'one entry for each chain of a leg besides the coordinator’s, ascending',
  );
  for (const remote of remotes) {
    const { chain_id: chain, decided, released, votes } = remote;
    const own: (LogPoint | undefined)[] = [remote.opened, remote.prepared, remote.executed, decided, released];
    findings.holds(
      `[${chain}] points are of their chains`,
      own.every((point) => point === undefined || point.chain_id === chain) &&
        [votes.prepared, votes.executed].every((point) => point.chain_id === evidence.chain_id),
      'the gateway’s logs on its chain, the votes on the coordinator’s',
    );
    findings.holds(
      `[${chain}] was decided once`,
      (decided === undefined) !== (released === undefined),
      'either the coordinator’s decision or a release that all parties signed',
    );
    findings.holds(
      `[${chain}] legs are in the gateway’s escrow`,
      legs.every((leg) => leg.chain_id !== chain || leg.escrow === remote.escrow),
      'remotes[].escrow',
    );
  }
}

/** All contracts of a chain in one pinned entry: a coordinator of one deployment and an escrow of another make none. */
function checkPinned(
  pack: Pack,
  evidence: SettlementEvidence,
  keys: TrustedKeysFile | undefined,
  findings: Findings,
): void {
  const name = 'contracts are the pinned ones';
  if (keys?.contracts === undefined) {
    findings.open(name, 'no contract addresses are pinned: that these contracts are Keystone’s rests on the signature');
    return;
  }
  const { contracts } = keys;
  const isPinned = (deployment: TrustedDeployment): boolean =>
    contracts.some((entry) =>
      Object.entries(deployment).every(([role, value]) => entry[role as keyof TrustedDeployment] === value),
    );
  const { chain_id: home, coordinator, registry } = evidence;
  const homeEscrows = pack.settled_legs.legs.filter((leg) => leg.chain_id === home).map((leg) => leg.escrow ?? '');
  findings.holds(
    name,
    isPinned({ chain_id: home, coordinator, registry }) &&
      homeEscrows.every((escrow) => isPinned({ chain_id: home, coordinator, registry, escrow })),
    'coordinator, registry and the legs’ escrow on the coordinator’s chain',
    { coordinator, registry, escrow: homeEscrows[0] ?? 'none' },
  );
  for (const { chain_id, gateway, escrow } of evidence.remotes ?? []) {
    findings.holds(
      `[${chain_id}] contracts are the pinned ones`,
      isPinned({ chain_id, gateway, escrow }),
      'gateway and escrow',
      { gateway, escrow },
    );
  }
}
