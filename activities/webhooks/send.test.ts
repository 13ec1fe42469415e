import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';

import { judgeAddress } from './address-policy.ts';
import { checkWebhookUrl, createWebhookSender, parseAllowedPrivateRanges, parseRetryAfter } from './send.ts';
import { generateWebhookSecret } from './signature.ts';

const LOOPBACK = parseAllowedPrivateRanges('127.0.0.0/8, ::1/128');
const NOTHING = { allowedPrivateRanges: [] };
const secret = generateWebhookSecret();
const body = JSON.stringify({ event: 'test.ping', data: { note: 'größe' } });

/** How a URL may spell a loopback or unspecified host; a filter that only looks at resolved names lets most of them through. */
const LOOPBACK_SPELLINGS = [
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f.1',
  '0177.0.0.1',
  '0',
  '0.0.0.0',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '①②⑦.⓪.⓪.①',
  'localhost',
  'localhost.',
];

const known = (address: string) => async () => [{ address, family: 4 }];
const unknown = () => Promise.reject(new Error('ENOTFOUND'));
const mixed = async () => [
  { address: '127.0.0.1', family: 4 },
  { address: '192.0.2.1', family: 4 },
];

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

interface Seen {
  headers: IncomingMessage['headers'];
  body: string;
}

async function receiver(answer: (response: ServerResponse) => void, host = '127.0.0.1') {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
      answer(response);
    });
  });
  return { seen, port: await listen(server, host) };
}

