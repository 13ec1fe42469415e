-- Up Migration
-- The state machine's edges; the same table as domain/settlement-state.ts (a test compares them).
CREATE TABLE keystone.settlement_transitions (
  from_state text NOT NULL,
  to_state text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO keystone.settlement_transitions (from_state, to_state) VALUES
  ('AWAITING_CONFIRMATION', 'INSTRUCTED'), ('AWAITING_CONFIRMATION', 'ROLLED_BACK'), ('AWAITING_CONFIRMATION', 'TIMED_OUT'),
  ('INSTRUCTED', 'COMPLIANCE_CHECKING'), ('INSTRUCTED', 'ROLLED_BACK'), ('INSTRUCTED', 'TIMED_OUT'),
  ('COMPLIANCE_CHECKING', 'COMPLIANCE_CLEARED'), ('COMPLIANCE_CHECKING', 'ROLLED_BACK'), ('COMPLIANCE_CHECKING', 'TIMED_OUT'),
  ('COMPLIANCE_CLEARED', 'AWAITING_DEPOSITS'), ('COMPLIANCE_CLEARED', 'ROLLED_BACK'), ('COMPLIANCE_CLEARED', 'TIMED_OUT'),
  ('AWAITING_DEPOSITS', 'EXECUTING_SWAP'), ('AWAITING_DEPOSITS', 'ROLLED_BACK'), ('AWAITING_DEPOSITS', 'TIMED_OUT'),
  ('EXECUTING_SWAP', 'FINALIZED');

CREATE TABLE keystone.settlements (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  platform_id uuid NOT NULL REFERENCES keystone.platforms (id),
  settlement_type text NOT NULL CHECK (settlement_type IN ('single_platform', 'cross_platform')),
  origin text NOT NULL CHECK (origin IN ('direct', 'instructions')),
  template_slug text NOT NULL,
  template_id uuid NOT NULL,
  template_version integer NOT NULL,
  -- Who bears the template's fee on the payment legs; null when there is no payment leg. Recorded also while the fee is zero.
  fee_mode text CHECK (fee_mode IN ('seller_pays', 'buyer_pays', 'split')),
  -- The rate and recipient that the legs' fees were computed with; null when the template took none. Configuration may change later.
  fee_basis_points smallint CHECK (fee_basis_points > 0),
  fee_recipient text CHECK (fee_recipient ~ '^0x[0-9a-f]{40}$'),
  trade_reference text,
  state text NOT NULL CHECK (state IN ('AWAITING_CONFIRMATION', 'INSTRUCTED', 'COMPLIANCE_CHECKING', 'COMPLIANCE_CLEARED',
    'AWAITING_DEPOSITS', 'EXECUTING_SWAP', 'FINALIZED', 'ROLLED_BACK', 'TIMED_OUT')),
  -- Number of the last event; events have no gaps because this row is locked while one is written.
  event_sequence integer NOT NULL DEFAULT 0,
  event_hash text,
  timeout_at timestamptz NOT NULL,
  -- A public code of why it ended, e.g. rejected, compliance_failed, aborted.
  ending_code text,
  -- Set in the transaction that journals the create transaction: from then on only the chain ends this settlement.
  registered_on_chain boolean NOT NULL DEFAULT false,
  coordinator_chain_id bigint,
  terms_hash text,
  terms jsonb,
  decision_digest text,
  needs_attention boolean NOT NULL DEFAULT false,
  attention_code text,
  attention_detail text,
  request_id text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((fee_basis_points IS NULL) = (fee_recipient IS NULL)),
  CHECK (fee_basis_points IS NULL OR fee_mode IS NOT NULL)
);
CREATE INDEX settlements_by_creation ON keystone.settlements (created_at DESC, id DESC);
CREATE INDEX settlements_open ON keystone.settlements (timeout_at) WHERE state NOT IN ('FINALIZED', 'ROLLED_BACK', 'TIMED_OUT');
CREATE UNIQUE INDEX settlements_trade_reference ON keystone.settlements (trade_reference) WHERE trade_reference IS NOT NULL;

CREATE TABLE keystone.settlement_access (
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  PRIMARY KEY (environment_id, settlement_id)
);
CREATE INDEX settlement_access_by_settlement ON keystone.settlement_access (settlement_id);

-- What only its owner may see of a settlement as a whole.
CREATE TABLE keystone.settlement_owner_details (
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  external_reference text,
  idempotency_key text,
  PRIMARY KEY (environment_id, settlement_id)
);

CREATE TABLE keystone.parties (
  id uuid PRIMARY KEY,
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  position smallint NOT NULL,
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  platform_id uuid NOT NULL REFERENCES keystone.platforms (id),
  role text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending_confirmation', 'confirmed', 'rejected')),
  -- Hints are addressed to the counterparty and stay visible to both sides.
  wallet_address_hint text,
  counterparty_reference text,
  confirmed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (settlement_id, role),
  UNIQUE (settlement_id, position)
);

-- Owner-only: what a rival must never see of a party.
CREATE TABLE keystone.party_details (
  party_id uuid PRIMARY KEY REFERENCES keystone.parties (id),
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  external_reference text,
  name text,
  -- As stated: the wallet for every chain for which party_wallets was not told another one. What counts on a chain is in party_wallets.
  wallet_address text CHECK (wallet_address ~ '^0x[0-9a-f]{40}$'),
  chain_id bigint,
  country text
);
CREATE INDEX party_details_by_settlement ON keystone.party_details (settlement_id);

-- Owner-only: the wallets of a party on each chain that its legs touch. It is paid to the receive wallet and pays from the deposit wallet,
-- which has a row only where it is another one.
CREATE TABLE keystone.party_wallets (
  party_id uuid NOT NULL REFERENCES keystone.parties (id),
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  chain_id bigint NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('receive', 'deposit')),
  wallet_address text NOT NULL CHECK (wallet_address ~ '^0x[0-9a-f]{40}$' AND wallet_address <> '0x' || repeat('0', 40)),
  -- A fresh random UUID v4 per party, chain and settlement: it salts the party's hashes on that chain, and is public there from a deposit on.
  participant_id uuid NOT NULL,
  PRIMARY KEY (party_id, chain_id, purpose)
);
CREATE INDEX party_wallets_by_settlement ON keystone.party_wallets (settlement_id);
-- Used again, it would tie together what an observer of two chains or two settlements must not be able to tie together.
CREATE UNIQUE INDEX party_wallets_participant ON keystone.party_wallets (participant_id) WHERE purpose = 'receive';

