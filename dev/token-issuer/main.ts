import { readFile } from 'node:fs/promises';
import { portVariable, requiredVariable, runServer } from '../sandboxes/process.ts';
import { clientList, type RegisteredClient } from './clients.ts';
import { startTokenIssuer } from './server.ts';

const clientsFile = requiredVariable('CLIENTS_FILE');
const audience = requiredVariable('AUDIENCE');
const signingKeyFile = requiredVariable('SIGNING_KEY_FILE');
const issuer = process.env['ISSUER'] ?? '';

async function readClients(): Promise<readonly RegisteredClient[]> {
  const parsed = clientList.safeParse(JSON.parse(await readFile(clientsFile, 'utf8')));
  // Which entry is wrong, never what stands in it: the file holds secrets.
  if (!parsed.success) {
    const places = parsed.error.issues.map((issue) => issue.path.join('.') || 'the list');
    throw new Error(`CLIENTS_FILE is not a list of clients: ${places.join(', ')}`);
  }
  return parsed.data;
}

await runServer('token-issuer', async () => {
  // Read once before listening, so that a broken file shows at the start and not as failing logins.
  await readClients();
  const named = issuer === '' ? {} : { issuer };
  return startTokenIssuer({ port: portVariable(), audience, clients: readClients, signingKeyFile, ...named });
});
