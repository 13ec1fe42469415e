/** What the worker of the benchmark bundles: ours, unchanged, and the bare one beside them. */
export * from '../../workflows/index.ts';
export { bareSettlement } from './bare-settlement.ts';