CREATE TABLE keystone.legs (
  id uuid PRIMARY KEY,
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  leg_index smallint NOT NULL,
  leg_type text NOT NULL CHECK (leg_type IN ('asset_delivery', 'payment')),
  instrument_id text NOT NULL,
  token_address text NOT NULL CHECK (token_address ~ '^0x[0-9a-f]{40}$'),
  chain_id bigint NOT NULL,
  token_standard text NOT NULL CHECK (token_standard IN ('ERC-20', 'ERC-721', 'ERC-1400', 'ERC-3643')),
  token_id numeric(78, 0) CHECK (token_id >= 0),
  partition text CHECK (partition ~ '^0x[0-9a-f]{64}$'),
  decimals smallint NOT NULL,
  -- Human units, as stated.
  quantity text NOT NULL,
  -- Base units to be paid in: what the payee receives and all fees.
  amount numeric(78, 0) NOT NULL CHECK (amount > 0),
  -- [{"recipient": "0x…", "amount": "<base units>"}], taken out of the amount at the payout.
  fees jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(fees) = 'array'),
  direction text NOT NULL CHECK (direction IN ('deliver', 'receive')),
  party_role text NOT NULL,
  payer_role text NOT NULL,
  payee_role text NOT NULL,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'locked', 'released', 'rolled_back')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (settlement_id, leg_index),
  CHECK ((token_id IS NOT NULL) = (token_standard = 'ERC-721')),
  CHECK ((partition IS NOT NULL) = (token_standard = 'ERC-1400')),
  CHECK (token_standard <> 'ERC-721' OR (amount = 1 AND fees = '[]'))
);

CREATE TABLE keystone.leg_owner_details (
  leg_id uuid NOT NULL REFERENCES keystone.legs (id),
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  external_reference text,
  PRIMARY KEY (environment_id, leg_id)
);

