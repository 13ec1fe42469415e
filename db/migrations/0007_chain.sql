-- Up Migration
-- The transaction journal. A row exists, signed, before its bytes are broadcast; a restart broadcasts the same bytes.
CREATE TABLE keystone.chain_transactions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain_id bigint NOT NULL,
  signer text NOT NULL,
  nonce bigint NOT NULL,
  -- The business key <settlement>:<step>:<generation>.
  effect_key text NOT NULL,
  settlement_id uuid,
  to_address text NOT NULL,
  data text NOT NULL,
  raw text NOT NULL,
  hash text NOT NULL UNIQUE,
  -- Wei that goes along: the fee of a message.
  value numeric(78, 0) NOT NULL DEFAULT 0,
  gas_limit bigint NOT NULL DEFAULT 0,
  max_fee_per_gas numeric(78, 0) NOT NULL,
  max_priority_fee_per_gas numeric(78, 0) NOT NULL,
  -- A replacement (same nonce, higher fee) is a row of its own that points to what it replaces.
  replaces bigint REFERENCES keystone.chain_transactions (id),
  -- Counts against the settlement's budget for message fees. Whatever replaces the row inherits it: its gas is spent for the message all the same.
  is_message boolean NOT NULL DEFAULT false,
  -- Takes the nonce back without the effect: a transfer of nothing to oneself.
  is_cancel boolean NOT NULL DEFAULT false,
  -- cancelled: a cancellation that is final; the effect may be tried again. Until then it holds the effect's key as `signed` or `included`.
  status text NOT NULL DEFAULT 'signed' CHECK (status IN ('signed', 'included', 'final', 'reverted', 'replaced', 'cancelled')),
  block_number bigint,
  block_hash text,
  broadcasts integer NOT NULL DEFAULT 0,
  last_broadcast_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- One live transaction per effect; a reverted, replaced or cancelled one makes room for the next.
CREATE UNIQUE INDEX chain_transactions_effect ON keystone.chain_transactions (chain_id, effect_key) WHERE status IN ('signed', 'included', 'final');
CREATE UNIQUE INDEX chain_transactions_nonce ON keystone.chain_transactions (chain_id, signer, nonce) WHERE status IN ('signed', 'included', 'final', 'reverted', 'cancelled');
CREATE INDEX chain_transactions_open ON keystone.chain_transactions (chain_id, signer, nonce) WHERE status IN ('signed', 'included');

-- The lock of a signer's nonces, and the next one as far as we know.
CREATE TABLE keystone.chain_signers (
  chain_id bigint NOT NULL,
  signer text NOT NULL,
  next_nonce bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (chain_id, signer)
);

CREATE INDEX chain_transactions_messages ON keystone.chain_transactions (settlement_id, chain_id) WHERE is_message;

-- What each signer has on each chain that it pays on, when somebody last looked.
CREATE TABLE keystone.signer_balances (
  chain_id bigint NOT NULL,
  signer text NOT NULL,
  role text NOT NULL CHECK (role IN ('engine', 'oracle', 'relayer')),
  balance_wei numeric(78, 0) NOT NULL,
  low boolean NOT NULL,
  checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (chain_id, signer)
);

-- The indexer's cursor: the last block whose logs are stored, with the hash that it had.
CREATE TABLE keystone.chain_cursors (
  chain_id bigint PRIMARY KEY,
  block_number bigint NOT NULL,
  block_hash text NOT NULL,
  -- Hash of block 0 or of the deployment block: tells a chain that was started afresh from one that went back.
  origin_hash text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Recent block hashes below the cursor, to find the common ancestor when finality was broken.
CREATE TABLE keystone.chain_blocks (
  chain_id bigint NOT NULL,
  block_number bigint NOT NULL,
  block_hash text NOT NULL,
  PRIMARY KEY (chain_id, block_number)
);

-- Finalised logs of our contracts. These rows, not receipts, are the facts that state changes stand on.
CREATE TABLE keystone.chain_events (
  chain_id bigint NOT NULL,
  block_number bigint NOT NULL,
  block_hash text NOT NULL,
  log_index integer NOT NULL,
  transaction_hash text NOT NULL,
  contract text NOT NULL,
  -- LegDeposited, StateTransition, Attested, …
  name text NOT NULL,
  settlement_id uuid,
  -- Decoded arguments; bigints as decimal strings, addresses and hashes in lower case.
  arguments jsonb NOT NULL,
  block_timestamp timestamptz NOT NULL,
  orphaned boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (chain_id, block_hash, log_index)
);
CREATE INDEX chain_events_by_settlement ON keystone.chain_events (settlement_id, chain_id, block_number, log_index) WHERE NOT orphaned;
-- Asked for every range with logs: was a transaction orphaned before? Nearly always empty.
CREATE INDEX chain_events_orphaned ON keystone.chain_events (chain_id, transaction_hash) WHERE orphaned;

-- What a token says of itself; read once from the chain.
CREATE TABLE keystone.tokens (
  chain_id bigint NOT NULL,
  address text NOT NULL CHECK (address ~ '^0x[0-9a-f]{40}$'),
  decimals smallint NOT NULL CHECK (decimals BETWEEN 0 AND 36),
  symbol text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (chain_id, address)
);

CREATE TABLE keystone.decisions (
  settlement_id uuid PRIMARY KEY REFERENCES keystone.settlements (id),
  -- Output of composeDecisions (keystone/pack.ts), signed once: a retry must anchor the same digest.
  composed jsonb NOT NULL,
  digest text NOT NULL,
  compose_ts_ms bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE keystone.proofs (
  settlement_id uuid PRIMARY KEY REFERENCES keystone.settlements (id),
  -- As text: the bytes that were signed are the bytes that are handed out.
  pack text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['chain_transactions', 'chain_signers', 'signer_balances', 'chain_cursors', 'chain_blocks', 'chain_events', 'tokens', 'decisions', 'proofs'] LOOP
    EXECUTE format('ALTER TABLE keystone.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE keystone.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY everything ON keystone.%I TO keystone_worker, keystone_operator USING (true) WITH CHECK (true)', name);
    EXECUTE format('GRANT SELECT ON keystone.%I TO keystone_operator', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON keystone.%I TO keystone_worker', name);
  END LOOP;
END $$;
GRANT DELETE ON keystone.chain_blocks, keystone.chain_cursors TO keystone_worker;
CREATE POLICY involved ON keystone.chain_events FOR SELECT TO keystone_api USING (settlement_id IS NOT NULL AND keystone.may_see(settlement_id));
CREATE POLICY involved ON keystone.proofs FOR SELECT TO keystone_api USING (keystone.may_see(settlement_id));
CREATE POLICY everybody ON keystone.tokens TO keystone_api USING (true) WITH CHECK (true);
GRANT SELECT ON keystone.chain_events, keystone.proofs TO keystone_api;
GRANT SELECT, INSERT ON keystone.tokens TO keystone_api;

-- Down Migration
