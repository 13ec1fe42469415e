import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { TEST_CHAIN } from './testing/test-api.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

/** The process itself: what it says, refuses and how it ends. */
describe('the API process', () => {
  let database: TestDatabase;
  let child: ChildProcessByStdio<null, Readable, Readable>;
  let port: number;
  let output = '';

  beforeAll(async () => {
    database = await createTestDatabase();
    child = spawn(process.execPath, [MAIN], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        PORT: '0',
        DATABASE_URL: database.apiUrl,
        KEYSTONE_CHAINS: JSON.stringify([TEST_CHAIN]),
        OIDC_ISSUER: 'https://issuer.test/',
        OIDC_JWKS_URL: 'http://127.0.0.1:1/jwks',
        OIDC_AUDIENCE: 'https://api.keystone.test',
      },
    });
    port = await new Promise<number>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        output += chunk.toString();
        const match = /"port":(\d+),"msg":"API listening"/.exec(output);
        if (match !== null) resolve(Number(match[1]));
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.on('exit', (code) => reject(new Error(`the API ended with ${code}: ${output}`)));
    });
  }, 60_000);
  afterAll(async () => {
    child.kill('SIGKILL');
    await database.drop();
  });

  it('listens on loopback by default and says so in one line of JSON', () => {
    expect(JSON.parse(output.split('\n')[0] ?? '')).toMatchObject({ process: 'api', host: '127.0.0.1', port });
  });

  it('answers what is no HTTP with a problem document and hangs up', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('NOT HTTP AT ALL\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ code: 'malformed_request' });
  });

  it('logs neither tokens nor queries', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/settlements?state=query-secret`, {
      headers: { Authorization: 'Bearer header-secret' },
    });
    expect(answer.status).toBe(401);
    for (let waited = 0; !output.includes('"path":"/v1/settlements"') && waited < 50; waited += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(output).toContain('"path":"/v1/settlements"');
    expect(output).not.toContain('query-secret');
    expect(output).not.toContain('header-secret');
    expect(output).not.toContain(new URL(database.apiUrl).password);
  });

  it('ends within seconds of SIGTERM although a client keeps its connection open', async () => {
    const agent = new Agent({ keepAlive: true });
    await new Promise<void>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path: '/healthz', agent }, (response) => {
        response.resume();
        response.on('end', resolve);
      })
        .on('error', reject)
        .end();
    });
    const started = Date.now();
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(Date.now() - started).toBeLessThan(5_000);
    agent.destroy();
  });

  it('refuses to start with a wrong configuration, naming the variables and not their values', async () => {
    const broken = spawn(process.execPath, [MAIN], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], DATABASE_URL: 'mysql://user:password-secret@host/db', PORT: 'x' },
    });
    let text = '';
    broken.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const code = await new Promise((resolve) => broken.on('exit', resolve));
    expect(code).not.toBe(0);
    for (const name of ['DATABASE_URL', 'PORT', 'OIDC_ISSUER', 'KEYSTONE_CHAINS']) expect(text).toContain(name);
    expect(text).not.toContain('password-secret');
  });
});
