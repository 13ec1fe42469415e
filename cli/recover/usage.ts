/** Texts of `keystone recover --help` and `keystone inspect --help`, in a file that loads nothing. */

const SHARED_OPTIONS = `  --rpc <chain id>=URL       node of a chain; repeat it for each chain of the settlement, and for further nodes of one
  --coordinator <chain id>=0x…   the coordinator
  --addresses FILE           in place of it: a pack, a trusted-keys.json, or an answer of deposit-info
                             (default: $KEYSTONE_HOME/trusted-keys.json, else .keystone/trusted-keys.json)
  --terms FILE               the terms: deposit-info, a pack, or the terms alone. Without it they are read from the calldata
                             of the settlement's creation. Either way they must hash to what the chain holds
  --from-block <chain id>=N  where to begin looking for logs; else 30 days before the deadline
  --json                     machine-readable output
  --help                     this text
`;

const EXIT_CODES = `Exit codes: 0 shown or done, 1 cannot be done now (the text says from when) or was refused by the contract, 2 settlement, terms
or openings not found, or contradicting the chain, 3 a chain that is needed was not given or does not answer, 4 sent and not
included in time, 64 called wrongly.
`;

export const inspectUsage = `Usage: keystone inspect <settlement id> --rpc <chain id>=URL [--rpc …] [options]

Shows from the chains alone where a settlement's money is, and what can be done with it. Needs nothing of Keystone's to run.

Options:
${SHARED_OPTIONS}
${EXIT_CODES}`;

export const recoverUsage = `Usage: keystone recover <settlement id> --rpc <chain id>=URL [--rpc …] [options]

Shows from the chains alone where a settlement's money is, who may do what with it now, and does it. Needs nothing of Keystone's
to run: no API, no worker, no database. Nothing here needs a role; a key only pays for gas and messages.

Options:
${SHARED_OPTIONS}
  --do ACTION                what to do; without --key-file the transaction is printed, to be signed elsewhere
      timeout      end a settlement whose deadline has passed          refund    hand deposits of a failed one back
      execute      pay out what is decided                             withdraw  deliver what a token refused before
      open         let deposits begin on another chain                 vote      tell the coordinator how a chain stands
      decision     tell another chain what was decided
      sign-release, release   follow the parties' own signatures when no message has come for 30 days
  --chain ID                 the chain, where several would do
  --key-file FILE            private key in hex, in a file that only you can read (mode 0600)
  --max-fee WEI              send no message that costs more
  --outcome pay|refund       of a release
  --signatures FILE          of a release: {"0x<wallet>": "0x<signature>", …}, each made by sign-release

${EXIT_CODES}`;
