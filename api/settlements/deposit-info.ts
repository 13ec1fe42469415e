import { composeDepositInfo } from '../../chain/deposit-info.ts';
import { readDepositOfTenant } from '../../db/deposit-info.ts';
import { KeystoneError } from '../../domain/errors.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { notFound } from '../problems.ts';
import type { Handler } from '../route.ts';
import type { getDepositInfo as contract } from './contract.ts';

/** `GET …/legs/{index}/deposit-info`: for the payer of the leg only; to everybody else there is no such thing. */
export function getDepositInfoHandler({ database, chains }: ApiDependencies): Handler<typeof contract> {
  return async ({ caller, principal, params }) => {
    const deposit = await database.transaction(principal, (transaction) =>
      readDepositOfTenant(transaction, params.settlement_id, caller.environmentId, params.leg_index),
    );
    if (deposit === undefined) throw notFound();
    if (!deposit.open) {
      throw new KeystoneError('not_awaiting_deposits', 'The settlement does not take deposits now.');
    }
    const { facts } = deposit;
    const home = chains.find((chain) => chain.chain_id === facts.coordinatorChainId);
    if (home?.kind !== 'coordinator') {
      throw new KeystoneError('configuration_invalid', 'The chain of this settlement is not configured any more.');
    }
    const coordinator = { chainId: home.chain_id, coordinator: home.coordinator };
    return { status: 200, body: composeDepositInfo({ ...facts, coordinator }) };
  };
}
