import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  combineChecks,
  judgeCipherOwl,
  judgeWorldCheck,
  SCREENING_POLICY,
  type ScreeningPolicy,
  type WalletEvidence,
  type WalletExposure,
  type WorldCheckHit,
  worstOf,
} from './policy.ts';

function hit(changes: Partial<WorldCheckHit>): WorldCheckHit {
  return {
    matchStrength: 'STRONG',
    matchScore: undefined,
    categories: ['Sanctions'],
    fields: [],
    pepStatus: undefined,
    resolution: undefined,
    reviewRequired: false,
    ...changes,
  };
}

const country = (result: string) => [{ typeId: 'SFCT_6', result }];

describe('World-Check policy, row by row', () => {
  const rows: ReadonlyArray<[string, WorldCheckHit[], string, string]> = [
    ['no results', [], 'PASS', 'WC_CLEAR'],
    ['ruled out by an analyst', [hit({ resolution: 'FALSE' })], 'PASS', 'WC_RULED_OUT'],
    ['ruled out, but to be reviewed', [hit({ resolution: 'FALSE', reviewRequired: true })], 'FLAGGED', 'WC_REVIEW'],
    ['confirmed sanctions', [hit({ resolution: 'POSITIVE' })], 'FAIL', 'WC_CONFIRMED_SANCTIONS'],
    [
      'confirmed sanctions, weak',
      [hit({ resolution: 'POSITIVE', matchStrength: 'WEAK' })],
      'FAIL',
      'WC_CONFIRMED_SANCTIONS',
    ],
    ['confirmed, other', [hit({ resolution: 'POSITIVE', categories: ['PEP'] })], 'FLAGGED', 'WC_CONFIRMED_OTHER'],
    [
      'exact and corroborated',
      [hit({ matchStrength: 'EXACT', fields: country('MATCHED') })],
      'FLAGGED',
      'WC_STRONG_SANCTIONS',
    ],
    ['exact, linked', [hit({ matchStrength: 'EXACT', fields: country('LINKED') })], 'FLAGGED', 'WC_STRONG_SANCTIONS'],
    [
      'exact, contradicted',
      [hit({ matchStrength: 'EXACT', fields: country('NOT_MATCHED') })],
      'FLAGGED',
      'WC_POSSIBLE_SANCTIONS',
    ],
    ['exact, nothing to compare', [hit({ matchStrength: 'EXACT' })], 'FLAGGED', 'WC_POSSIBLE_SANCTIONS'],
    ['medium sanctions', [hit({ matchStrength: 'MEDIUM' })], 'FLAGGED', 'WC_POSSIBLE_SANCTIONS'],
    ['possible, weak', [hit({ matchStrength: 'WEAK', resolution: 'POSSIBLE' })], 'FLAGGED', 'WC_POSSIBLE_SANCTIONS'],
    ['unspecified, weak', [hit({ matchStrength: 'WEAK', resolution: 'UNSPECIFIED' })], 'PASS', 'WC_LOW'],
    [
      'id outside the toolkit',
      [hit({ matchStrength: 'WEAK', resolution: 'UNKNOWN' })],
      'FLAGGED',
      'WC_UNKNOWN_RESOLUTION',
    ],
    ['strength unheard of', [hit({ matchStrength: 'PERFECT' })], 'FLAGGED', 'WC_POSSIBLE_SANCTIONS'],
    ['law enforcement', [hit({ categories: ['LAW ENFORCEMENT'] })], 'FLAGGED', 'WC_POSSIBLE_LAW_ENFORCEMENT'],
    ['regulatory', [hit({ categories: ['Regulatory Enforcement'] })], 'FLAGGED', 'WC_POSSIBLE_REGULATORY_ENFORCEMENT'],
    ['PEP in office', [hit({ categories: ['PEP'], pepStatus: 'ACTIVE' })], 'FLAGGED', 'WC_PEP'],
    ['PEP, status absent', [hit({ categories: ['PEP'] })], 'FLAGGED', 'WC_PEP'],
    ['former PEP', [hit({ categories: ['PEP'], pepStatus: 'INACTIVE' })], 'PASS', 'WC_LOW'],
    ['special interest', [hit({ categories: ['Special Interest Categories'] })], 'FLAGGED', 'WC_SIC'],
    ['adverse media', [hit({ categories: ['Adverse Media'] })], 'FLAGGED', 'WC_MEDIA'],
    ['category unheard of', [hit({ categories: ['Something New'] })], 'FLAGGED', 'WC_POSSIBLE_OTHER'],
    ['no category', [hit({ categories: [] })], 'FLAGGED', 'WC_POSSIBLE_OTHER'],
    ['only other bodies', [hit({ categories: ['Other Bodies', 'Other Bodies'] })], 'PASS', 'WC_LOW'],
    ['only weak', [hit({ matchStrength: 'WEAK' })], 'PASS', 'WC_LOW'],
    ['weak beside strong', [hit({ matchStrength: 'WEAK' }), hit({ categories: ['PEP'] })], 'FLAGGED', 'WC_PEP'],
    [
      'flag beside fail',
      [hit({ categories: ['PEP'] }), hit({ resolution: 'POSITIVE' })],
      'FAIL',
      'WC_CONFIRMED_SANCTIONS',
    ],
  ];
  it.each(rows)('%s', (_row, hits, status, reasonCode) => {
    expect(judgeWorldCheck(hits)).toEqual({ status, reasonCode });
  });

  it('fails a corroborated exact hit only where the policy says so', () => {
    const strict: ScreeningPolicy = {
      ...SCREENING_POLICY,
      version: 'test',
      worldCheck: { ...SCREENING_POLICY.worldCheck, autoFailCorroborated: true, exactFromScore: 98 },
    };
    const byScore = hit({ matchScore: 98, fields: country('MATCHED') });
    expect(judgeWorldCheck([byScore], strict).status).toBe('FAIL');
    expect(judgeWorldCheck([byScore]).status).toBe('FLAGGED');
  });
});

