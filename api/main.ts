import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';

import { pino } from 'pino';

import { checkWebhookUrl, createWebhookSender, parseAllowedPrivateRanges } from '../activities/webhooks/send.ts';
import { createChain } from '../chain/provider.ts';
import { createTokenDecimals } from '../chain/tokens.ts';
import { createDatabase } from '../db/pool.ts';
import { apiConfigurationSchema, contractAddresses, parseConfiguration } from '../domain/configuration.ts';
import { checkTemplateFees } from '../domain/template-fees.ts';
import { SETTLEMENT_TEMPLATES } from '../domain/templates.ts';
import { createApplication } from './application.ts';
import { createAuthenticate, remoteKeys } from './authentication.ts';
import { API_LIMITS } from './limits.ts';
import { PROBLEM_MEDIA_TYPE } from './problems.ts';

/** The API process. Migrations are not run here: its database role owns nothing. */
const configuration = parseConfiguration(apiConfigurationSchema, process.env);
const log = pino({
  level: configuration.LOG_LEVEL,
  base: { process: 'api' },
  // Nothing of this kind is logged on purpose; this is for what an error drags along.
  redact: {
    paths: [
      'authorization',
      '*.authorization',
      '*.headers',
      '*.password',
      '*.secret',
      '*.token',
      '*.connectionString',
      'err.config',
      'err.request',
    ],
    censor: '[redacted]',
  },
});
const database = createDatabase({
  url: configuration.DATABASE_URL,
  poolSize: configuration.DATABASE_POOL_SIZE,
  applicationName: 'keystone-api',
  onError: (error) => log.warn({ err: error }, 'an idle database connection failed'),
});
const chains = configuration.KEYSTONE_CHAINS.map((chain) => createChain(chain));
const allowedPrivateRanges = parseAllowedPrivateRanges(configuration.WEBHOOK_ALLOWED_PRIVATE_RANGES);
const templateFees = configuration.TEMPLATE_FEES;
checkTemplateFees(templateFees, {
  slugs: SETTLEMENT_TEMPLATES.map(({ slug }) => slug),
  contracts: configuration.KEYSTONE_CHAINS.flatMap(contractAddresses),
});
let draining = false;

const application = createApplication({
  database,
  chains: configuration.KEYSTONE_CHAINS,
  templateFees,
  tokenDecimals: createTokenDecimals({ database, chains }),
  checkWebhookUrl: (url) => checkWebhookUrl(url, { allowedPrivateRanges }),
  webhookSender: createWebhookSender({ allowedPrivateRanges }),
  now: Date.now,
  log,
  isDraining: () => draining,
  authenticate: createAuthenticate({
    database,
    issuer: configuration.OIDC_ISSUER,
    audience: configuration.OIDC_AUDIENCE,
    keys: remoteKeys(configuration.OIDC_JWKS_URL),
  }),
});

const server = createServer(
  {
    requestTimeout: API_LIMITS.requestTimeoutMs,
    headersTimeout: API_LIMITS.headersTimeoutMs,
    keepAliveTimeout: API_LIMITS.keepAliveTimeoutMs,
    maxHeaderSize: API_LIMITS.maximumHeaderBytes,
  },
  application,
);
server.maxConnections = API_LIMITS.maximumConnections;
server.on('clientError', refuseMalformed);
server.on('error', (error) => {
  log.fatal({ err: error }, 'the API cannot listen');
  process.exitCode = 1;
  void stop();
});
server.listen(configuration.PORT, configuration.HOST, () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : configuration.PORT;
  log.info({ host: configuration.HOST, port }, 'API listening');
});

for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.once(name, () => {
    log.info({ signal: name }, 'API stopping');
    void stop();
  });
}

/** What node's parser refuses never becomes a request; it is answered like everything else. */
function refuseMalformed(_error: Error, socket: Socket): void {
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify({
    type: '/errors/malformed_request',
    title: 'The request is malformed',
    status: 400,
    detail: 'This is not a valid HTTP request.',
    code: 'malformed_request',
    errors: [],
  });
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: ${PROBLEM_MEDIA_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** Answers what is in flight, then ends. Answers carry `Connection: close` meanwhile, so that idle connections do not hold the process. */
async function stop(): Promise<void> {
  if (draining) return;
  draining = true;
  await drain(server);
  for (const chain of chains) chain.close();
  await database.close();
  log.info('API stopped');
}

function drain(serving: Server): Promise<void> {
  return new Promise((resolve) => {
    const idle = setInterval(() => serving.closeIdleConnections(), 100);
    const limit = setTimeout(() => serving.closeAllConnections(), API_LIMITS.drainMs);
    serving.close(() => {
      clearInterval(idle);
      clearTimeout(limit);
      resolve();
    });
    serving.closeIdleConnections();
  });
}