CREATE TABLE keystone.settlement_events (
  id uuid PRIMARY KEY,
  settlement_id uuid NOT NULL REFERENCES keystone.settlements (id),
  sequence integer NOT NULL,
  -- The webhook type: settlement.state.<state>, settlement.confirmation_required, settlement.compliance.flagged, …
  type text NOT NULL,
  from_state text,
  to_state text NOT NULL,
  triggered_by text NOT NULL,
  -- Public to every involved platform.
  payload jsonb NOT NULL DEFAULT '{}',
  content_hash text NOT NULL,
  previous_hash text,
  created_at timestamptz NOT NULL,
  UNIQUE (settlement_id, sequence)
);

-- Terminal states are absorbing and only listed edges are taken, whoever writes.
CREATE FUNCTION keystone.guard_settlement_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state <> OLD.state THEN
    IF NOT EXISTS (SELECT 1 FROM keystone.settlement_transitions t WHERE t.from_state = OLD.state AND t.to_state = NEW.state) THEN
      RAISE EXCEPTION 'illegal transition % -> %', OLD.state, NEW.state USING ERRCODE = 'KS001';
    END IF;
    IF NEW.event_sequence <> OLD.event_sequence + 1 THEN
      RAISE EXCEPTION 'a state change comes with exactly one event' USING ERRCODE = 'KS002';
    END IF;
    -- Progress answers whatever asked for attention, whoever brought it about.
    NEW.needs_attention := false;
    NEW.attention_code := NULL;
    NEW.attention_detail := NULL;
  END IF;
  IF NEW.id <> OLD.id OR NEW.environment_id <> OLD.environment_id OR NEW.created_at <> OLD.created_at OR NEW.event_sequence < OLD.event_sequence
     OR (OLD.terms_hash IS NOT NULL AND NEW.terms_hash IS DISTINCT FROM OLD.terms_hash)
     OR (OLD.registered_on_chain AND NOT NEW.registered_on_chain) THEN
    RAISE EXCEPTION 'a settlement keeps its identity, terms and history' USING ERRCODE = 'KS003';
  END IF;
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER guard_settlement_state BEFORE UPDATE ON keystone.settlements
  FOR EACH ROW EXECUTE FUNCTION keystone.guard_settlement_state();

CREATE FUNCTION keystone.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'KS004';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON keystone.settlement_events
  FOR EACH ROW EXECUTE FUNCTION keystone.refuse_change();
CREATE TRIGGER append_only BEFORE DELETE ON keystone.settlements
  FOR EACH ROW EXECUTE FUNCTION keystone.refuse_change();

-- A deposit wallet without its receive wallet, or under another participant, would have no entity check on chain: its deposit would revert.
-- After the statement, so that the order of its rows does not matter.
CREATE FUNCTION keystone.guard_party_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.purpose = 'deposit' AND NOT EXISTS (
    SELECT 1 FROM keystone.party_wallets w WHERE w.party_id = NEW.party_id AND w.chain_id = NEW.chain_id AND w.purpose = 'receive'
      AND w.participant_id = NEW.participant_id AND w.wallet_address <> NEW.wallet_address) THEN
    RAISE EXCEPTION 'a deposit wallet belongs beside another wallet of the same participant' USING ERRCODE = 'KS007';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_party_wallet AFTER INSERT OR UPDATE ON keystone.party_wallets
  FOR EACH ROW EXECUTE FUNCTION keystone.guard_party_wallet();

CREATE FUNCTION keystone.may_see(p_settlement uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT 1 FROM keystone.settlement_access a
                 WHERE a.settlement_id = p_settlement AND a.environment_id = keystone.current_environment())
