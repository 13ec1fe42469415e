import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Contract,
  type ContractTransactionResponse,
  Interface,
  type JsonRpcProvider,
  type Wallet,
  keccak256,
  toUtf8Bytes,
} from 'ethers';
import { randomUUID } from 'node:crypto';
import { loadArtifact } from '../contracts/build.ts';
import { type KeystoneDeployment, type TestTokens, deployKeystone, deployTestTokens } from '../dev/deploy-contracts.ts';
import {
  type ComposedDecisions,
  type LegInput,
  type LogPoint,
  type Pack,
  type SettlementEvidence,
  type SettlementTerms,
  composeDecisions,
  composePack,
  decisionSetDigest,
  evmChainId,
  generateSigningKey,
  hashTerms,
  partyHash,
  publicKeyOf,
  trustedKeysFile,
  uuidToBytes32,
  verifyPack,
} from '../keystone/pack.ts';
import { TEST_CHAIN_ID, getTestServers } from '../test/support/servers.ts';
import { createFundedWallet, createTestProvider } from '../test/support/wallet.ts';
import { createJsonRpcReader } from './json-rpc.ts';

const SETUP_MS = 120_000;
const CHAIN = evmChainId(TEST_CHAIN_ID);
const ZERO_BYTES32 = `0x${'0'.repeat(64)}`;
const ZERO_WALLET = `0x${'0'.repeat(40)}`;
const BOND = 500n * 10n ** 18n;
const CASH = 125_000n * 10n ** 6n;
/** One basis point of the cash. */
const FEE = CASH / 10_000n;

