-- Up Migration
-- One row per party hash and round: a party is screened once as an entity, and that outcome stands for each of its participant ids (one per
-- chain); each of its wallets is screened on its own chain. Only status, codes and the provider's reference id: never screening data.
CREATE TABLE keystone.compliance_checks (
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  party_id uuid NOT NULL REFERENCES keystone.parties (id),
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  -- Where the party hash is used. Every attestation stands on the coordinator's chain.
  chain_id bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('entity', 'wallet')),
  round smallint NOT NULL DEFAULT 1,
  party_hash text NOT NULL,
  provider text NOT NULL,
  status text NOT NULL CHECK (status IN ('PASS', 'FLAGGED', 'FAIL')),
  reference_id text NOT NULL,
  reason_code text NOT NULL,
  policy_version text NOT NULL,
  simulated boolean NOT NULL DEFAULT false,
  screened_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (settlement_id, party_hash, round)
);
CREATE INDEX compliance_checks_by_party ON keystone.compliance_checks (party_id, round);

-- A person's decision about a flagged settlement; an approval becomes a new Pass attestation that carries this id.
CREATE TABLE keystone.compliance_decisions (
  id uuid PRIMARY KEY,
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  round smallint NOT NULL,
  decision text NOT NULL CHECK (decision IN ('approve', 'reject')),
  decided_by text NOT NULL,
  remark text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (settlement_id, round)
);

ALTER TABLE keystone.compliance_checks ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.compliance_checks FORCE ROW LEVEL SECURITY;
ALTER TABLE keystone.compliance_decisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.compliance_decisions FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON keystone.compliance_checks FOR SELECT TO keystone_api USING (environment_id = keystone.current_environment());
CREATE POLICY everything ON keystone.compliance_checks TO keystone_worker, keystone_operator, keystone_definer USING (true) WITH CHECK (true);
GRANT SELECT ON keystone.compliance_checks TO keystone_api, keystone_operator;
GRANT SELECT, INSERT, UPDATE ON keystone.compliance_checks TO keystone_worker;
CREATE POLICY involved ON keystone.compliance_decisions FOR SELECT TO keystone_api USING (keystone.may_see(settlement_id));
CREATE POLICY decide ON keystone.compliance_decisions FOR INSERT TO keystone_api WITH CHECK (keystone.may_see(settlement_id));
CREATE POLICY everything ON keystone.compliance_decisions TO keystone_worker, keystone_operator, keystone_definer USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON keystone.compliance_decisions TO keystone_api, keystone_operator;
GRANT SELECT ON keystone.compliance_decisions TO keystone_worker;
-- An operator's decision moves the settlement and writes its event, as a platform's does.
GRANT UPDATE (state, event_sequence, event_hash, ending_code, updated_at) ON keystone.settlements TO keystone_operator;
GRANT INSERT ON keystone.settlement_events TO keystone_operator;

-- Where screening stands, for everybody involved: the verdict of the latest round and whether it was decided, never whose check it was.
CREATE FUNCTION keystone.compliance_standing(p_settlement uuid)
RETURNS TABLE (round smallint, verdict text, decision text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.round,
         CASE WHEN bool_or(c.status = 'FAIL') THEN 'failed' WHEN bool_or(c.status = 'FLAGGED') THEN 'flagged' ELSE 'passed' END,
         (SELECT d.decision FROM keystone.compliance_decisions d WHERE d.settlement_id = p_settlement AND d.round = c.round)
  FROM keystone.compliance_checks c
  JOIN keystone.settlement_access a ON a.settlement_id = c.settlement_id AND a.environment_id = keystone.current_environment()
  WHERE c.settlement_id = p_settlement
  GROUP BY c.round ORDER BY c.round DESC LIMIT 1
$$;
GRANT SELECT ON keystone.compliance_checks, keystone.compliance_decisions TO keystone_definer;
ALTER FUNCTION keystone.compliance_standing(uuid) OWNER TO keystone_definer;
REVOKE ALL ON FUNCTION keystone.compliance_standing(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keystone.compliance_standing(uuid) TO keystone_api;

-- Down Migration
