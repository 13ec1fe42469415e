import { proxyActivities } from '@temporalio/workflow';

import type { SettlementActivities } from '../activities/settlement-activities.ts';
import { POLICIES } from './policies.ts';

const chain = proxyActivities<SettlementActivities>(POLICIES.chain);
const screening = proxyActivities<SettlementActivities>(POLICIES.screening);
const records = proxyActivities<SettlementActivities>(POLICIES.record);

/** The activities under their policies, each with the line that an operator reads in Temporal UI. */
export const steps: SettlementActivities = {
  register: (input) =>
    chain.register.executeWithOptions({ ...POLICIES.chain, summary: 'register on the coordinator chain' }, [input]),
  screen: (input) =>
    screening.screen.executeWithOptions({ ...POLICIES.screening, summary: 'screen every party' }, [input]),
  attest: (input) => chain.attest.executeWithOptions({ ...POLICIES.chain, summary: 'attest on chain' }, [input]),
  open: (input) =>
    chain.open.executeWithOptions({ ...POLICIES.chain, summary: 'sign the decisions, open every chain for deposits' }, [
      input,
    ]),
  finalise: (input) =>
    records.finalise.executeWithOptions({ ...POLICIES.record, summary: 'take over final facts, compose the proof' }, [
      input,
    ]),
  carry: (input) =>
    chain.carry.executeWithOptions({ ...POLICIES.chain, summary: 'carry votes, decisions, payouts and refunds' }, [
      input,
    ]),
  conclude: (input) =>
    chain.conclude.executeWithOptions({ ...POLICIES.chain, summary: `end without a swap: ${input.reason}` }, [input]),
};