/** The whole way against the real contracts: what they emit is what the verifier computes. */
describe('a settlement by the real contracts', () => {
  const key = generateSigningKey();
  const settlementId = randomUUID();
  const wallets: Record<'admin' | 'engine' | 'attester' | 'seller' | 'buyer', Wallet> = {} as never;
  let provider: JsonRpcProvider;
  let deployment: KeystoneDeployment;
  let tokens: TestTokens;
  let pack: Pack;
  const points: { name: string; arguments: Record<string, unknown>; point: LogPoint }[] = [];
  const openings = { seller: uuidToBytes32(randomUUID()), buyer: uuidToBytes32(randomUUID()) };

  async function contractAt(
    name: Parameters<typeof loadArtifact>[0],
    address: string,
    runner: Wallet,
  ): Promise<Contract> {
    return new Contract(address, (await loadArtifact(name)).abi, runner);
  }

  /** Sends, waits for inclusion, and notes where each of our events is. */
  async function send(call: Promise<ContractTransactionResponse>): Promise<void> {
    const receipt = await (await call).wait(1, 30_000);
    if (receipt === null) {
      throw new Error('not included');
    }
    const block = await provider.getBlock(receipt.blockNumber);
    for (const log of receipt.logs) {
      const event = events.parseLog(log);
      if (event !== null) {
        points.push({
          name: event.name,
          arguments: event.args.toObject(),
          point: {
            chain_id: CHAIN,
            tx: receipt.hash,
            log_index: log.index,
            block_number: receipt.blockNumber,
            block_hash: receipt.blockHash,
            block_timestamp_s: block?.timestamp ?? 0,
          },
        });
      }
    }
  }

  let events: Interface;

  async function prepare(): Promise<void> {
    provider = createTestProvider();
    for (const name of ['admin', 'engine', 'attester', 'seller', 'buyer'] as const) {
      wallets[name] = await createFundedWallet(provider);
    }
    deployment = await deployKeystone({
      signer: wallets.admin,
      creator: wallets.engine.address,
      engine: wallets.engine.address,
      attesters: [wallets.attester.address],
    });
    tokens = await deployTestTokens(wallets.admin);
    const abis = await Promise.all(
      (['SettlementCoordinator', 'ComplianceRegistry', 'KeystoneEscrow'] as const).map(loadArtifact),
    );
    events = new Interface(
      abis.flatMap(
        (artifact) => artifact.abi.filter((entry) => (entry as { type?: string }).type === 'event') as never[],
      ),
    );
    for (const [token, name, amount] of [
      [tokens.KBOND, 'seller', BOND],
      [tokens.TUSDC, 'buyer', CASH],
    ] as const) {
      const contract = await contractAt('KBOND', token, wallets[name]);
      await send(contract.getFunction('mint')(wallets[name].address, amount) as Promise<ContractTransactionResponse>);
      await send(contract.getFunction('approve')(deployment.escrow, amount) as Promise<ContractTransactionResponse>);
    }
  }

  function termsOf(): SettlementTerms {
    const leg = (
      token: string,
      amount: bigint,
      payer: number,
      payee: number,
      fee: bigint,
    ): SettlementTerms['legs'][number] => ({
      chain_id: CHAIN,
      escrow: deployment.escrow,
      token,
      token_standard: 0,
      token_id: '0',
      partition: ZERO_BYTES32,
      amount_minor: String(amount),
      payer,
      payee,
      fees: fee === 0n ? [] : [{ recipient: wallets.admin.address, amount_minor: String(fee) }],
    });
    return {
      settlement_id: uuidToBytes32(settlementId),
      attester_set: deployment.attesterSet,
      deadline_s: Math.floor(Date.now() / 1000) + 3600,
      party_hashes: (['seller', 'buyer'] as const).flatMap((name) => [
        partyHash(openings[name], ZERO_WALLET),
        partyHash(openings[name], wallets[name].address),
      ]),
      legs: [leg(tokens.KBOND, BOND, 1, 3, 0n), leg(tokens.TUSDC, CASH, 3, 1, FEE)],
    };
  }

  const asParams = (terms: SettlementTerms): unknown => ({
    settlementId: terms.settlement_id,
    attesterSet: terms.attester_set,
    deadline: terms.deadline_s,
    partyHashes: terms.party_hashes,
    legs: terms.legs.map((leg) => ({
      chainId: TEST_CHAIN_ID,
      escrow: leg.escrow,
      token: leg.token,
      tokenStandard: leg.token_standard,
      tokenId: leg.token_id,
      partition: leg.partition,
      amount: leg.amount_minor,
      payer: leg.payer,
      payee: leg.payee,
      fees: leg.fees.map((fee) => ({ recipient: fee.recipient, amount: fee.amount_minor })),
    })),
  });

  function decide(terms: SettlementTerms, termsHash: string): ComposedDecisions {
    const now = Date.now();
    const roles = [
      ['seller', 'buyer', 'asset_delivery'],
      ['buyer', 'seller', 'payment'],
    ] as const;
    return composeDecisions({
      settlement_id: settlementId,
      chain: CHAIN,
      terms_hash: termsHash,
      passport: {
        agent_id: 'did:web:orchestrator.example',
        issuer: 'did:web:orchestrator.example',
        scope: 'settlements',
        validity_window: '2000-01-01/2100-01-01',
      },
      signing_key: key,
      decided_at_ms: now,
      valid_until_ms: terms.deadline_s * 1000,
      policy: {
        template: 'dvp-standard',
        template_version: '1',
        attester_set: terms.attester_set,
        fees: { mode: 'seller_pays', basis_points: 1, recipient: wallets.admin.address },
      },
      legs: terms.legs.map(({ token_standard: _standard, ...leg }, index): LegInput => {
        const [from_role, to_role, leg_type] = roles[index] ?? roles[0];
        const payer = wallets[from_role].address;
        const payee = wallets[to_role].address;
        return { ...leg, leg_index: index, leg_type, from_role, to_role, token_standard: 'ERC-20', payer, payee };
      }),
      chains: ['dvp:seller', 'dvp:buyer'].map((name) => ({ name, confirmed_at_ms: now - 1000 })),
    });
  }

  async function settle(): Promise<void> {
    const terms = termsOf();
    const params = asParams(terms);
    const coordinator = await contractAt('SettlementCoordinator', deployment.coordinator, wallets.engine);
    const registry = await contractAt('ComplianceRegistry', deployment.registry, wallets.attester);
    const call = (contract: Contract, name: string, ...args: unknown[]): Promise<void> =>
      send(contract.getFunction(name)(...args) as Promise<ContractTransactionResponse>);
    await call(coordinator, 'createSettlement', params);
    const termsHash = hashTerms(deployment.coordinator, CHAIN, terms);
    expect(await coordinator.getFunction('hashTerms')(params)).toBe(termsHash);
    await call(
      registry,
      'attestBatch',
      terms.party_hashes.map((hash, index) => ({
        settlementId: terms.settlement_id,
        partyHash: hash,
        status: 1,
        referenceHash: keccak256(toUtf8Bytes(`case-${index}`)),
      })),
    );
    const decisions = decide(terms, termsHash);
    const digest = decisionSetDigest({
      chain: CHAIN,
      settlement_id: settlementId,
      terms_hash: termsHash,
      decisions: decisions.chains,
    });
    // Block time is whole seconds: a block of the decision's own second would not prove which came first.
    await new Promise((resolve) => {
      setTimeout(resolve, 1000 - (Date.now() % 1000) + 1000);
    });
    await call(coordinator, 'advance', terms.settlement_id, digest);
    const opening = (name: 'seller' | 'buyer'): unknown => ({
      participantId: openings[name],
      wallet: wallets[name].address,
    });
    for (const [index, payer, payee] of [
      [0, 'seller', 'buyer'],
      [1, 'buyer', 'seller'],
    ] as const) {
      const escrow = await contractAt('KeystoneEscrow', deployment.escrow, wallets[payer]);
      await call(escrow, 'depositLeg', params, index, opening(payer), opening(payee), termsHash);
    }
    pack = composePack({
      // What the database gives back is the decisions after a round trip through JSON.
      decisions: JSON.parse(JSON.stringify(decisions)) as ComposedDecisions,
      evidence: evidenceOf(terms),
      settlement_provider_did: 'did:web:orchestrator.example',
      jurisdiction_flags: [],
      signing_key: key,
    });
  }

  function evidenceOf(terms: SettlementTerms): SettlementEvidence {
    const named = (name: string): typeof points => points.filter((entry) => entry.name === name);
    const first = (entries: typeof points): LogPoint => {
      const [entry] = entries;
      if (entry === undefined) {
        throw new Error('an event is missing');
      }
      return entry.point;
    };
    const into = (state: bigint): LogPoint =>
      first(named('StateTransition').filter((entry) => entry.arguments['toState'] === state));
    const leg = (entry: (typeof points)[number]): number => Number(entry.arguments['legIndex']);
    const amount_minor = (entry: (typeof points)[number]): string => String(entry.arguments['amount']);
    const opening = (party_index: number, role: 'seller' | 'buyer'): SettlementEvidence['openings'][number] => ({
      party_index,
      participant_id: openings[role],
      wallet: wallets[role].address,
      chain_id: CHAIN,
      role,
    });
    return {
      chain_id: CHAIN,
      coordinator: deployment.coordinator,
      registry: deployment.registry,
      terms,
      openings: [opening(1, 'seller'), opening(3, 'buyer')],
      attester_set: { attesters: [wallets.attester.address], threshold: 1 },
      created: first(named('SettlementCreated')),
      attestations: named('Attested').map((entry) => ({
        ...entry.point,
        party_hash: String(entry.arguments['partyHash']),
        attester: String(entry.arguments['attester']),
        status: Number(entry.arguments['status']),
        reference_hash: String(entry.arguments['referenceHash']),
        issued_at_s: Number(entry.arguments['issuedAt']),
      })),
      anchor: into(3n),
      deposits: named('LegDeposited').map((entry) => ({
        ...entry.point,
        leg_index: leg(entry),
        amount_minor: amount_minor(entry),
        opened_log_index: first(named('LegOpened').filter((other) => leg(other) === leg(entry))).log_index,
      })),
      execution: into(4n),
      payouts: named('LegReleased').map((entry) => ({
        ...entry.point,
        leg_index: leg(entry),
        kind: 'released' as const,
        amount_minor: amount_minor(entry),
      })),
      fees_paid: named('FeePaid').map((entry) => ({
        ...entry.point,
        leg_index: leg(entry),
        fee_index: 0,
        kind: 'released' as const,
        recipient: String(entry.arguments['recipient']),
        amount_minor: amount_minor(entry),
      })),
      finalised: into(5n),
    };
  }

  beforeAll(async () => {
    await prepare();
    await settle();
    const last = pack.settlement_block.number;
    for (let tries = 0; tries < 100; tries += 1) {
      if (((await provider.getBlock('finalized'))?.number ?? 0) >= last) {
        return;
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
    }
  }, SETUP_MS);

  afterAll(() => {
    provider.destroy();
  });

  it('verifies with every check proved, the chain read over JSON-RPC and the contracts pinned', async () => {
    const lower = (address: string): string => address.toLowerCase();
    const report = await verifyPack(JSON.stringify(pack), {
      trusted_keys: trustedKeysFile(
        [{ ...publicKeyOf(key), name: 'orchestrator' }],
        [
          {
            chain_id: CHAIN,
            coordinator: lower(deployment.coordinator),
            registry: lower(deployment.registry),
            escrow: lower(deployment.escrow),
          },
        ],
      ),
      readers: { [CHAIN]: createJsonRpcReader(getTestServers().anvilUrl) },
    });
    expect(report.checks.filter((check) => check.status !== 'proved')).toEqual([]);
    expect(report.verdict).toBe('valid');
  }, 60_000);

  it('is refuted when its evidence points at another log of the same transaction', async () => {
    const wrong = structuredClone(pack) as unknown as { onchain_verification: { finalised: { log_index: number } } };
    wrong.onchain_verification.finalised.log_index -= 1;
    const report = await verifyPack(JSON.stringify(wrong), {
      trusted_keys: trustedKeysFile([{ ...publicKeyOf(key), name: 'orchestrator' }]),
      readers: { [CHAIN]: createJsonRpcReader(getTestServers().anvilUrl) },
    });
    const names = report.checks.filter((check) => check.status === 'refuted').map((check) => check.name);
    expect(names).toEqual(
      expect.arrayContaining(['on chain: settlement finalised', 'pack_signature JWS payload is canonical']),
    );
  }, 60_000);
});