async function listen(server: Server | ReturnType<typeof createSocketServer>, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => sockets.delete(socket));
  });
  closers.push(async () => {
    const closed = new Promise((resolve) => {
      server.close(resolve);
    });
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

function send(
  url: string,
  options: Partial<Parameters<typeof createWebhookSender>[0]> & { timeLimitMs?: number; signal?: AbortSignal } = {},
) {
  const { timeLimitMs, signal, ...senderOptions } = options;
  return createWebhookSender({ allowedPrivateRanges: LOOPBACK, ...senderOptions }).send({
    url,
    secrets: [secret],
    messageId: 'evt_1',
    body,
    signal: signal ?? new AbortController().signal,
    ...(timeLimitMs !== undefined && { timeLimitMs }),
  });
}

describe('a webhook attempt', () => {
  it('posts the exact body with both signatures and counts 2xx as success', async () => {
    const { seen, port } = await receiver((response) => response.writeHead(204).end());
    const result = await send(`http://127.0.0.1:${port}/hooks?tenant=a`);
    expect(result).toEqual({ ok: true, status: 204, durationMs: expect.any(Number) });
    expect(seen).toHaveLength(1);
    expect(seen[0]?.body).toBe(body);
    expect(seen[0]?.headers['content-type']).toBe('application/json');
    expect(seen[0]?.headers['x-keystone-signature']).toMatch(/^[0-9a-f]{64}$/);
    const headers = seen[0]?.headers as Record<string, string>;
    expect(() => new Webhook(secret).verify(body, headers)).not.toThrow();
  });

  it('reaches a named receiver inside an allowed range', async () => {
    const { port } = await receiver((response) => response.writeHead(200).end());
    await expect(send(`http://localhost:${port}/`)).resolves.toMatchObject({ ok: true, status: 200 });
  });

  it('treats a redirect as failure and does not follow it', async () => {
    const target = await receiver((response) => response.writeHead(200).end());
    const { port } = await receiver((response) =>
      response.writeHead(307, { location: `http://127.0.0.1:${target.port}/` }).end(),
    );
    const result = await send(`http://127.0.0.1:${port}/`);
    expect(result).toMatchObject({ ok: false, status: 307, error: 'redirect_refused' });
    expect(target.seen).toHaveLength(0);
  });

  it('reports the status and Retry-After of a refusal', async () => {
    const { port } = await receiver((response) => response.writeHead(503, { 'retry-after': '7' }).end('no'));
    const result = await send(`http://127.0.0.1:${port}/`);
    expect(result).toMatchObject({ ok: false, status: 503, error: 'unsuccessful_status', retryAfterMs: 7_000 });
  });

  it('ends in time when the receiver accepts and never answers', async () => {
    const port = await listen(createSocketServer());
    const result = await send(`http://127.0.0.1:${port}/`, { timeLimitMs: 150 });
    expect(result).toMatchObject({ ok: false, error: 'timeout' });
    expect(result.durationMs).toBeLessThan(1_500);
  });

  it('ends in time when the name server never answers', async () => {
    const result = await send('https://receiver.example/', { timeLimitMs: 100, resolve: () => new Promise(() => {}) });
    expect(result).toMatchObject({ ok: false, error: 'timeout' });
  });

  it('hangs up on a body without end, whose status has counted already', async () => {
    let written = 0;
    const closed = Promise.withResolvers<void>();
    const { port } = await receiver((response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(1_024);
      const timer = setInterval(() => {
        written += chunk.length;
        response.write(chunk);
      }, 1);
      response.on('close', () => {
        clearInterval(timer);
        closed.resolve();
      });
    });
    await expect(send(`http://127.0.0.1:${port}/`)).resolves.toMatchObject({ ok: true, status: 200 });
    await closed.promise;
    expect(written).toBeLessThan(256 * 1_024);
  });

  it('hangs up on a body that trickles, when the time limit is over', async () => {
    const closed = Promise.withResolvers<void>();
    const { port } = await receiver((response) => {
      response.writeHead(200);
      response.write('x');
      response.on('close', () => closed.resolve());
    });
    await expect(send(`http://127.0.0.1:${port}/`, { timeLimitMs: 200 })).resolves.toMatchObject({ ok: true });
    await closed.promise;
  });

  it('names a refused connection, a broken one, and a cancelled one, without the address', async () => {
    const breaking = createSocketServer((socket) => socket.destroy());
    const port = await listen(breaking);
    await expect(send(`http://127.0.0.1:${port}/?token=secret`)).resolves.toMatchObject({ error: 'connection_failed' });
    await expect(send('http://127.0.0.1:1/?token=secret')).resolves.toMatchObject({ error: 'connection_refused' });
    await expect(send(`http://127.0.0.1:${port}/`, { signal: AbortSignal.abort() })).resolves.toMatchObject({
      error: 'cancelled',
    });
  });

  it('does not speak TLS with somebody who cannot prove the name', async () => {
    const port = await listen(createSocketServer((socket) => socket.end('not tls at all')));
    await expect(send(`https://127.0.0.1:${port}/`)).resolves.toMatchObject({ ok: false, error: 'tls_failed' });
  });

  it('reports a malformed secret without repeating it', async () => {
    const sender = createWebhookSender({ allowedPrivateRanges: LOOPBACK });
    const signal = new AbortController().signal;
    const request = { url: 'http://127.0.0.1:1/', secrets: ['hunter2'], messageId: 'evt_1', body, signal };
    const result = await sender.send(request);
    expect(result).toMatchObject({ ok: false, error: 'secret_malformed' });
    expect(JSON.stringify(result)).not.toContain('hunter2');
  });
});

describe('the guard against internal addresses', () => {
  it.each(LOOPBACK_SPELLINGS)('lets no delivery through to %s', async (host) => {
    const v4 = await receiver((response) => response.writeHead(200).end(), '0.0.0.0');
    const attempts = [`http://${host}:${v4.port}/`, `https://${host}:${v4.port}/`];
    for (const url of attempts) {
      const result = await send(url, NOTHING);
      expect(result.ok).toBe(false);
      // Whether `localhost.` resolves depends on the machine.
      expect(result.error).toMatch(host.endsWith('.') ? /address_refused|name_not_resolved/ : /address_refused/);
    }
    expect(v4.seen).toHaveLength(0);
  });

  it.each(LOOPBACK_SPELLINGS)('refuses to register %s', async (host) => {
    await expect(checkWebhookUrl(`https://${host}/hook`, NOTHING)).resolves.toMatchObject({ allowed: false });
  });

  it('judges the address that is connected to, so a name that changes its answer gains nothing', async () => {
    const { seen, port } = await receiver((response) => response.writeHead(200).end());
    let asked = 0;
    const rebinding = async () => {
      asked += 1;
      return [{ address: asked === 1 ? '93.184.215.14' : '127.0.0.1', family: 4 }];
    };
    await expect(checkWebhookUrl('https://rebind.example/', NOTHING, rebinding)).resolves.toEqual({ allowed: true });
    const result = await send(`https://rebind.example:${port}/`, { ...NOTHING, resolve: rebinding });
    expect(result).toMatchObject({ ok: false, error: 'address_refused' });
    expect(seen).toHaveLength(0);
  });

  it('never connects to the internal one of several addresses', async () => {
    const { seen, port } = await receiver((response) => response.writeHead(200).end());
    await expect(send(`https://mixed.example:${port}/`, { ...NOTHING, resolve: mixed })).resolves.toMatchObject({
      error: 'address_refused',
    });
    expect(seen).toHaveLength(0);
  });

  it.each([
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    'fe80::1',
    'fc00::1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:db8::1',
    '::7f00:1',
    'not an address',
  ])('counts %s as internal', (address) => {
    expect(judgeAddress(address, NOTHING)).toBe('refused');
  });

  it.each(['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])('counts %s as public', (address) => {
    expect(judgeAddress(address, NOTHING)).toBe('public');
  });
});

describe('the check at registration', () => {
  it('accepts https to a public address, and to a name that does not resolve yet', async () => {
    await expect(checkWebhookUrl('https://hooks.example/a?b=c', NOTHING, known('93.184.215.14'))).resolves.toEqual({
      allowed: true,
    });
    await expect(checkWebhookUrl('https://hooks.example/', NOTHING, unknown)).resolves.toEqual({ allowed: true });
  });

  it('accepts http only inside an allowed private range', async () => {
    const policy = { allowedPrivateRanges: LOOPBACK };
    await expect(checkWebhookUrl('http://127.0.0.1:3000/', policy)).resolves.toEqual({ allowed: true });
    await expect(checkWebhookUrl('http://sink.test/', policy, known('127.0.0.2'))).resolves.toEqual({ allowed: true });
    for (const address of ['93.184.215.14', '10.0.0.1']) {
      const verdict = await checkWebhookUrl('http://hooks.example/', policy, known(address));
      expect(verdict).toMatchObject({ allowed: false });
    }
    await expect(checkWebhookUrl('http://hooks.example/', policy, unknown)).resolves.toMatchObject({ allowed: false });
  });

  it.each(['localhost', 'db', 'printer.local', 'metadata.google.internal', 'a.localhost.'])(
    'refuses the local name %s even where it does not resolve',
    async (name) => {
      await expect(checkWebhookUrl(`https://${name}/`, NOTHING, unknown)).resolves.toMatchObject({ allowed: false });
    },
  );

  it('does not tell which internal address a name has', async () => {
    const details = await Promise.all(
      ['10.0.0.1', '127.0.0.1', '169.254.169.254'].map((address) =>
        checkWebhookUrl('https://intra.example/', NOTHING, known(address)),
      ),
    );
    expect(new Set(details.map((verdict) => JSON.stringify(verdict))).size).toBe(1);
  });

  it.each([
    'ftp://hooks.example/',
    'https://user:password@hooks.example/',
    'https://hooks.example/#fragment',
    'hooks.example',
    `https://hooks.example/${'a'.repeat(2_048)}`,
    'javascript:alert(1)',
    '',
  ])('refuses %s', async (url) => {
    await expect(checkWebhookUrl(url, NOTHING, known('93.184.215.14'))).resolves.toMatchObject({ allowed: false });
  });
});

describe('parseAllowedPrivateRanges', () => {
  it('takes a comma-separated list of CIDR ranges and refuses anything else', () => {
    expect(parseAllowedPrivateRanges('')).toEqual([]);
    expect(parseAllowedPrivateRanges(' 10.0.0.0/8 ,fd00::/8')).toHaveLength(2);
    for (const text of ['10.0.0.0', 'localhost', '10.0.0.0/33', '10.0.0.0/8;fd00::/8']) {
      expect(() => parseAllowedPrivateRanges(text)).toThrow(/no CIDR/);
    }
  });
});

describe('parseRetryAfter', () => {
  it('reads seconds and dates, and bounds both', () => {
    const now = Date.parse('2026-11-21T12:00:00Z');
    expect(parseRetryAfter('120', now)).toBe(120_000);
    expect(parseRetryAfter('Sat, 21 Nov 2026 12:01:00 GMT', now)).toBe(60_000);
    expect(parseRetryAfter('Sat, 21 Nov 2026 11:00:00 GMT', now)).toBe(0);
    expect(parseRetryAfter('999999999', now)).toBe(86_400_000);
    expect(parseRetryAfter('soon', now)).toBeUndefined();
    expect(parseRetryAfter(undefined, now)).toBeUndefined();
  });
});
