import { describe, expect, it } from '@jest/globals';

import { checkTemplateFees, templateFeesFromJson } from './template-fees.ts';
import { SETTLEMENT_TEMPLATES } from './templates.ts';

const recipient = `0x${'Fe'.repeat(20)}`;
const parse = (value: unknown) =>
  templateFeesFromJson.safeParse(typeof value === 'string' ? value : JSON.stringify(value));

describe('TEMPLATE_FEES', () => {
  it('names a rate and a recipient by template', () => {
    expect(parse({ 'dvp-standard': { basis_points: 25, recipient } }).data).toEqual({
      'dvp-standard': { basisPoints: 25, recipient: recipient.toLowerCase() },
    });
    expect(parse('{}').data).toEqual({});
  });

  it.each([
    ['no JSON', 'basis_points=25'],
    ['no rate', { x: { recipient } }],
    ['no recipient', { x: { basis_points: 25 } }],
    ['a rate of nothing', { x: { basis_points: 0, recipient } }],
    ['a rate above a tenth', { x: { basis_points: 1_001, recipient } }],
    ['a broken rate', { x: { basis_points: 2.5, recipient } }],
    ['the zero address', { x: { basis_points: 25, recipient: `0x${'0'.repeat(40)}` } }],
    ['an unknown member', { x: { basis_points: 25, recipient, mode: 'split' } }],
  ])('is refused with %s, and the message does not repeat the value', (_what, value) => {
    const { error } = parse(value);
    expect(error).toBeDefined();
    expect(JSON.stringify(error?.issues)).not.toContain('FeFeFe');
  });

  it('is refused at the start for a template that is not there, and for a recipient that would swallow it', () => {
    const fees = { 'dvp-standard': { basisPoints: 25, recipient: recipient.toLowerCase() } };
    const slugs = SETTLEMENT_TEMPLATES.map(({ slug }) => slug);
    expect(() => checkTemplateFees(fees, { slugs, contracts: [] })).not.toThrow();
    expect(() => checkTemplateFees(fees, { slugs: ['repo'], contracts: [] })).toThrow('names no template dvp-standard');
    expect(() => checkTemplateFees(fees, { slugs, contracts: [recipient.toLowerCase()] })).toThrow('to a contract');
  });
});
