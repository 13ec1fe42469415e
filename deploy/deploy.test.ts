import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { apiConfigurationSchema, SIGNER_ROLES, workerConfigurationSchema } from '../domain/configuration.ts';
import { createTestDatabase } from '../test/support/database.ts';
import { getTestServers } from '../test/support/servers.ts';
import { readSecretFiles, SECRET_VARIABLES } from './secret-files.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const LIMIT_MS = 60_000;
const run = promisify(execFile);
const compose = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keystone-deploy-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Lines of one service, from its name to the next. */
function service(name: string): string {
  const [, block = ''] = new RegExp(`\\n  ${name}:\\n([^]*?)(?=\\n {0,2}\\w[\\w-]*:)`).exec(compose) ?? [];
  return block;
}

describe('docker-compose.yml', () => {
  it('publishes ports on loopback only', () => {
    const published = [...compose.matchAll(/ports: \[(.*)\]/g)].map((match) => match[1] ?? '');
    expect(published.length).toBeGreaterThan(0);
    for (const ports of published) expect(ports).toMatch(/^"127\.0\.0\.1:\d+:\d+"$/);
  });

  it('pins every image by version', () => {
    const images = [...compose.matchAll(/image: (\S+)/g)].map((match) => match[1] ?? '');
    expect(images.length).toBeGreaterThan(0);
    for (const image of images) expect(image).toMatch(/:\d+[\w.-]*$/);
  });

  it('mounts only files that are there, and each secret that a service names exists', () => {
    for (const [, path = ''] of compose.matchAll(/- \.\/(\S+?):/g))
      expect(statSync(join(ROOT, path)).isFile()).toBe(true);
    const defined = [...compose.matchAll(/^ {2}([\w-]+): \{ file:/gm)].map((match) => match[1]);
    const used = [...compose.matchAll(/\/run\/secrets\/([\w-]+)/g)].map((match) => match[1]);
    expect(new Set(used)).toEqual(new Set(defined));
  });

  it.each([
    ['api', apiConfigurationSchema],
    ['worker', workerConfigurationSchema],
  ])('gives the %s every variable that it requires', (name, schema) => {
    const given = new Set([...service(name).matchAll(/^ {6}([A-Z_]+):/gm)].map((match) => match[1] ?? ''));
    for (const secret of SECRET_VARIABLES) if (given.has(`${secret}_FILE`)) given.add(secret);
    const missing = schema.safeParse({}).error?.issues.map((issue) => String(issue.path[0])) ?? [];
    expect(missing.length).toBeGreaterThan(0);
    expect(missing.filter((variable) => !given.has(variable))).toEqual([]);
  });

  it('gives the worker a key for each of its accounts, and for nothing else', () => {
    const keys = [...service('worker').matchAll(/^ {6}([A-Z]+)_PRIVATE_KEY_FILE:/gm)].map((match) => match[1]);
    expect(new Set(keys)).toEqual(new Set(SIGNER_ROLES.map((role) => role.toUpperCase())));
  });

  it('copies into the image every folder that API and worker are made of', () => {
    const dockerfile = readFileSync(join(ROOT, 'deploy/Dockerfile'), 'utf8');
    for (const folder of [
      'activities',
      'api',
      'chain',
      'compliance',
      'db',
      'deploy',
      'domain',
      'keystone',
      'workflows',
    ]) {
      expect(dockerfile).toContain(`COPY ${folder} ${folder}\n`);
    }
  });
});

describe('secrets from files', () => {
  it('are read, and refused when they are missing, empty or given twice, without ever repeating them', () => {
    const file = join(directory, 'secret');
    writeFileSync(file, 'postgres://u:very-secret@h/d\n');
    expect(readSecretFiles({ DATABASE_URL_FILE: file })).toEqual({ DATABASE_URL: 'postgres://u:very-secret@h/d' });
    expect(() => readSecretFiles({ DATABASE_URL_FILE: file, DATABASE_URL: 'x' })).toThrow(
      'both DATABASE_URL and DATABASE_URL_FILE are set',
    );
    expect(() => readSecretFiles({ DATABASE_URL_FILE: join(directory, 'missing') })).toThrow('cannot be read (ENOENT)');
    writeFileSync(file, '\n');
    expect(() => readSecretFiles({ DATABASE_URL_FILE: file })).toThrow('is empty');
  });

  it('leave alone what only ends like one', () => {
    expect(readSecretFiles({ KEYSTONE_SIGNING_KEY_FILE: '/nowhere' })).toEqual({});
  });
});

describe('the secrets of a deployment', () => {
  it('are made once; the folder is closed to others and what was filled in is kept', async () => {
    const folder = join(directory, 'deploy');
    await run(process.execPath, [join(ROOT, 'deploy/make-secrets.ts'), folder]);
    const environment = readFileSync(join(folder, 'compose.env'), 'utf8');
    writeFileSync(join(folder, 'secrets', 'engine-private-key'), '0x01');
    await run(process.execPath, [join(ROOT, 'deploy/make-secrets.ts'), folder]);
    expect(readFileSync(join(folder, 'compose.env'), 'utf8')).toBe(environment);
    expect(readFileSync(join(folder, 'secrets', 'engine-private-key'), 'utf8')).toBe('0x01');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const defined = [...compose.matchAll(/secrets\}\/([\w.-]+)"/g)].map((match) => match[1]);
    expect(new Set(readdirSync(join(folder, 'secrets')))).toEqual(new Set(defined));
  });
});

describe('the preparation job', () => {
  it(
    'makes schema, logins, namespace and search attributes, and changes nothing the second time',
    async () => {
      const database = await createTestDatabase();
      const namespace = `prepared-${process.pid}-${Date.now()}`;
      writeFileSync(join(directory, 'owner'), database.ownerUrl);
      const environment = {
        PATH: process.env['PATH'] ?? '',
        DATABASE_URL_FILE: join(directory, 'owner'),
        API_DATABASE_URL: database.apiUrl,
        WORKER_DATABASE_URL: database.workerUrl,
        TEMPORAL_ADDRESS: getTestServers().temporalAddress,
        TEMPORAL_NAMESPACE: namespace,
      };
      const prepare = () =>
        run(process.execPath, ['deploy/run.ts', 'deploy/prepare.ts'], { cwd: ROOT, env: environment });
      expect((await prepare()).stdout).toContain(`Temporal namespace ${namespace}: 5 search attributes added`);
      const second = await prepare();
      expect(second.stdout).toContain('0 migrations applied');
      expect(second.stdout).toContain('0 search attributes added');
      expect(second.stdout + second.stderr).not.toContain(new URL(database.apiUrl).password);
      // The logins still work: the job gave them the passwords that their connection strings carry.
      await database.api.transaction({ kind: 'operator' }, (transaction) => transaction.query('SELECT 1'));
      await database.drop();
    },
    LIMIT_MS,
  );
});
