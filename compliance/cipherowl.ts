import { createHmac } from 'node:crypto';
import { type AdapterOptions, assertKind, checkedBaseUrl, createAdapterFrame } from './adapter.ts';
import { type CipherOwlClient, createCipherOwlClient, type WalletQuestion } from './cipherowl-client.ts';
import { exposuresOf } from './cipherowl-wire.ts';
import { CIPHEROWL_REQUESTS_PER_SECOND } from './limits.ts';
import { judgeCipherOwl, SCREENING_POLICY, type Verdict, type WalletEvidence } from './policy.ts';
import type { ScreeningProvider, WalletSubject } from './provider.ts';
import { CallFailed } from './provider-call.ts';

export const CIPHEROWL_PROVIDER = 'cipherowl';
/** The vendor's free test configuration: it knows thirteen addresses and calls every other one clean. */
export const CIPHEROWL_SANDBOX_CONFIG = 'co-sandbox';
/** Every `eip155:*` chain is screened under this family key. */
const EVM_CHAIN = 'evm';
const EVM_ADDRESS = /^0x[0-9a-f]{40}$/;
/** Hex digits of the digest in a reference: 128 bit. */
const REFERENCE_DIGEST_LENGTH = 32;

export interface CipherOwlOptions extends AdapterOptions {
  /** For example `https://svc.cipherowl.ai`. */
  baseUrl: string;
  clientId: string;
  clientSecret: string;
  /** The vendor's constant is `svc.cipherowl.ai`. */
  audience: string;
  /** Risk configuration: `co-defi`, `co-vasp`, `co-institution`, one of the organisation's own, or `co-sandbox`. */
  config: string;
}

function questionOf(wallet: WalletSubject | undefined, config: string): WalletQuestion {
  const address = wallet?.address.toLowerCase() ?? '';
  const chainId = wallet?.chainId ?? 0;
  // Refused here: an address that the vendor does not understand would come back as "no risk found".
  if (!EVM_ADDRESS.test(address)) throw new TypeError('a wallet check needs an EVM address');
  if (!Number.isSafeInteger(chainId) || chainId < 1) throw new TypeError('a wallet check needs a chain id');
  return { chain: EVM_CHAIN, address, config };
}

async function evidenceOf(
  client: CipherOwlClient,
  question: WalletQuestion,
  foundRisk: boolean,
  signal: AbortSignal,
): Promise<WalletEvidence> {
  if (!foundRisk) return { foundRisk: false };
  try {
    // One after the other: a half-open breaker lets one call probe and would refuse the second of a pair.
    const score = await client.riskScore(question, signal);
    const breakdown = await client.riskBreakdown(question, signal);
    const exposures = exposuresOf(score, breakdown);
    return { foundRisk: true, reason: 'given', riskBand: score.riskBand ?? '', exposures };
  } catch (error) {
    // The caller's end, or the time limit of the whole screening, is no fact about the wallet.
    if (signal.aborted || !(error instanceof CallFailed)) throw error;
    // Risk was found, that much is known; a person can decide without the reasons, we cannot.
    return { foundRisk: true, reason: 'unavailable' };
  }
}

/**
 * Wallet screening by CipherOwl. It gives no id to a screening, so the reference is made here:
 * `<config>:<list version>:<digest>`, the digest keyed with the client secret. A plain hash of an address could be
 * found by trying addresses, and the reference's own hash goes on-chain before the wallet is revealed there.
 * @throws TypeError for a base address that is not https (or loopback), and for the sandbox configuration without `simulated`.
 */
export function createCipherOwlProvider(options: CipherOwlOptions): ScreeningProvider {
  if (options.config === CIPHEROWL_SANDBOX_CONFIG && !options.simulated) {
    throw new TypeError(`config ${CIPHEROWL_SANDBOX_CONFIG} clears every unknown wallet and needs simulated`);
  }
  const policy = options.policy ?? SCREENING_POLICY;
  const rate = options.requestsPerSecond ?? CIPHEROWL_REQUESTS_PER_SECOND;
  const frame = createAdapterFrame(CIPHEROWL_PROVIDER, policy.version, rate, options);
  const breaker = frame.newBreaker();
  const baseUrl = checkedBaseUrl('the CipherOwl base address', options.baseUrl).href.replace(/\/+$/, '');
  const { clientId, clientSecret, audience } = options;
  const client = createCipherOwlClient(
    { baseUrl, clientId, clientSecret, audience },
    frame.calls(breaker),
    frame.calls(frame.newBreaker()),
  );
  const referenceKey = createHmac('sha256', clientSecret).update('keystone screening reference').digest();

  function referenceOf(caseId: string, question: WalletQuestion, version: string, verdict: Verdict): string {
    const facts = JSON.stringify([caseId, question.chain, question.address, version, verdict.reasonCode]);
    const digest = createHmac('sha256', referenceKey).update(facts).digest('hex').slice(0, REFERENCE_DIGEST_LENGTH);
    return `${question.config}:${version}:${digest}`;
  }

  return {
    name: CIPHEROWL_PROVIDER,
    kind: 'wallet',
    async screen(request) {
      assertKind(CIPHEROWL_PROVIDER, 'wallet', request.kind);
      const question = questionOf(request.wallet, options.config);
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(frame.limits.cipherOwlTotalMs)]);
      try {
        const screened = await client.screen(question, signal);
        const evidence = await evidenceOf(client, question, screened.foundRisk, signal);
        const verdict = judgeCipherOwl(evidence, policy);
        const referenceId = referenceOf(request.caseId, question, screened.version, verdict);
        return frame.outcome(verdict, referenceId, screened.simulated ?? false);
      } catch (error) {
        throw frame.unavailable(error);
      }
    },
    health: () => frame.health(breaker),
  };
}
