/**
 * The proof pack: everything that was decided, signed, settled and seen on chain, closed by one signature over all of
 * it. This file is the public surface; the format is described in docs/reference/proof-pack.md.
 */

export * from './pack-types.ts';
export { composeDecisions, decisionSetDigest, randomSalt, saltedRef } from './decisions.ts';
export type { ChainInput, DecisionSetInput, DecisionsInput, LegInput } from './decisions.ts';
export { composePack, packRef, type PackInput } from './compose.ts';
export { generateSigningKey, parseTrustedKeys, publicKeyOf, signingKeyFromSeed, trustedKeysFile } from './keys.ts';
export type { PublicKey, SigningKey, TrustedDeployment, TrustedKey, TrustedKeysFile } from './keys.ts';
export { hashTerms, partyHash, uuidToBytes32 } from './terms.ts';
export { assetId, evmChainId, TOKEN_STANDARDS, type TokenStandard } from './caip.ts';
export { type VerificationOptions, verifyPack } from './verify.ts';
export type { Check, CheckStatus, VerificationMode, VerificationReport, Verdict } from './report.ts';
export type { ChainReaders } from './verify-onchain.ts';
export type { ChainBlock, ChainLog, ChainReader, ChainReceipt, ChainTransaction } from './chain-reader.ts';
export type { ChainLine, LegLine, SettlementStory, TimelineEntry } from './timeline.ts';