function exposure(changes: Partial<WalletExposure>): WalletExposure {
  return { category: 'mixer', direct: false, hops: 1, percentage: undefined, usd: undefined, ...changes };
}
function evidence(riskBand: string, ...exposures: WalletExposure[]): WalletEvidence {
  return { foundRisk: true, reason: 'given', riskBand, exposures };
}

describe('CipherOwl policy, row by row', () => {
  const rows: ReadonlyArray<[string, WalletEvidence, string, string]> = [
    ['no risk', { foundRisk: false }, 'PASS', 'CO_CLEAR'],
    ['reasons unavailable', { foundRisk: true, reason: 'unavailable' }, 'FLAGGED', 'CO_REASON_UNAVAILABLE'],
    [
      'direct OFAC',
      evidence('Severe Risk', exposure({ category: 'ofac', direct: true })),
      'FAIL',
      'CO_DIRECT_SANCTIONS',
    ],
    [
      'direct, display name',
      evidence('High Risk', exposure({ category: 'Sanctioned by US', direct: true })),
      'FAIL',
      'CO_DIRECT_SANCTIONS',
    ],
    [
      'direct, other country',
      evidence('Low', exposure({ category: 'japan-sanctioned', direct: true })),
      'FAIL',
      'CO_DIRECT_SANCTIONS',
    ],
    ['zero hops', evidence('Low', exposure({ category: 'OFAC', hops: 0 })), 'FAIL', 'CO_DIRECT_SANCTIONS'],
    [
      'direct terrorist financing',
      evidence('Low', exposure({ category: 'Terrorist Financing', direct: true })),
      'FAIL',
      'CO_DIRECT_BLOCKED',
    ],
    ['direct CSAM', evidence('Low', exposure({ category: 'CSAM', direct: true })), 'FAIL', 'CO_DIRECT_BLOCKED'],
    ['severe otherwise', evidence('Severe Risk', exposure({ direct: true })), 'FLAGGED', 'CO_SEVERE'],
    [
      'severe, indirect sanctions',
      evidence('Severe', exposure({ category: 'ofac', usd: 1e6 })),
      'FLAGGED',
      'CO_SEVERE',
    ],
    [
      'near sanctions by value',
      evidence('Low Risk', exposure({ category: 'ofac', hops: 2, usd: 10_000 })),
      'FLAGGED',
      'CO_INDIRECT_SANCTIONS',
    ],
    [
      'near sanctions by share',
      evidence('Low Risk', exposure({ category: 'ofac', percentage: 10 })),
      'FLAGGED',
      'CO_INDIRECT_SANCTIONS',
    ],
    [
      'far sanctions',
      evidence('Low Risk', exposure({ category: 'ofac', hops: 3, usd: 1e6 })),
      'FLAGGED',
      'CO_UNEXPLAINED',
    ],
    ['high', evidence('High Risk'), 'FLAGGED', 'CO_HIGH'],
    ['medium', evidence('medium risk'), 'FLAGGED', 'CO_MEDIUM'],
    ['low', evidence('Low Risk', exposure({})), 'FLAGGED', 'CO_UNEXPLAINED'],
    ['nothing said', evidence(''), 'FLAGGED', 'CO_UNEXPLAINED'],
    ['band unheard of', evidence('Catastrophic'), 'FLAGGED', 'CO_UNKNOWN_BAND'],
  ];
  it.each(rows)('%s', (_row, given, status, reasonCode) => {
    expect(judgeCipherOwl(given)).toEqual({ status, reasonCode });
  });

  it('never passes a wallet once risk was found, whatever the reasons say', () => {
    const anyNumber = fc.option(fc.double(), { nil: undefined });
    const anyExposure = fc.record({
      category: fc.string(),
      direct: fc.boolean(),
      hops: anyNumber,
      percentage: anyNumber,
      usd: anyNumber,
    });
    fc.assert(
      fc.property(fc.string(), fc.array(anyExposure), (riskBand, exposures) => {
        expect(judgeCipherOwl({ foundRisk: true, reason: 'given', riskBand, exposures }).status).not.toBe('PASS');
      }),
    );
  });
});

describe('combining checks', () => {
  it('takes the worst, and none is not a pass', () => {
    expect(worstOf(['PASS', 'FAIL', 'FLAGGED'])).toBe('FAIL');
    expect(worstOf(['PASS', 'FLAGGED', 'PASS'])).toBe('FLAGGED');
    expect(() => worstOf([])).toThrow(RangeError);
  });

  it('passes only when every required check has passed', () => {
    const required = ['seller:entity', 'seller:wallet'];
    expect(combineChecks(required, new Map([['seller:entity', 'PASS']]))).toBe('PENDING');
    expect(combineChecks(required, new Map([['seller:entity', 'FAIL']]))).toBe('FAIL');
    const both = new Map([
      ['seller:entity', 'PASS' as const],
      ['seller:wallet', 'PASS' as const],
    ]);
    expect(combineChecks(required, both)).toBe('PASS');
    expect(combineChecks([], new Map())).toBe('PENDING');
  });
});