$$;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['settlements', 'settlement_access', 'settlement_owner_details', 'parties', 'party_details',
                              'party_wallets', 'legs', 'leg_owner_details', 'settlement_events'] LOOP
    EXECUTE format('ALTER TABLE keystone.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE keystone.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY everything ON keystone.%I TO keystone_operator, keystone_worker, keystone_definer USING (true) WITH CHECK (true)', name);
    EXECUTE format('GRANT SELECT ON keystone.%I TO keystone_api, keystone_operator', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON keystone.%I TO keystone_worker, keystone_definer', name);
    EXECUTE format('GRANT INSERT ON keystone.%I TO keystone_api', name);
  END LOOP;
  -- Rows that all involved environments share.
  FOREACH name IN ARRAY ARRAY['parties', 'legs', 'settlement_events'] LOOP
    EXECUTE format('CREATE POLICY involved ON keystone.%I FOR SELECT TO keystone_api USING (keystone.may_see(settlement_id))', name);
  END LOOP;
  -- Rows that only their owner sees.
  FOREACH name IN ARRAY ARRAY['settlement_owner_details', 'party_details', 'party_wallets', 'leg_owner_details'] LOOP
    EXECUTE format('CREATE POLICY own ON keystone.%I TO keystone_api USING (environment_id = keystone.current_environment()) WITH CHECK (environment_id = keystone.current_environment())', name);
  END LOOP;
END $$;

-- The initiator names itself as owner; afterwards every involved environment may move the row (the trigger says where to).
CREATE POLICY involved ON keystone.settlements FOR SELECT TO keystone_api
  USING (environment_id = keystone.current_environment() OR keystone.may_see(id));
CREATE POLICY involved_update ON keystone.settlements FOR UPDATE TO keystone_api USING (keystone.may_see(id)) WITH CHECK (keystone.may_see(id));
CREATE POLICY initiate ON keystone.settlements FOR INSERT TO keystone_api WITH CHECK (environment_id = keystone.current_environment());
CREATE POLICY own ON keystone.settlement_access FOR SELECT TO keystone_api USING (environment_id = keystone.current_environment());
CREATE POLICY grant_self ON keystone.settlement_access FOR INSERT TO keystone_api
  WITH CHECK (environment_id = keystone.current_environment()
    AND EXISTS (SELECT 1 FROM keystone.settlements s WHERE s.id = settlement_id AND s.environment_id = keystone.current_environment()));
CREATE POLICY own_insert ON keystone.parties FOR INSERT TO keystone_api
  WITH CHECK (environment_id = keystone.current_environment() AND keystone.may_see(settlement_id));
CREATE POLICY own_update ON keystone.parties FOR UPDATE TO keystone_api
  USING (environment_id = keystone.current_environment()) WITH CHECK (environment_id = keystone.current_environment());
CREATE POLICY involved_insert ON keystone.legs FOR INSERT TO keystone_api WITH CHECK (keystone.may_see(settlement_id));
CREATE POLICY involved_insert ON keystone.settlement_events FOR INSERT TO keystone_api WITH CHECK (keystone.may_see(settlement_id));
GRANT UPDATE (state, event_sequence, event_hash, ending_code, updated_at) ON keystone.settlements TO keystone_api;
GRANT UPDATE (status, confirmed_at, updated_at) ON keystone.parties TO keystone_api;
GRANT SELECT ON keystone.settlement_transitions TO keystone_api, keystone_operator, keystone_worker, keystone_definer;

-- The counterparty's placeholder: looks up a foreign platform, so it runs as the definer. Answers NULL when the platform has no active
-- environment of the initiator's environment slug (the caller turns that into 422 without saying which part was missing).
CREATE FUNCTION keystone.create_placeholder_party(p_settlement uuid, p_party uuid, p_position smallint, p_platform_slug text, p_role text,
  p_wallet_hint text, p_reference text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  initiator uuid := keystone.current_environment();
  target record;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM keystone.settlements s WHERE s.id = p_settlement AND s.environment_id = initiator
                 AND s.event_sequence = 0) THEN
    RAISE EXCEPTION 'not the initiator of a settlement being created' USING ERRCODE = 'KS005';
  END IF;
  SELECT e.id, e.platform_id INTO target
  FROM keystone.platforms p JOIN keystone.environments e ON e.platform_id = p.id
  WHERE p.slug = p_platform_slug AND p.status = 'active' AND e.is_active
    AND e.slug = (SELECT slug FROM keystone.environments WHERE id = initiator);
  IF target.id IS NULL THEN
    RETURN NULL;
  END IF;
  INSERT INTO keystone.settlement_access (settlement_id, environment_id) VALUES (p_settlement, target.id) ON CONFLICT DO NOTHING;
  INSERT INTO keystone.parties (id, settlement_id, position, environment_id, platform_id, role, status, wallet_address_hint, counterparty_reference)
  VALUES (p_party, p_settlement, p_position, target.id, target.platform_id, p_role, 'pending_confirmation', p_wallet_hint, p_reference);
  RETURN target.id;
END $$;
ALTER FUNCTION keystone.create_placeholder_party(uuid, uuid, smallint, text, text, text, text) OWNER TO keystone_definer;
REVOKE ALL ON FUNCTION keystone.create_placeholder_party(uuid, uuid, smallint, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keystone.create_placeholder_party(uuid, uuid, smallint, text, text, text, text) TO keystone_api;

-- Which leg would be paid by and to the same wallet if the party of a role had these wallets; null when none would. A wallet counts on its own
-- chain only. Answers a position, never a wallet. `p_wallets`: [{chain_id, purpose, wallet_address}], addresses in lower case.
CREATE FUNCTION keystone.leg_paid_to_its_payer(p_settlement uuid, p_role text, p_wallets jsonb) RETURNS smallint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT l.leg_index
  FROM keystone.legs l
  JOIN keystone.settlement_access a ON a.settlement_id = l.settlement_id AND a.environment_id = keystone.current_environment()
  JOIN keystone.parties other ON other.settlement_id = l.settlement_id AND other.role <> p_role AND other.role IN (l.payer_role, l.payee_role)
  CROSS JOIN LATERAL (SELECT w.wallet_address FROM keystone.party_wallets w
    WHERE w.party_id = other.id AND w.chain_id = l.chain_id AND (w.purpose = 'receive' OR other.role = l.payer_role)
    -- 'deposit' comes before 'receive', which stands in for it.
    ORDER BY w.purpose LIMIT 1) theirs
  CROSS JOIN LATERAL (SELECT w.wallet_address
    FROM jsonb_to_recordset(p_wallets) AS w (chain_id bigint, purpose text, wallet_address text)
    WHERE w.chain_id = l.chain_id AND (w.purpose = 'receive' OR p_role = l.payer_role)
    ORDER BY w.purpose LIMIT 1) mine
  WHERE l.settlement_id = p_settlement AND p_role IN (l.payer_role, l.payee_role) AND mine.wallet_address = theirs.wallet_address
  ORDER BY l.leg_index LIMIT 1
$$;
ALTER FUNCTION keystone.leg_paid_to_its_payer(uuid, text, jsonb) OWNER TO keystone_definer;
REVOKE ALL ON FUNCTION keystone.leg_paid_to_its_payer(uuid, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keystone.leg_paid_to_its_payer(uuid, text, jsonb) TO keystone_api;

-- The one exception to "owner only" (design §4): a leg's payee, with the wallet that it receives on the leg's chain, shown to that leg's payer
-- once deposits are open.
CREATE FUNCTION keystone.payee_of_leg(p_settlement uuid, p_leg_index smallint)
RETURNS TABLE (participant_id uuid, wallet_address text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT w.participant_id, w.wallet_address
  FROM keystone.legs l
  JOIN keystone.settlements s ON s.id = l.settlement_id AND s.state = 'AWAITING_DEPOSITS'
  JOIN keystone.parties payer ON payer.settlement_id = l.settlement_id AND payer.role = l.payer_role
    AND payer.environment_id = keystone.current_environment()
  JOIN keystone.parties payee ON payee.settlement_id = l.settlement_id AND payee.role = l.payee_role
  JOIN keystone.party_wallets w ON w.party_id = payee.id AND w.chain_id = l.chain_id AND w.purpose = 'receive'
  WHERE l.settlement_id = p_settlement AND l.leg_index = p_leg_index
$$;
ALTER FUNCTION keystone.payee_of_leg(uuid, smallint) OWNER TO keystone_definer;
REVOKE ALL ON FUNCTION keystone.payee_of_leg(uuid, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keystone.payee_of_leg(uuid, smallint) TO keystone_api;

-- Down Migration
