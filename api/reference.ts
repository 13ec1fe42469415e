import { writeFileSync } from 'node:fs';

import { ERROR_CATALOGUE } from '../domain/errors.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { RouteContract } from './route.ts';
import { SCOPES } from './route.ts';
import { createRoutes } from './routes.ts';

/** Writes `docs/reference/api.md` from the table of routes; run this file after a change of the table, a test compares. */

const CONVENTIONS = `# API reference

This page is written from the table of routes (\`node api/reference.ts\`); \`GET /openapi.json\` has every field.

## Conventions

* **Tokens.** \`Authorization: Bearer <JWT>\`, from the configured issuer by client credentials. Platform and environment come from the
  client's registration, never from a claim; a scope counts when both the token and the registration have it.
* **Bodies** are JSON in UTF-8, at most 256 KiB. Unknown fields are refused, \`null\` means absent, duplicate members are an error.
* **Quantities** are exact decimals in human units, as text or as JSON number; \`amount\`, \`fees\` and \`payee_receives\` are in base
  units. Answers carry text.
* **Addresses** are accepted in lower case or with a right EIP-55 checksum, and shown with the checksum.
* **Times** are ISO 8601 with a time zone.
* **Lists** take \`limit\` (1 to 200, default 50) and \`offset\`, or \`cursor\` (the \`next_cursor\` of the page before), and answer
  \`{items, total, limit, offset, next_cursor, has_more}\`. With a cursor nothing is skipped or repeated while rows are added.
  An unknown value of \`state\` or \`status\` lists nothing; an empty value counts as absent.
* **Idempotency.** Creating requests take \`Idempotency-Key\` (bare or quoted) or the field \`idempotency_key\`. The same key with the
  same body answers 200 with the existing object and \`Idempotency-Replayed: true\`; with another body 422. Keys belong to an environment
  and are kept. Confirm, reject and decide are safe to repeat without a key.
* **Errors** are problem documents (RFC 9457) with a stable \`code\` and \`errors: [{pointer, detail}]\`; see [errors](errors.md).
  What belongs to somebody else answers with the same bytes as what does not exist.
* **Headers.** \`X-Request-Id\` is taken over when it is safe (1 to 128 of \`A-Z a-z 0-9 . _ : / + = -\`), made otherwise, and returned;
  \`Keystone-Version\` is returned; 503 carries \`Retry-After\`.
* **What others see.** External references, names, wallets, countries, idempotency keys and reasons of screening are shown to their
  owner only. Everybody involved sees states, legs, hints, roles, and whether the settlement is flagged, but not whose check it was.

## Legs

A settlement has 1 to 8 legs, several per party if need be, on at most five chains. The same fungible asset may stand in several legs.

| \`token_standard\` | names besides its token | quantity | permission before the deposit |
|---|---|---|---|
| \`ERC-20\` (default), \`ERC-3643\` | nothing | human units, by the token's decimals on the leg's own chain | \`approve\` of the amount |
| \`ERC-721\` | \`token_id\` | \`1\` | \`approve\` of the token id |
| \`ERC-1400\` | \`partition\` | as ERC-20 | \`authorizeOperatorByPartition\` for the escrow |

The native coin of a chain is refused (\`native_coin_refused\`). A leg without \`chain_id\` lives on the chain that the party of its
\`party_role\` names (its \`chain_id\`, else the one chain of its \`wallets\`); if that party names none, or is a counterparty that has not
spoken yet, on the coordinator's chain, of which there is exactly one. A party that names several chains has to state the leg's
(\`chain_missing\`).

## Wallets

\`wallet_address\` is a party's wallet on every chain that its legs touch. \`wallets: [{chain_id, address, purpose}]\` names others per chain:
\`receive\` is where the party is paid, \`deposit\` from where it pays and to where a refund goes; a deposit wallet defaults to the receive
wallet. Each is screened and attested. A wallet for a chain without legs of the party is refused (\`wallet_unused\`), and so is a leg whose
payer and payee would be one wallet on its chain (\`wallet_shared\`); the same address may serve both parties where no leg goes from it to
itself. Wallets are shown to their owner only; a deposit reveals those of its leg on chain.

## Fees

A template may take a fee of each payment leg (\`config.fee\` of the template): \`quantity × basis_points / 10000\` in base units, rounded
down. The buyer is who pays the leg, the seller who is paid; \`fee_mode\` says who bears it, and the template's \`default_fee_mode\` counts
where it is left out. Both instructions of a trade must agree (\`match_fee_modes_differ\`).

| \`fee_mode\` | paid in (\`amount\`) | paid out (\`payee_receives\`) |
|---|---|---|
| \`seller_pays\` | quantity | quantity − fee |
| \`buyer_pays\` | quantity + fee | quantity |
| \`split\` | quantity + half, the odd unit included | quantity − half |

\`amount\` is always \`payee_receives\` plus \`fees\`, exactly. A fee that rounds to nothing is none. A \`fee_mode\` without a payment leg is
refused (\`fee_mode_senseless\`).

## Confirm and reject

| your party | \`confirm\` | \`reject\` |
|---|---|---|
| waits | 200, confirmed | 200, the settlement ends |
| has confirmed | 200, nothing changes | 409 \`reject_after_confirmation\` |
| has rejected, or another party has | 409 \`confirm_after_rejection\` | 200, nothing changes |
| waits, but the settlement has ended or its deadline has passed | 409 \`settlement_closed\` | 409 \`settlement_closed\` |
| you are the initiator | 403 \`not_a_counterparty\` | 403 \`not_a_counterparty\` |
| you are not involved, or this is your other environment | 404 | 404 |

With several parties waiting, name the \`role\`; otherwise 422 \`role_ambiguous\`. Your own party's standing decides before the
settlement's state.
`;

/** The page as text. */
export function renderReference(contracts: readonly RouteContract[]): string {
  const scopes = Object.entries(SCOPES).map(([scope, meaning]) => `| \`${scope}\` | ${meaning} |`);
  const sections = [...Map.groupBy(contracts, ({ tag }) => tag)].map(
    ([tag, ofTag]) => `## ${tag}\n\n${ofTag.map(renderOperation).join('\n')}`,
  );
  return [CONVENTIONS, `## Scopes\n\n| scope | allows |\n|---|---|\n${scopes.join('\n')}\n`, ...sections].join('\n');
}

function renderOperation(contract: RouteContract): string {
  const lines = [
    `### \`${contract.method.toUpperCase()} ${contract.path}\``,
    '',
    contract.summary,
    ...(contract.description === undefined ? [] : ['', contract.description]),
    '',
    `* ${access(contract)}`,
    ...Object.entries(contract.responses).map(([status, { description }]) => `* ${status}: ${description}`),
    ...(contract.errors.length === 0
      ? []
      : [`* Errors: ${contract.errors.map((code) => `\`${code}\` (${ERROR_CATALOGUE[code].status})`).join(', ')}`]),
  ];
  if (contract.example !== undefined) lines.push('', '```json', JSON.stringify(contract.example, null, 2), '```');
  return `${lines.join('\n')}\n`;
}

function access(contract: RouteContract): string {
  if (contract.access === 'public') return 'No token needed.';
  const who = contract.access === 'environment' ? "a platform's client" : "a platform's client or an operator";
  return `For ${who}, scope \`${contract.scope ?? ''}\`.`;
}

if (import.meta.main) {
  // Making the table needs no dependency: handlers use theirs only when they are called.
  const contracts = createRoutes({} as ApiDependencies, () => false).map(({ contract }) => contract);
  writeFileSync(new URL('../docs/reference/api.md', import.meta.url), renderReference(contracts));
}
