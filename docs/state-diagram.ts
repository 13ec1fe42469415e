import { argv } from 'node:process';

import {
  FAILURE_STATES,
  isTerminal,
  ON_CHAIN_INDEX,
  SETTLEMENT_STATES,
  type SettlementState,
  TRANSITIONS,
} from '../domain/settlement-state.ts';

/**
 * The parts of `concepts/lifecycle.md` that come from the table of states. `node docs/state-diagram.ts` prints both; a test compares them
 * with the page.
 */

/** Mermaid source: the course to success, then what leaves it, then the ends. */
export function renderDiagram(): string {
  const [initial, instructed] = SETTLEMENT_STATES;
  const edges = SETTLEMENT_STATES.flatMap((from) => TRANSITIONS[from].map((to) => ({ from, to })));
  const onwards = edges.filter(({ to }) => !isFailure(to));
  const failing = edges.filter(({ to }) => isFailure(to));
  const ends = SETTLEMENT_STATES.filter(isTerminal);
  return [
    'stateDiagram-v2',
    `  [*] --> ${initial}`,
    `  [*] --> ${instructed}`,
    ...[...onwards, ...failing].map(({ from, to }) => `  ${from} --> ${to}`),
    ...ends.map((state) => `  ${state} --> [*]`),
  ].join('\n');
}

function isFailure(state: SettlementState): boolean {
  return (FAILURE_STATES as readonly SettlementState[]).includes(state);
}

/** A Markdown table: each state, its index in the contract, and where it can go. */
export function renderTransitions(): string {
  const rows = SETTLEMENT_STATES.map((state) => {
    const index = Object.entries(ON_CHAIN_INDEX).find(([name]) => name === state)?.[1];
    const next = TRANSITIONS[state].length === 0 ? 'nowhere: terminal' : TRANSITIONS[state].join(', ');
    return `| ${state} | ${index ?? '–'} | ${next} |`;
  });
  return ['| state | index on chain | goes to |', '|---|---|---|', ...rows].join('\n');
}

if (argv[1] === import.meta.filename) process.stdout.write(`${renderDiagram()}\n\n${renderTransitions()}\n`);
