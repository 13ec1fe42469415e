import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import { portVariable, requiredVariable, runServer } from '../sandboxes/process.ts';
import { createRelay } from './relay.ts';
import { startRelayServer } from './server.ts';

/** The relay as a process. Variables: PORT, RELAY_CHAINS_FILE, RELAY_PRIVATE_KEY, RELAY_CONTROL_TOKEN, RELAY_SEED. */

const chainsSchema = z
  .array(
    z.strictObject({
      chainId: z.number().int().positive(),
      rpcUrl: z.url(),
      endpointId: z.number().int().positive(),
      endpoint: z.string(),
      messageLibrary: z.string(),
      confirmations: z.union([z.literal('finalized'), z.number().int().nonnegative()]).default('finalized'),
      fromBlock: z.number().int().nonnegative().default(0),
    }),
  )
  .min(2)
  .max(16);

await runServer('relay', async () => {
  const chains = chainsSchema.parse(JSON.parse(await readFile(requiredVariable('RELAY_CHAINS_FILE'), 'utf8')));
  const relay = createRelay({
    chains,
    privateKey: requiredVariable('RELAY_PRIVATE_KEY'),
    seed: Number(process.env['RELAY_SEED'] ?? 1),
    log: (line) => process.stdout.write(`${new Date().toISOString()} ${line}\n`),
  });
  const server = await startRelayServer({
    port: portVariable(),
    token: requiredVariable('RELAY_CONTROL_TOKEN'),
    relay,
  });
  relay.start();
  return {
    url: server.url,
    close: async () => {
      await server.close();
      await relay.stop();
    },
  };
});
