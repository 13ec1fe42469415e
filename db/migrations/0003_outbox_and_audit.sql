-- Up Migration
-- What has to leave the database. A row is written in the transaction of the change that it tells of, and claimed by a lease.
CREATE TABLE keystone.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  settlement_id uuid NOT NULL,
  destination text NOT NULL CHECK (destination IN ('temporal', 'webhook')),
  -- temporal: start | confirmation | decision | chain_facts; webhook: event
  kind text NOT NULL,
  payload jsonb NOT NULL DEFAULT '{}',
  -- A second row of the same business fact is no news.
  dedupe_key text UNIQUE,
  request_id text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  leased_until timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  last_error text,
  done_at timestamptz
);
-- Heads per settlement are found by this index; done rows leave it.
CREATE INDEX outbox_open ON keystone.outbox (destination, settlement_id, id) WHERE done_at IS NULL;

CREATE TABLE keystone.audit_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  environment_id uuid,
  settlement_id uuid,
  -- platform:<client id>, operator:<client id>, system:<part>
  actor text NOT NULL,
  action text NOT NULL,
  resource_type text NOT NULL,
  resource_id text NOT NULL,
  request_id text,
  -- Never personal data, never secrets.
  detail jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX audit_log_by_settlement ON keystone.audit_log (settlement_id, id);
CREATE INDEX audit_log_by_environment ON keystone.audit_log (environment_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON keystone.audit_log FOR EACH ROW EXECUTE FUNCTION keystone.refuse_change();

-- An idempotency key belongs to an environment; the answer of its first use is kept.
CREATE TABLE keystone.idempotency_keys (
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  key text NOT NULL,
  -- SHA-256 over the canonical JSON of {method, route, body}.
  fingerprint text NOT NULL,
  resource_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (environment_id, key)
);

ALTER TABLE keystone.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.outbox FORCE ROW LEVEL SECURITY;
ALTER TABLE keystone.audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.audit_log FORCE ROW LEVEL SECURITY;
ALTER TABLE keystone.idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.idempotency_keys FORCE ROW LEVEL SECURITY;
-- The API writes the outbox and never reads it.
CREATE POLICY own_settlement ON keystone.outbox FOR INSERT TO keystone_api WITH CHECK (keystone.may_see(settlement_id));
CREATE POLICY everything ON keystone.outbox TO keystone_worker, keystone_operator, keystone_definer USING (true) WITH CHECK (true);
GRANT INSERT ON keystone.outbox TO keystone_api, keystone_operator, keystone_definer;
GRANT SELECT, INSERT, UPDATE ON keystone.outbox TO keystone_worker;
GRANT SELECT ON keystone.outbox TO keystone_operator;
CREATE POLICY own ON keystone.audit_log TO keystone_api USING (environment_id = keystone.current_environment())
  WITH CHECK (environment_id = keystone.current_environment());
CREATE POLICY everything ON keystone.audit_log TO keystone_worker, keystone_operator, keystone_definer USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON keystone.audit_log TO keystone_api, keystone_worker, keystone_operator, keystone_definer;
CREATE POLICY own ON keystone.idempotency_keys TO keystone_api USING (environment_id = keystone.current_environment())
  WITH CHECK (environment_id = keystone.current_environment());
GRANT SELECT, INSERT ON keystone.idempotency_keys TO keystone_api;

-- A waiting relay is woken at once; polling remains, since a notification may be lost with its connection.
CREATE FUNCTION keystone.announce_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('keystone_outbox', NEW.destination);
  RETURN NULL;
END $$;
CREATE TRIGGER announce AFTER INSERT ON keystone.outbox FOR EACH ROW EXECUTE FUNCTION keystone.announce_outbox();

-- Down Migration
