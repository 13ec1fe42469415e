import { SANDBOX_GROUP_ID, startLsegSandbox } from './lseg.ts';
import { portVariable, requiredVariable, runServer } from './process.ts';

const apiKey = requiredVariable('LSEG_API_KEY');
const apiSecret = requiredVariable('LSEG_API_SECRET');
const groupId = process.env['LSEG_GROUP_ID'] ?? SANDBOX_GROUP_ID;

await runServer('lseg-sandbox', () => startLsegSandbox({ port: portVariable(), apiKey, apiSecret, groupId }));
