/** Text of `keystone chain --help`. */
export const chainUsage = `Usage: keystone chain halts
       keystone chain resume <chain id> --reason TEXT [--by NAME] [--wait SECONDS]

A chain that takes back what it had called final is halted: no fact is taken from it and nothing is sent to it. Look at the
chain first; resuming follows it as it is now. The worker does it, and says in its log what it took back.

Reads DATABASE_URL (the worker's connection string).

Options:
  --reason TEXT    why the chain as it is now is right; kept with the halt
  --by NAME        who says so (default: the name of your login)
  --wait SECONDS   how long to wait until the worker has resumed it (default 30; 0 does not wait)

Exit codes: 0 listed, or resumed (or asked to, with --wait 0), 1 the chain is not halted, or the worker refused (the halt stays),
3 the worker did not answer in time, or the database cannot be reached, 64 called wrongly.
`;
