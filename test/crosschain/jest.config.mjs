import base from '../../jest.config.mjs';

// The long ring: files that `npm test` does not collect. It starts its own chains, and needs none of the servers that the other tests share.
const { globalSetup: _setup, globalTeardown: _teardown, ...rest } = base;

export default { ...rest, rootDir: '../..', testMatch: ['<rootDir>/test/crosschain/*.ring.ts'] };
