// Tests run as native ES modules under the pinned Node; swc only strips the types.
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/.keystone/', '/contracts/out/'],
  modulePathIgnorePatterns: ['/.keystone/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  globalSetup: './test/support/global-setup.ts',
  globalTeardown: './test/support/global-teardown.ts',
  injectGlobals: false,
  // A hang, not a measure: jest's own five seconds fail tests that wait for three of them on a busy machine. Slower ones say so themselves.
  testTimeout: 60_000,
  // One more than the two cores that the suite is made for: end-to-end tests mostly wait, for blocks, deadlines and webhooks.
  maxWorkers: 3,
  // Without it jest's sandbox makes the Ed25519 arithmetic about eight times slower.
  sandboxInjectedGlobals: ['Math'],
};
