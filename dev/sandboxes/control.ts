import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { type Handled, type Handler, jsonOf, type ReceivedRequest, type Reply } from './loopback-server.ts';

/** Longest delay that a test may ask for, ms. */
const MAX_DELAY_MS = 120_000;
const MAX_COUNT = 10_000;
const MAX_MATCH_LENGTH = 200;
const MAX_WALLETS = 1_000;

/** What a wallet of the control list looks like; `none` takes it off the list. */
export const WALLET_RISKS = ['Severe', 'SevereIndirect', 'High', 'Medium', 'Low', 'Unexplained', 'none'] as const;
export type WalletRisk = (typeof WALLET_RISKS)[number];

const controlBody = z.strictObject({
  outage: z.boolean().optional(),
  delay_ms: z.number().int().min(0).max(MAX_DELAY_MS).optional(),
  fail_next: z.number().int().min(0).max(MAX_COUNT).optional(),
  fail_status: z.number().int().min(400).max(599).optional(),
  drop_next: z.number().int().min(0).max(MAX_COUNT).optional(),
  malformed_next: z.number().int().min(0).max(MAX_COUNT).optional(),
  /** The three counted faults hit only calls whose `METHOD /path` contains this. */
  match: z.string().max(MAX_MATCH_LENGTH).optional(),
  wallets: z
    .record(z.string().regex(/^0x[0-9a-fA-F]{40}$/), z.enum(WALLET_RISKS))
    .refine((wallets) => Object.keys(wallets).length <= MAX_WALLETS, 'too many wallets')
    .optional(),
});

export const CONTROL_PATH = '/__control';

export interface Control {
  /** Lower-case address → risk, set by a test. */
  wallets: ReadonlyMap<string, WalletRisk>;
  /** The server's own handler behind the control API, the call counter and the faults. */
  around(handler: Handler): Handler;
}

/** The names are those of the control body, so that setting and showing need no translation. */
function createFaults() {
  const settings = {
    outage: false,
    delay_ms: 0,
    fail_next: 0,
    fail_status: 503,
    drop_next: 0,
    malformed_next: 0,
    match: '',
  };

  /** Uses up one of a counted fault; false when none is left. */
  function use(name: 'fail_next' | 'drop_next' | 'malformed_next'): boolean {
    if (settings[name] === 0) return false;
    settings[name] -= 1;
    return true;
  }

  return {
    settings,
    async around(handler: Handler, request: ReceivedRequest): Promise<Handled> {
      if (settings.delay_ms > 0) await pause(settings.delay_ms, undefined, { ref: false });
      if (settings.outage) return { status: 503, text: 'sandbox outage' };
      if (!`${request.method} ${request.path}`.includes(settings.match)) return handler(request);
      if (use('fail_next')) return { status: settings.fail_status, text: 'sandbox failure' };
      const reply = await handler(request);
      // After the work: the answer is lost, what was stored stays.
      if (use('drop_next')) return 'drop';
      if (use('malformed_next')) return { status: 200, json: { unexpected: true } };
      return reply;
    },
  };
}

/**
 * Faults on demand for tests and demonstrations: `POST /__control` sets, `GET /__control` counts. Answers only peers
 * on this machine, also when the server was made to listen elsewhere.
 */
export function createControl(details: () => Record<string, unknown>): Control {
  const faults = createFaults();
  const wallets = new Map<string, WalletRisk>();
  const calls = new Map<string, number>();

  function show(): Reply {
    const counts = { wallets: Object.fromEntries(wallets), calls: Object.fromEntries(calls) };
    return { status: 200, json: { ...faults.settings, ...counts, ...details() } };
  }

  function set(request: ReceivedRequest): Reply {
    const parsed = controlBody.safeParse(jsonOf(request.body));
    if (!parsed.success) return { status: 400, json: { error: 'invalid control body', issues: parsed.error.issues } };
    const { wallets: listed = {}, ...settings } = parsed.data;
    Object.assign(faults.settings, settings);
    for (const [address, risk] of Object.entries(listed)) {
      if (risk === 'none') wallets.delete(address.toLowerCase());
      else wallets.set(address.toLowerCase(), risk);
    }
    return show();
  }

  return {
    wallets,
    around: (handler) => async (request) => {
      if (request.path === CONTROL_PATH) {
        if (!request.fromLoopback) return { status: 404 };
        return request.method === 'POST' ? set(request) : show();
      }
      const operation = `${request.method} ${operationOf(request.path)}`;
      calls.set(operation, (calls.get(operation) ?? 0) + 1);
      return faults.around(handler, request);
    },
  };
}

/** A path with its ids and addresses taken out, so that calls can be counted by endpoint. */
function operationOf(path: string): string {
  return path
    .replace(/(\/groups\/)[^/]+/, '$1:id')
    .replace(/(\/cases\/)(?!screeningRequest|screeningStatus)[^/]+/, '$1:id')
    .replace(/(\/addresses\/)[^/]+/, '$1:address');
}
