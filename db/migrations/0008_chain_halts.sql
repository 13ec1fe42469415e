-- Up Migration
-- Chains whose history contradicts what was final: their indexers take no facts until somebody has looked. A row stays as a record.
CREATE TABLE keystone.chain_halts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain_id bigint NOT NULL,
  reason text NOT NULL CHECK (reason IN ('reorganised', 'head_behind', 'started_afresh')),
  -- The height at which stored history and chain differ, and what each of them says there. NULL: the chain has no such block.
  block_number bigint NOT NULL,
  stored_hash text NOT NULL,
  chain_hash text,
  -- The newest stored block that the chain still has; NULL when none was found.
  ancestor_number bigint,
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- An operator asks; the indexer, which can compare with the chain, does it.
  resume_requested_at timestamptz,
  resume_requested_by text,
  resume_reason text,
  resumed_at timestamptz,
  CHECK ((resume_requested_at IS NULL) = (resume_requested_by IS NULL)),
  CHECK ((resume_requested_at IS NULL) = (resume_reason IS NULL))
);
CREATE UNIQUE INDEX chain_halts_open ON keystone.chain_halts (chain_id) WHERE resumed_at IS NULL;

ALTER TABLE keystone.chain_halts ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.chain_halts FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON keystone.chain_halts TO keystone_worker, keystone_operator USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE (resume_requested_at, resume_requested_by, resume_reason) ON keystone.chain_halts TO keystone_operator;
GRANT SELECT, INSERT, UPDATE ON keystone.chain_halts TO keystone_worker;

-- Down Migration
