import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { renderDiagram, renderTransitions } from './state-diagram.ts';

const page = readFileSync(new URL('./concepts/lifecycle.md', import.meta.url), 'utf8');

// `node docs/state-diagram.ts` prints what the page has to hold.
describe('the page of the lifecycle', () => {
  it('draws exactly the states and transitions of the domain', () => {
    expect(/```mermaid\n([\s\S]*?)\n```/.exec(page)?.[1]).toBe(renderDiagram());
  });

  it('lists exactly the states, indexes and transitions of the domain', () => {
    expect(page).toContain(`\n${renderTransitions()}\n`);
  });
});
