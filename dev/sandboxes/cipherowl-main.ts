import { CIPHEROWL_AUDIENCE, startCipherOwlSandbox } from './cipherowl.ts';
import { portVariable, requiredVariable, runServer } from './process.ts';

const clientId = requiredVariable('CIPHEROWL_CLIENT_ID');
const clientSecret = requiredVariable('CIPHEROWL_CLIENT_SECRET');
const audience = process.env['CIPHEROWL_AUDIENCE'] ?? CIPHEROWL_AUDIENCE;

await runServer('cipherowl-sandbox', () =>
  startCipherOwlSandbox({ port: portVariable(), clientId, clientSecret, audience }),
);
