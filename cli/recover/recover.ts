import { Wallet } from 'ethers';

import type { RemoteChain } from '../../chain/provider.ts';
import { KeystoneError } from '../../domain/errors.ts';
import { readRecoverArguments, type RecoverArguments } from './arguments.ts';
import { readPrivateKey } from './files.ts';
import { gather, type Gathered } from './gather.ts';
import { EXIT, RecoverError } from './outcome.ts';
import { costText, situationReport, situationText, transactionReport } from './report.ts';
import { type Cost, priceOf, sendSigned } from './send.ts';
import { prepare, type PreparedTransaction, releaseOf, releaseSide } from './transactions.ts';

/** @returns the exit code; see the usage text */
export function runInspect(args: readonly string[]): Promise<number> {
  return run(readRecoverArguments(args, true), 'inspect');
}

/** @returns the exit code; see the usage text */
export function runRecover(args: readonly string[]): Promise<number> {
  return run(readRecoverArguments(args, false), 'recover');
}

async function run(given: RecoverArguments, name: string): Promise<number> {
  const opened: RemoteChain[] = [];
  try {
    // Before anything is asked: a key that others may read is refused even when there is nothing to do.
    const privateKey = given.keyFile === undefined ? undefined : await readPrivateKey(given.keyFile);
    const gathered = await gather(given, opened);
    if (given.action === undefined) show(given, gathered);
    else if (given.action === 'sign-release') await signRelease(given, gathered, privateKey ?? '');
    else await act(given, gathered, privateKey);
    return EXIT.done;
  } catch (error) {
    const ended = asEnd(error);
    process.stderr.write(`keystone ${name}: ${ended.message}\n`);
    return ended.exitCode;
  } finally {
    for (const chain of opened) chain.close();
  }
}

/** Errors of the chain clients end with their public sentence; anything else is a defect and stays one. */
function asEnd(error: unknown): RecoverError {
  if (error instanceof RecoverError) return error;
  if (!(error instanceof KeystoneError)) throw error;
  const code =
    error.code === 'chain_unavailable' || error.code === 'chain_disagreement' ? EXIT.chainMissing : EXIT.notNow;
  return new RecoverError(code, error.detail);
}

function show(given: RecoverArguments, gathered: Gathered): void {
  const command = `npx keystone recover ${given.settlementId} … `.trimEnd();
  process.stdout.write(given.json ? json(situationReport(gathered)) : situationText(gathered, command));
}

async function act(given: RecoverArguments, gathered: Gathered, privateKey: string | undefined): Promise<void> {
  const prepared = await prepare(given, gathered);
  for (const transaction of prepared) {
    refuseDearMessage(given, transaction);
    if (privateKey === undefined) await print(given, transaction);
    else await send(given, transaction, privateKey);
  }
}

function refuseDearMessage(given: RecoverArguments, { call }: PreparedTransaction): void {
  const fee = call.value ?? 0n;
  if (given.maximumFeeWei !== undefined && fee > given.maximumFeeWei) {
    throw new RecoverError(EXIT.notNow, `The message costs ${fee} wei, more than --max-fee ${given.maximumFeeWei}.`);
  }
}

/** For signing elsewhere. The chain's refusal is found here, not in the wallet. */
async function print(given: RecoverArguments, transaction: PreparedTransaction): Promise<void> {
  const cost = await priceOf(transaction.chain, transaction.call);
  if (!given.json) process.stderr.write(`${costText(transaction, cost)}\nSign and send this from any account:\n`);
  process.stdout.write(json(transactionReport(transaction, cost)));
}

async function send(given: RecoverArguments, transaction: PreparedTransaction, privateKey: string): Promise<void> {
  const { chain, call } = transaction;
  const cost: Cost = await priceOf(chain, call, new Wallet(privateKey).address);
  process.stderr.write(`${costText(transaction, cost)}\n`);
  const receipt = await sendSigned(chain, call, {
    privateKey,
    cost,
    onSent: (hash) => process.stderr.write(`sent ${hash}\n`),
  });
  const done = {
    chain_id: chain.chainId,
    transaction_hash: receipt.transactionHash,
    block_number: receipt.blockNumber,
  };
  process.stdout.write(given.json ? json(done) : `done: ${receipt.transactionHash} in block ${receipt.blockNumber}\n`);
}

/** One party's signature of a cooperative release; it moves nothing by itself. */
async function signRelease(given: RecoverArguments, gathered: Gathered, privateKey: string): Promise<void> {
  const { chain, history } = releaseSide(given, gathered);
  const { typedData, wallets } = releaseOf(given, gathered, chain, history);
  const wallet = new Wallet(privateKey);
  const address = wallet.address.toLowerCase();
  if (!wallets.includes(address)) {
    throw new RecoverError(
      EXIT.notFound,
      `${address} is none of the wallets that have to sign: ${wallets.join(', ')}.`,
    );
  }
  const signature = await wallet.signTypedData(typedData.domain, typedData.types, typedData.message);
  process.stderr.write(
    `Signatures are wanted of ${wallets.join(', ')}, to ${given.outcome} on chain ${chain.chainId}.\n`,
  );
  process.stdout.write(json({ [address]: signature }));
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
