-- Up Migration
-- Roles. The application never logs in as the owner of a table: keystone_api and keystone_worker are members of nothing that owns.
-- Passwords and LOGIN are given by provisioning (db/provision.ts), not here, so that no secret stands in a migration.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['keystone_api', 'keystone_operator', 'keystone_worker', 'keystone_definer'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', name);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- Roles belong to the cluster, so another database of the same server may have made them already.
    END;
  END LOOP;
END $$;
GRANT keystone_definer TO CURRENT_USER;
-- Not inherited: a policy "TO keystone_operator" also holds for whoever inherits that role, and then every tenant would see every row.
-- The API becomes the operator only by SET ROLE, for the transactions of an operator's request.
GRANT keystone_operator TO keystone_api WITH INHERIT FALSE, SET TRUE;

CREATE SCHEMA IF NOT EXISTS keystone;
-- An owner of functions must be able to create them; nobody logs in as this role.
GRANT CREATE ON SCHEMA keystone TO keystone_definer;
GRANT USAGE ON SCHEMA keystone TO keystone_api, keystone_operator, keystone_worker, keystone_definer;

-- The tenant of the running transaction. Without the missing_ok flag: a query that forgot its tenant fails instead of seeing nothing.
CREATE FUNCTION keystone.current_environment() RETURNS uuid LANGUAGE sql STABLE
  AS $$ SELECT current_setting('app.environment_id')::uuid $$;

CREATE TABLE keystone.platforms (
  id uuid PRIMARY KEY,
  slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name text NOT NULL,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE keystone.environments (
  id uuid PRIMARY KEY,
  platform_id uuid NOT NULL REFERENCES keystone.platforms (id),
  slug text NOT NULL CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name text NOT NULL,
  default_timeout_seconds integer NOT NULL DEFAULT 3600 CHECK (default_timeout_seconds BETWEEN 60 AND 604800),
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (platform_id, slug)
);

-- Which platform and environment a token speaks for is ours to say, never a claim that the client chose.
CREATE TABLE keystone.clients (
  issuer text NOT NULL,
  client_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('platform', 'operator')),
  environment_id uuid REFERENCES keystone.environments (id),
  scopes text[] NOT NULL,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (issuer, client_id),
  CHECK ((kind = 'platform') = (environment_id IS NOT NULL))
);

ALTER TABLE keystone.platforms ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.platforms FORCE ROW LEVEL SECURITY;
ALTER TABLE keystone.environments ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.environments FORCE ROW LEVEL SECURITY;
ALTER TABLE keystone.clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.clients FORCE ROW LEVEL SECURITY;

CREATE POLICY own ON keystone.environments TO keystone_api USING (id = keystone.current_environment());
CREATE POLICY own ON keystone.platforms TO keystone_api
  USING (id = (SELECT platform_id FROM keystone.environments WHERE id = keystone.current_environment()));
CREATE POLICY everything ON keystone.platforms TO keystone_operator, keystone_worker, keystone_definer USING (true);
CREATE POLICY everything ON keystone.environments TO keystone_operator, keystone_worker, keystone_definer USING (true);
CREATE POLICY everything ON keystone.clients TO keystone_operator, keystone_definer USING (true);
GRANT SELECT ON keystone.platforms, keystone.environments TO keystone_api, keystone_operator, keystone_worker, keystone_definer;
GRANT SELECT ON keystone.clients TO keystone_operator, keystone_definer;

-- Authentication happens before there is a tenant, so it asks through a function that answers about one client only.
CREATE FUNCTION keystone.authenticate_client(p_issuer text, p_client_id text)
RETURNS TABLE (kind text, scopes text[], environment_id uuid, environment_slug text, platform_id uuid, platform_slug text, default_timeout_seconds integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.kind, c.scopes, e.id, e.slug, p.id, p.slug, e.default_timeout_seconds
  FROM keystone.clients c
  LEFT JOIN keystone.environments e ON e.id = c.environment_id
  LEFT JOIN keystone.platforms p ON p.id = e.platform_id
  WHERE c.issuer = p_issuer AND c.client_id = p_client_id AND c.revoked_at IS NULL
    AND (c.kind = 'operator' OR (e.is_active AND p.status = 'active'))
$$;
ALTER FUNCTION keystone.authenticate_client(text, text) OWNER TO keystone_definer;
REVOKE ALL ON FUNCTION keystone.authenticate_client(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keystone.authenticate_client(text, text) TO keystone_api;

-- Down Migration
DROP SCHEMA keystone CASCADE;
