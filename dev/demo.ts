import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { renderBalances, readBalances } from './demo-balances.ts';
import { buildTimeline, missingWebhooks, renderTimeline, type SettlementTimeline } from './demo-report.ts';
import {
  BOND_QUANTITY,
  CASH_QUANTITY,
  collectWebhooks,
  instructAndMatch,
  proposeAcrossChains,
  proposeAndConfirm,
  readEvents,
  readLegs,
  readProof,
  settle,
  type Trade,
  type TradeContext,
} from './demo-trade.ts';
import { createPeople } from './demo-people.ts';
import { readPackets } from './relay/client.ts';
import { locateHome, REPOSITORY } from './home.ts';
import { printableUrl, readStackFile, type StackChain, type StackFile } from './stack-file.ts';

/**
 * Settles three trades as outside clients: knows only `stack.json`, speaks HTTP with each platform's own token and pays from each
 * party's own wallet. Exit code 0 only if all trades finalised, all webhooks came and all proofs verified.
 */

/** Milliseconds. */
const VERIFY_LIMIT_MS = 60_000;
const KEPT_RUNS = 20;
/** The third needs a second chain. */
const TRADES = [proposeAndConfirm, instructAndMatch, proposeAcrossChains] as const;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

interface Outcome {
  readonly trade: Trade;
  readonly timeline: SettlementTimeline;
  readonly packFile: string;
  readonly problems: readonly string[];
}

async function runTrade(
  context: TradeContext,
  begin: (context: TradeContext) => Promise<Trade>,
  stack: StackFile,
  directory: string,
): Promise<Outcome> {
  const trade = await begin(context);
  const { ui_url, namespace } = stack.temporal;
  const workflowUrl =
    ui_url === '' ? null : `${ui_url}/namespaces/${namespace}/workflows/settlement-${trade.settlementId}`;
  try {
    await settle(context, trade);
  } catch (error) {
    throw new Error(
      `${error instanceof Error ? error.message : String(error)}; its workflow: ${workflowUrl ?? 'in Temporal'}`,
      {
        cause: error,
      },
    );
  }
  const proof = await readProof(context, trade);
  const packFile = join(directory, `pack-${trade.settlementId}.json`);
  writeFileSync(packFile, proof);
  const events = await readEvents(context, trade);
  const webhooks = await collectWebhooks(context, trade, events);
  const acrossChains = trade.chains.length > 1;
  const packets = acrossChains && stack.relay !== null ? await readPackets(stack.relay, trade.settlementId) : [];
  const legs = await readLegs(context, trade);
  const timeline = buildTimeline({ trade, chains: stack.chains, events, legs, webhooks, packets, workflowUrl });
  const slugs = [context.seller.slug, context.buyer.slug];
  const problems = missingWebhooks(timeline, slugs).map((missing) => `no verified webhook of ${missing}`);
  return { trade, timeline, packFile, problems };
}

interface Verification {
  readonly valid: boolean;
  readonly output: string;
}

/** Runs the verifier that an auditor would run, against every chain. Answers what it said, and whether it accepted all. */
function verifyProofs(stack: StackFile, files: readonly string[], keys: string): Verification {
  const result = spawnSync(
    process.execPath,
    [join(REPOSITORY, 'cli/keystone.mjs'), 'verify', ...files, ...rpcWords(stack), '--keys', keys],
    {
      cwd: REPOSITORY,
      encoding: 'utf8',
      timeout: VERIFY_LIMIT_MS,
    },
  );
  return { valid: result.status === 0, output: `${result.stdout}${result.stderr}` };
}

/** One node per chain, as the verifier wants them. */
function rpcWords(stack: StackFile, shown = ({ rpc_url }: StackChain): string => rpc_url): string[] {
  return stack.chains.flatMap((chain) => ['--rpc', `${chain.chain_id}=${shown(chain)}`]);
}

/** The verdict of each pack, and every check that did not pass; the list of all checks is in the file. */
function summaryOf(output: string): string[] {
  return output.split('\n').filter((line) => /^\S.*[^:]$/.test(line) || line.includes('✗'));
}

/** Removes the oldest runs, so that the folder does not grow for ever. Their names sort by time. */
function forgetOldRuns(runs: string): void {
  const names = readdirSync(runs)
    .filter((name) => /^\d{4}-/.test(name))
    .toSorted();
  for (const name of names.slice(0, -KEPT_RUNS)) rmSync(join(runs, name), { recursive: true, force: true });
}

function prepareDirectory(runs: string): string {
  const name = new Date().toISOString().replaceAll(':', '-');
  const directory = join(runs, name);
  mkdirSync(directory, { recursive: true });
  const link = join(runs, 'latest');
  const unfinished = join(runs, `.latest-${process.pid}`);
  rmSync(unfinished, { force: true });
  symlinkSync(name, unfinished);
  renameSync(unfinished, link);
  forgetOldRuns(runs);
  return directory;
}

async function main(): Promise<number> {
  const home = locateHome();
  const stack = readStackFile(home.file('stack.json'));
  const directory = prepareDirectory(home.runs);
  const people = createPeople(stack);
  const { context } = people;
  const { seller, buyer } = context;
  const participants = [seller, buyer];
  const begins = stack.chains.length > 1 ? TRADES : TRADES.slice(0, 2);
  if (begins.length < TRADES.length) print('note    one chain only: the trade across two chains is left out');
  print(
    `\n${begins.length} trades of ${BOND_QUANTITY} KBOND against ${CASH_QUANTITY} TUSDC between ${seller.slug} and ${buyer.slug}\n`,
  );
  const times = (quantity: string, count: number): string => String(BigInt(quantity) * BigInt(count));
  await Promise.all([
    seller.wallet.ensure('KBOND', times(BOND_QUANTITY, begins.length)),
    buyer.wallet.ensure('TUSDC', times(CASH_QUANTITY, 2)),
    ...stack.chains.slice(1).map(({ chain_id }) => buyer.walletOn(chain_id).ensure('TUSDC', CASH_QUANTITY)),
  ]);
  const before = await readBalances(participants, stack.chains);
  const results = await Promise.allSettled(begins.map((begin) => runTrade(context, begin, stack, directory)));
  const after = await readBalances(participants, stack.chains);
  people.close();

  const outcomes = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const problems = [
    ...results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as Error).message] : [])),
    ...outcomes.flatMap((outcome) => outcome.problems),
  ];
  writeFileSync(
    join(directory, 'timeline.json'),
    `${JSON.stringify(
      outcomes.map(({ timeline }) => timeline),
      null,
      2,
    )}\n`,
  );
  for (const { timeline } of outcomes) print(renderTimeline(timeline));
  print(renderBalances(before, after));
  if (outcomes.length > 0) {
    const files = outcomes.map(({ packFile }) => packFile);
    const verified = verifyProofs(stack, files, home.file('trusted-keys.json'));
    writeFileSync(join(directory, 'verification.txt'), verified.output);
    print(
      `Proofs, checked by \`keystone verify\` with the chain read again (all checks: ${join(directory, 'verification.txt')})`,
    );
    for (const line of summaryOf(verified.output)) print(`  ${line}`);
    const last = outcomes.at(-1)?.packFile ?? '';
    print(`  again: npx keystone verify ${last} ${rpcWords(stack, printableUrl).join(' ')}`);
    if (!verified.valid) problems.push('a proof did not verify');
  }
  for (const problem of problems) print(`FAILED  ${problem}`);
  if (problems.length > 0) print(`        try: look at ${home.log('worker')} and ${home.log('api')}`);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  print(`FAILED  the demo: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
});
