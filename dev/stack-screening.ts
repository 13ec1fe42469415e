import { REPOSITORY } from './home.ts';
import { answersAt, type Launch, startNodeService, variable } from './launch.ts';
import { findPort } from './ports.ts';
import { randomHex } from './secrets.ts';

/** Who screens: the providers that the environment names, or sandboxes that speak their protocols and say that they simulate. */

const PREFERRED_PORTS = { lseg: 8_091, cipherowl: 8_092 } as const;

/** Environment of the screening adapters. */
export async function startScreening(launch: Launch): Promise<Record<string, string | undefined>> {
  const [lseg, cipherOwl] = await Promise.all([startLseg(launch), startCipherOwl(launch)]);
  return { ...lseg, ...cipherOwl };
}

const LSEG_VARIABLES = [
  'LSEG_BASE_URL',
  'LSEG_API_KEY',
  'LSEG_API_SECRET',
  'LSEG_GROUP_ID',
  'LSEG_REQUESTS_PER_SECOND',
  'LSEG_SIMULATED',
];
const CIPHEROWL_VARIABLES = [
  'CIPHEROWL_BASE_URL',
  'CIPHEROWL_CLIENT_ID',
  'CIPHEROWL_CLIENT_SECRET',
  'CIPHEROWL_AUDIENCE',
  'CIPHEROWL_CONFIG',
  'CIPHEROWL_REQUESTS_PER_SECOND',
  'CIPHEROWL_SIMULATED',
];

function given(launch: Launch, names: readonly string[]): Record<string, string | undefined> {
  return Object.fromEntries(names.map((name) => [name, variable(launch, name)]));
}

async function startLseg(launch: Launch): Promise<Record<string, string | undefined>> {
  if (variable(launch, 'LSEG_BASE_URL') !== undefined) {
    launch.steps.say('ok      entity screening: LSEG World-Check at LSEG_BASE_URL');
    return given(launch, LSEG_VARIABLES);
  }
  const advice = {
    logFile: launch.home.log('lseg-sandbox'),
    hint: 'set LSEG_BASE_URL and its credentials to the real provider',
  };
  return launch.steps.run('entity screening (LSEG sandbox, simulated)', advice, async (step) => {
    const port = await findPort(PREFERRED_PORTS.lseg);
    const url = `http://127.0.0.1:${port}`;
    const credentials = {
      LSEG_API_KEY: launch.secrets.get('lseg-api-key', randomHex),
      LSEG_API_SECRET: launch.secrets.get('lseg-api-secret', randomHex),
      LSEG_GROUP_ID: 'development-group',
    };
    await startNodeService(launch, REPOSITORY, {
      name: 'lseg-sandbox',
      entry: 'dev/sandboxes/lseg-main.ts',
      environment: { PORT: String(port), ...credentials },
      ready: answersAt(`${url}/__control`),
    });
    step.result(url);
    return { LSEG_BASE_URL: `${url}/v2`, LSEG_SIMULATED: 'true', ...credentials };
  });
}

async function startCipherOwl(launch: Launch): Promise<Record<string, string | undefined>> {
  if (variable(launch, 'CIPHEROWL_BASE_URL') !== undefined) {
    launch.steps.say('ok      wallet screening: CipherOwl at CIPHEROWL_BASE_URL');
    return given(launch, CIPHEROWL_VARIABLES);
  }
  const advice = {
    logFile: launch.home.log('cipherowl-sandbox'),
    hint: 'set CIPHEROWL_BASE_URL and its credentials to the real provider',
  };
  return launch.steps.run('wallet screening (CipherOwl sandbox, simulated)', advice, async (step) => {
    const port = await findPort(PREFERRED_PORTS.cipherowl);
    const url = `http://127.0.0.1:${port}`;
    const credentials = {
      CIPHEROWL_CLIENT_ID: 'keystone-development',
      CIPHEROWL_CLIENT_SECRET: launch.secrets.get('cipherowl-client-secret', randomHex),
      CIPHEROWL_AUDIENCE: 'cipherowl.sandbox',
    };
    await startNodeService(launch, REPOSITORY, {
      name: 'cipherowl-sandbox',
      entry: 'dev/sandboxes/cipherowl-main.ts',
      environment: { PORT: String(port), ...credentials },
      ready: answersAt(`${url}/__control`),
    });
    step.result(url);
    return { CIPHEROWL_BASE_URL: url, CIPHEROWL_CONFIG: 'co-sandbox', CIPHEROWL_SIMULATED: 'true', ...credentials };
  });
}
