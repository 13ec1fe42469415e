import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `node deploy/make-secrets.ts [folder]`: makes the secrets that `docker-compose.yml` mounts, each once; what exists is kept. The
 * passwords and the signing seed are complete; files that only you can fill are listed at the end.
 */

const DEFAULT_FOLDER = fileURLToPath(new URL('../.keystone/deploy/', import.meta.url));
const YOURS = [
  'engine-private-key',
  'oracle-private-key',
  'relayer-private-key',
  'chains.json',
  'lseg-api-key',
  'lseg-api-secret',
  'cipherowl-client-id',
  'cipherowl-client-secret',
] as const;

const folder = process.argv[2] ?? DEFAULT_FOLDER;
const secrets = join(folder, 'secrets');
mkdirSync(secrets, { recursive: true });
// Containers run as another user than the one who makes the files; the folder above keeps everybody else out.
chmodSync(folder, 0o700);

const random = (): string => randomBytes(32).toString('hex');

function url(user: string, password: string): string {
  return `postgres://${user}:${password}@postgres:5432/keystone`;
}

function writeOnce(path: string, content: string, mode: number): void {
  if (!existsSync(path)) writeFileSync(path, content, { mode });
}

const environmentFile = join(folder, 'compose.env');
if (!existsSync(environmentFile)) {
  const passwords = { owner: random(), api: random(), worker: random() };
  writeOnce(join(secrets, 'postgres-password'), passwords.owner, 0o644);
  writeOnce(join(secrets, 'database-url-owner'), url('keystone_owner', passwords.owner), 0o644);
  writeOnce(join(secrets, 'database-url-api'), url('keystone_api', passwords.api), 0o644);
  writeOnce(join(secrets, 'database-url-worker'), url('keystone_worker', passwords.worker), 0o644);
  writeOnce(join(secrets, 'signing-seed'), random(), 0o644);
  // Last, because its existence says that the others are complete.
  writeOnce(environmentFile, `TEMPORAL_DATABASE_PASSWORD=${random()}\nKEYSTONE_SECRETS=${secrets}\n`, 0o600);
}
for (const name of YOURS) writeOnce(join(secrets, name), '', 0o644);
process.stdout.write(`secrets are in ${secrets}\nfill in yourself: ${YOURS.join(', ')}\n`);
process.stdout.write(`then: docker compose --env-file ${environmentFile} up --build\n`);
