/** The `keystone` command: one table of subcommands. */

import { chainUsage } from './chain/usage.ts';
import { inspectUsage, recoverUsage } from './recover/usage.ts';
import { USAGE_EXIT_CODE, UsageError } from './usage.ts';
import { runVerify, verifyUsage } from './verify.ts';

interface Subcommand {
  readonly summary: string;
  readonly usage: string;
  /** @returns the exit code */
  readonly run: (args: readonly string[]) => Promise<number>;
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  verify: { summary: 'verify proof packs, offline or against a chain', usage: verifyUsage, run: runVerify },
  // Loaded when they are called: `verify` needs neither chains nor a database.
  inspect: {
    summary: 'see from the chains alone where a settlement stands',
    usage: inspectUsage,
    run: async (args) => (await import('./recover/recover.ts')).runInspect(args),
  },
  recover: {
    summary: 'take back or carry on a settlement with nothing else running',
    usage: recoverUsage,
    run: async (args) => (await import('./recover/recover.ts')).runRecover(args),
  },
  chain: {
    summary: 'see which chains are halted, and resume one',
    usage: chainUsage,
    run: async (args) => (await import('./chain/chain.ts')).runChain(args),
  },
};

function help(): string {
  const lines = Object.entries(SUBCOMMANDS).map(([name, command]) => `  ${name.padEnd(10)} ${command.summary}`);
  return [
    'Usage: keystone <command> [options]',
    '',
    'Commands:',
    ...lines,
    '',
    '`keystone <command> --help` says more.',
    '',
  ].join('\n');
}

async function main(argv: readonly string[]): Promise<number> {
  const [name = '', ...args] = argv;
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(help());
    return 0;
  }
  const command = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (command === undefined) {
    process.stderr.write(
      `${name === '' ? 'A command is missing.' : `There is no command ${JSON.stringify(name)}.`}\n\n${help()}`,
    );
    return USAGE_EXIT_CODE;
  }
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(command.usage);
    return 0;
  }
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`keystone ${name}: ${error.message}\n\n${command.usage}`);
      return USAGE_EXIT_CODE;
    }
    throw error;
  }
}

process.exitCode = await main(process.argv.slice(2));
