import type { ErrorCode } from '../domain/errors.ts';

/** Refusals that both ways in share, for their contracts. */

export const LEG_ERRORS = [
  'legs_duplicated',
  'chain_unknown',
  'chain_missing',
  'chains_too_many',
  'native_coin_refused',
  'instrument_unknown',
  'token_standard_unsupported',
  'token_standard_differs',
  'token_id_missing',
  'token_id_unexpected',
  'partition_missing',
  'partition_unexpected',
  'quantity_malformed',
  'quantity_not_positive',
  'quantity_not_one',
  'quantity_too_precise',
  'quantity_too_large',
  'fee_mode_senseless',
] as const satisfies readonly ErrorCode[];

export const WALLET_ERRORS = [
  'wallet_missing',
  'wallet_malformed',
  'wallet_duplicated',
  'wallet_unused',
  'wallet_shared',
] as const satisfies readonly ErrorCode[];
