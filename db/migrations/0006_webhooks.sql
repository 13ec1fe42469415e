-- Up Migration
CREATE TABLE keystone.webhook_endpoints (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  url text NOT NULL,
  description text,
  events text[] NOT NULL,
  secret text NOT NULL,
  previous_secret text,
  previous_secret_valid_until timestamptz,
  is_active boolean NOT NULL DEFAULT true,
  deleted_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhook_endpoints_by_environment ON keystone.webhook_endpoints (environment_id, created_at) WHERE deleted_at IS NULL;

-- One message per event and environment; its id is what the receiver deduplicates by. The body is stored as sent, byte for byte.
CREATE TABLE keystone.webhook_messages (
  id text NOT NULL,
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  settlement_id uuid,
  type text NOT NULL,
  sequence integer,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (environment_id, id)
);

-- One row per message and endpoint: who still has to be told.
CREATE TABLE keystone.webhook_deliveries (
  message_id text NOT NULL,
  endpoint_id uuid NOT NULL REFERENCES keystone.webhook_endpoints (id),
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  settlement_id uuid,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'retrying', 'delivered', 'failed')),
  -- When a pending delivery may be attempted. A claim moves it into the future, which is its lease: a dispatcher that dies gives it back.
  due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts integer NOT NULL DEFAULT 0,
  delivered_at timestamptz,
  -- Why it was given up: exhausted, gone, endpoint_inactive, endpoint_deleted, message_missing.
  failure_code text CHECK ((failure_code IS NOT NULL) = (status = 'failed')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (message_id, endpoint_id)
);
-- "pending" is the first attempt; "retrying" belongs to a workflow. By endpoint, so that a claim steps over a long queue of a dead one.
CREATE INDEX webhook_deliveries_pending ON keystone.webhook_deliveries (endpoint_id, due_at) WHERE status = 'pending';

-- The delivery log: one row per attempt.
CREATE TABLE keystone.webhook_attempts (
  id uuid PRIMARY KEY,
  message_id text NOT NULL,
  endpoint_id uuid NOT NULL REFERENCES keystone.webhook_endpoints (id),
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  event text NOT NULL,
  response_status integer,
  duration_ms integer,
  success boolean NOT NULL,
  error text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhook_attempts_by_endpoint ON keystone.webhook_attempts (endpoint_id, created_at DESC);

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['webhook_endpoints', 'webhook_messages', 'webhook_deliveries', 'webhook_attempts'] LOOP
    EXECUTE format('ALTER TABLE keystone.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE keystone.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own ON keystone.%I TO keystone_api USING (environment_id = keystone.current_environment()) WITH CHECK (environment_id = keystone.current_environment())', name);
    EXECUTE format('CREATE POLICY everything ON keystone.%I TO keystone_worker, keystone_operator USING (true) WITH CHECK (true)', name);
    EXECUTE format('GRANT SELECT ON keystone.%I TO keystone_api, keystone_operator', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON keystone.%I TO keystone_worker', name);
  END LOOP;
END $$;
GRANT INSERT, UPDATE ON keystone.webhook_endpoints TO keystone_api;
GRANT INSERT ON keystone.webhook_messages, keystone.webhook_attempts TO keystone_api;

-- Down Migration
