import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { formatUnits } from 'ethers';

import { createApiClient } from './api-client.ts';
import { buildTimeline, missingWebhooks, renderTimeline, type SettlementTimeline, table } from './demo-report.ts';
import {
  BOND_QUANTITY,
  CASH_QUANTITY,
  collectWebhooks,
  instructAndMatch,
  type Participant,
  proposeAndConfirm,
  readEvents,
  readProof,
  settle,
  type Trade,
  type TradeContext,
} from './demo-trade.ts';
import { createChainClient, createPartyWallet, type TokenName } from './demo-wallet.ts';
import { locateHome, REPOSITORY } from './home.ts';
import { readStackFile, type StackChain, type StackFile } from './stack-file.ts';

/**
 * Settles two trades as outside clients: knows only `stack.json`, speaks HTTP with each platform's own token and pays from each
 * party's own wallet. Exit code 0 only if both trades finalised, all webhooks came and both proofs verified.
 */

/** Milliseconds. */
const VERIFY_LIMIT_MS = 60_000;
const TRADES = 2n;
const KEPT_RUNS = 20;
const DECIMALS: Readonly<Record<TokenName, number>> = { KBOND: 18, TUSDC: 6 };

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

type Balances = Readonly<Record<string, Readonly<Record<TokenName, bigint>>>>;

async function readBalances(participants: readonly Participant[]): Promise<Balances> {
  const entries = participants.map(async ({ slug, wallet }) => {
    const [KBOND, TUSDC] = await Promise.all([wallet.balanceOf('KBOND'), wallet.balanceOf('TUSDC')]);
    return [slug, { KBOND, TUSDC }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

function renderBalances(before: Balances, after: Balances): string {
  const rows = Object.entries(before).flatMap(([slug, tokens]) =>
    (Object.keys(tokens) as TokenName[]).map((token) => {
      const now = after[slug]?.[token] ?? 0n;
      const change = now - tokens[token];
      const shown = (amount: bigint): string => formatUnits(amount, DECIMALS[token]);
      return [slug, token, shown(tokens[token]), shown(now), `${change > 0n ? '+' : ''}${shown(change)}`];
    }),
  );
  const lines = table([['platform', 'token', 'before', 'after', 'change'], ...rows]);
  return ['Balances', ...lines.map((line) => `  ${line}`), ''].join('\n');
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
  const timeline = buildTimeline(trade, events, webhooks, workflowUrl);
  const slugs = [context.seller.slug, context.buyer.slug];
  const problems = missingWebhooks(timeline, slugs).map((missing) => `no verified webhook of ${missing}`);
  return { trade, timeline, packFile, problems };
}

/** Runs the verifier that an auditor would run, against the chain. Answers what it said, and whether it accepted all. */
function verifyProofs(chain: StackChain, files: readonly string[], keys: string): { valid: boolean; output: string } {
  const rpc = `${chain.chain_id}=${chain.rpc_url}`;
  const result = spawnSync(
    process.execPath,
    [join(REPOSITORY, 'cli/keystone.mjs'), 'verify', ...files, '--rpc', rpc, '--keys', keys],
    {
      cwd: REPOSITORY,
      encoding: 'utf8',
      timeout: VERIFY_LIMIT_MS,
    },
  );
  return { valid: result.status === 0, output: `${result.stdout}${result.stderr}` };
}

/** The verdict of each pack, and every check that did not pass; the list of all checks is in the file. */
function summaryOf(output: string): string[] {
  return output.split('\n').filter((line) => /^\S/.test(line) || line.includes('✗'));
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

function createContext(stack: StackFile): { context: TradeContext; close: () => void } {
  const [chain] = stack.chains;
  const [platformA, platformB] = stack.platforms;
  if (chain === undefined || platformA === undefined || platformB === undefined) {
    throw new Error('stack.json names no chain or fewer than two platforms');
  }
  const provider = createChainClient(chain);
  const seller: Participant = {
    slug: platformA.slug,
    role: 'seller',
    externalReference: 'seller-001',
    name: 'Acme Securities',
    api: createApiClient(stack, platformA),
    wallet: createPartyWallet(chain, platformA, provider),
  };
  const buyer: Participant = {
    slug: platformB.slug,
    role: 'buyer',
    externalReference: 'buyer-acct-042',
    name: 'Beta Capital',
    api: createApiClient(stack, platformB),
    wallet: createPartyWallet(chain, platformB, provider),
  };
  return { context: { chain, seller, buyer, sinkUrl: stack.webhook_sink_url }, close: () => provider.destroy() };
}

async function main(): Promise<number> {
  const home = locateHome();
  const stack = readStackFile(home.file('stack.json'));
  const directory = prepareDirectory(home.runs);
  const { context, close } = createContext(stack);
  const participants = [context.seller, context.buyer];
  print(
    `\nTwo trades of ${BOND_QUANTITY} KBOND against ${CASH_QUANTITY} TUSDC between ${context.seller.slug} and ${context.buyer.slug}\n`,
  );
  await Promise.all([
    context.seller.wallet.ensure('KBOND', String(BigInt(BOND_QUANTITY) * TRADES)),
    context.buyer.wallet.ensure('TUSDC', String(BigInt(CASH_QUANTITY) * TRADES)),
  ]);
  const before = await readBalances(participants);
  const results = await Promise.allSettled([
    runTrade(context, proposeAndConfirm, stack, directory),
    runTrade(context, instructAndMatch, stack, directory),
  ]);
  const after = await readBalances(participants);
  close();

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
    const verified = verifyProofs(context.chain, files, home.file('trusted-keys.json'));
    writeFileSync(join(directory, 'verification.txt'), verified.output);
    print(
      `Proofs, checked by \`keystone verify\` with the chain read again (all checks: ${join(directory, 'verification.txt')})`,
    );
    for (const line of summaryOf(verified.output)) print(`  ${line}`);
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
