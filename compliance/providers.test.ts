import { describe, expect, it } from '@jest/globals';
import { createProvidersFromEnvironment, EnvironmentInvalid } from './providers.ts';

const ENVIRONMENT = {
  LSEG_BASE_URL: 'https://api-worldcheck.refinitiv.com/v2',
  LSEG_API_KEY: 'key',
  LSEG_API_SECRET: 'world-check-secret',
  LSEG_GROUP_ID: 'group',
  CIPHEROWL_BASE_URL: 'http://127.0.0.1:4802',
  CIPHEROWL_CLIENT_ID: 'client',
  CIPHEROWL_CLIENT_SECRET: 'cipherowl-secret',
  CIPHEROWL_AUDIENCE: 'svc.cipherowl.ai',
  CIPHEROWL_CONFIG: 'co-sandbox',
  CIPHEROWL_SIMULATED: 'true',
};

describe('providers from the environment', () => {
  it('makes one provider of each kind, real unless said otherwise', () => {
    const { entity, wallet } = createProvidersFromEnvironment(ENVIRONMENT);
    expect(entity).toMatchObject({ kind: 'entity', name: 'lseg-world-check' });
    expect(wallet).toMatchObject({ kind: 'wallet', name: 'cipherowl' });
    expect(entity.health()).toMatchObject({ state: 'closed', simulated: false });
    expect(wallet.health()).toMatchObject({ state: 'closed', simulated: true });
  });

  it.each([
    ['LSEG_API_SECRET', ''],
    ['CIPHEROWL_CONFIG', undefined],
    ['LSEG_SIMULATED', 'perhaps'],
    ['LSEG_BASE_URL', 'http://api-worldcheck.refinitiv.com/v2'],
    ['LSEG_BASE_URL', 'https://someone:password@api-worldcheck.refinitiv.com/v2'],
    ['CIPHEROWL_BASE_URL', 'not an address'],
    ['LSEG_REQUESTS_PER_SECOND', '0'],
  ])('refuses %s = %s by name, without its value', (name, value) => {
    const attempt = () => createProvidersFromEnvironment({ ...ENVIRONMENT, [name]: value });
    expect(attempt).toThrow(EnvironmentInvalid);
    expect(attempt).toThrow(new RegExp(name));
    if (value !== undefined && value !== '' && value !== '0') expect(attempt).not.toThrow(value);
  });
});
