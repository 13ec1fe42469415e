import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { portVariable, runServer } from '../sandboxes/process.ts';
import { startWebhookSink } from './server.ts';

const storeFile = process.env['STORE_FILE'] ?? '';
const secretsFile = process.env['SECRETS_FILE'] ?? '';

async function readSecrets(): Promise<Record<string, string>> {
  if (secretsFile === '') return {};
  const parsed = z.record(z.string(), z.string()).safeParse(JSON.parse(await readFile(secretsFile, 'utf8')));
  // The parser's own message would quote secrets.
  if (!parsed.success) throw new Error('SECRETS_FILE is not an object of slug and secret');
  return parsed.data;
}

await runServer('webhook-sink', async () =>
  startWebhookSink({
    port: portVariable(),
    secrets: await readSecrets(),
    ...(storeFile === '' ? {} : { storeFile }),
  }),
);
