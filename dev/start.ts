import { parseArgs } from 'node:util';

import { watchAncestors } from './ancestors.ts';
import { createHome, forgetData, type Home, locateHome, setLogsAside } from './home.ts';
import { type Launch, variable } from './launch.ts';
import { takeLauncherLock } from './launcher-lock.ts';
import { createProcessRegistry } from './process-registry.ts';
import { isAlive } from './processes.ts';
import { runDemo } from './run-demo.ts';
import { createSecretStore } from './secrets.ts';
import { startStack } from './stack.ts';
import { printableUrl } from './stack-file.ts';
import { createSteps, StepFailed, type Steps } from './steps.ts';
import { createSupervisor } from './supervisor.ts';

/**
 * `npm start`: the whole stack on this machine, then three trades that settle on it, one of them across two chains. Stays up until Ctrl-C.
 *
 *   --once      stop after the demo; exit 0 only if all trades finalised and all proofs verified
 *   --fresh     forget the data of earlier starts (keys and credentials stay)
 *   --no-demo   do not settle anything
 */

const OPTIONS = {
  once: { type: 'boolean', default: false },
  fresh: { type: 'boolean', default: false },
  'no-demo': { type: 'boolean', default: false },
} as const;

const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

type Arguments = ReturnType<typeof readArguments>;

function readArguments(words: readonly string[]) {
  return parseArgs({ args: [...words], options: OPTIONS, strict: true, allowPositionals: false }).values;
}

async function main(): Promise<number> {
  const startedAtMs = Number(process.env['KEYSTONE_STARTED_AT_MS'] ?? Date.now());
  const steps = createSteps((text) => process.stdout.write(text), startedAtMs);
  let values: Arguments;
  try {
    values = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(
      `${error instanceof Error ? error.message : String(error)}\nusage: npm start -- [--once] [--fresh] [--no-demo]\n`,
    );
    return EXIT.usage;
  }
  const home = createHome();
  const stop = listenForStop();
  let giveBack: () => void;
  try {
    giveBack = await takeLauncherLock(home.file('launcher.lock'), steps.say);
  } catch (error) {
    steps.say(`FAILED  ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.failed;
  }
  try {
    return await launchAndWait(home, steps, values, stop);
  } finally {
    giveBack();
  }
}

async function launchAndWait(home: Home, steps: Steps, values: Arguments, stop: StopRequest): Promise<number> {
  const launch = await prepare(home, steps, values);
  try {
    const work = startStack(launch).then((stack) =>
      values['no-demo'] ? { stack, demoExit: EXIT.ok } : runDemo(launch).then((demoExit) => ({ stack, demoExit })),
    );
    const outcome = await Promise.race([work, stop.requested]);
    if (outcome === 'stop') {
      // What is still starting is stopped below; its failure is then expected.
      work.catch(() => undefined);
      return EXIT.interrupted;
    }
    printAddresses(steps, outcome.stack, home);
    if (values.once) return outcome.demoExit;
    if (outcome.demoExit !== EXIT.ok)
      steps.say('note    the demo did not succeed, see above; the stack stays up to be looked at');
    steps.say('ready   Ctrl-C stops everything');
    await stop.requested;
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    steps.say(error.message);
    return EXIT.failed;
  } finally {
    steps.say('stopping');
    await launch.supervisor.stopAll();
    const survivors = launch.registry.processes().filter(isAlive);
    // A process that was starting when the stop came is not known to the supervisor yet.
    if (survivors.length > 0) await launch.registry.endLeftovers();
    steps.say('stopped');
  }
}

/** Ends what a killed start left behind, and forgets the data when asked to. */
async function prepare(home: Home, steps: Steps, values: Arguments): Promise<Launch> {
  const registry = createProcessRegistry(home.file('processes.json'));
  const ended = await registry.endLeftovers();
  if (ended.length > 0)
    steps.say(`note    an earlier start was killed; ended what it left running: ${ended.join(', ')}`);
  setLogsAside(home);
  const launch: Launch = {
    home,
    secrets: createSecretStore(home.secrets),
    steps,
    supervisor: createSupervisor((line) => steps.say(`note    ${line}`)),
    registry,
    environment: process.env,
  };
  if (values.fresh) {
    forgetData(home);
    steps.say('note    the data of earlier starts is forgotten');
    if (variable(launch, 'DATABASE_URL') !== undefined)
      steps.say('note    the database of DATABASE_URL is left as it is');
  }
  return launch;
}

interface StopRequest {
  readonly requested: Promise<'stop'>;
}

/** Ctrl-C, a termination, a closed terminal, or the death of the command that started us. */
function listenForStop(): StopRequest {
  const requested = new Promise<'stop'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve('stop'));
    watchAncestors(() => resolve('stop'));
  });
  // Output to a pipe whose reader is gone must not end the stop half-way.
  process.stdout.on('error', () => undefined);
  return { requested };
}

function printAddresses(steps: Steps, stack: Awaited<ReturnType<typeof startStack>>, home: Home): void {
  const rows = [
    ['API', stack.api_url],
    ['OpenAPI', `${stack.api_url}/openapi.json`],
    ['tokens', stack.token_url],
    ['Temporal UI', stack.temporal.ui_url],
    ['webhook sink', `${stack.webhook_sink_url}/hooks/platform-a`],
    ...stack.chains.map((chain) => [chain.name, `${printableUrl(chain)} (chain ${chain.chain_id})`]),
    ...(stack.relay === null ? [] : [['message relay', `${stack.relay.url}/packets`]]),
    ['for scripts', home.file('stack.json')],
    ['logs', home.logs],
  ];
  steps.say('addresses');
  for (const [name = '', value = ''] of rows) process.stdout.write(`           ${name.padEnd(14)} ${value}\n`);
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.stderr.write(`the logs are in ${locateHome().logs}\n`);
  return EXIT.failed;
});
// Nothing is left to do; a connection that a library keeps open must not keep us.
process.exit();
