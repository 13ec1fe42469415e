-- Up Migration
CREATE TABLE keystone.instructions (
  id uuid PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES keystone.environments (id),
  platform_id uuid NOT NULL REFERENCES keystone.platforms (id),
  trade_reference text NOT NULL,
  status text NOT NULL CHECK (status IN ('pending_match', 'matched', 'cancelled', 'expired')),
  settlement_id uuid REFERENCES keystone.settlements (id),
  template_slug text NOT NULL,
  role text NOT NULL,
  -- {external_reference, name, wallet_address, chain_id, country, wallets: [{chain_id, purpose, wallet_address}]}; the wallets are those of
  -- every chain that the legs touch, as party_wallets keeps them.
  party jsonb NOT NULL,
  -- Normalised StatedLeg list (domain/legs.ts) with token decimals and base units, without fees: those are the settlement's.
  legs jsonb NOT NULL,
  -- As stated or else the template's; null when there is no payment leg.
  fee_mode text CHECK (fee_mode IN ('seller_pays', 'buyer_pays', 'split')),
  idempotency_key text,
  -- Why it did not match what it was compared with last (domain/matching.ts); null while nothing was there to compare.
  match_refusal text,
  timeout_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((status = 'matched') = (settlement_id IS NOT NULL))
);
CREATE INDEX instructions_by_environment ON keystone.instructions (environment_id, created_at DESC, id DESC);
CREATE INDEX instructions_pending ON keystone.instructions (trade_reference, created_at) WHERE status = 'pending_match';

ALTER TABLE keystone.instructions ENABLE ROW LEVEL SECURITY;
ALTER TABLE keystone.instructions FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON keystone.instructions TO keystone_api USING (environment_id = keystone.current_environment())
  WITH CHECK (environment_id = keystone.current_environment());
CREATE POLICY everything ON keystone.instructions TO keystone_worker, keystone_operator, keystone_definer USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON keystone.instructions TO keystone_api;
GRANT UPDATE (status, match_refusal, settlement_id, updated_at) ON keystone.instructions TO keystone_api;
GRANT SELECT ON keystone.instructions TO keystone_operator;
GRANT SELECT, UPDATE ON keystone.instructions TO keystone_worker, keystone_definer;

-- Matching looks at foreign rows. Candidates are locked, oldest first, so that two instructions that arrive at once cannot both take a
-- third; the comparison itself is domain/matching.ts. Only what matching needs leaves: no party, no external reference.
-- The advisory lock serialises all submissions of one reference, which closes the gap between "nobody is there" and "insert mine".
CREATE FUNCTION keystone.lock_match_candidates(p_trade_reference text, p_limit integer)
RETURNS TABLE (id uuid, template_slug text, role text, fee_mode text, legs jsonb, timeout_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('keystone.match:' || p_trade_reference, 0));
  RETURN QUERY
    SELECT i.id, i.template_slug, i.role, i.fee_mode,
           (SELECT jsonb_agg(leg.value - 'externalReference' ORDER BY leg.ordinality)
            FROM jsonb_array_elements(i.legs) WITH ORDINALITY AS leg),
           i.timeout_at
    FROM keystone.instructions i
    JOIN keystone.environments e ON e.id = i.environment_id AND e.is_active
    JOIN keystone.platforms p ON p.id = i.platform_id AND p.status = 'active'
    WHERE i.trade_reference = p_trade_reference AND i.status = 'pending_match' AND i.expires_at > clock_timestamp()
      -- A sandbox never trades with production, whatever reference it carries.
      AND e.slug = (SELECT mine.slug FROM keystone.environments mine WHERE mine.id = keystone.current_environment())
    ORDER BY i.created_at, i.id
    LIMIT p_limit
    FOR UPDATE OF i;
END $$;
ALTER FUNCTION keystone.lock_match_candidates(text, integer) OWNER TO keystone_definer;
REVOKE ALL ON FUNCTION keystone.lock_match_candidates(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keystone.lock_match_candidates(text, integer) TO keystone_api;

-- Marks the other side matched and brings its party into the settlement, in the transaction in which the second instruction created it.
-- Its own references of the legs (which the settlement keeps in its order) go where only it sees them.
CREATE FUNCTION keystone.adopt_matched_instruction(p_instruction uuid, p_settlement uuid, p_party uuid, p_position smallint)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  other keystone.instructions;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM keystone.settlements s WHERE s.id = p_settlement AND s.environment_id = keystone.current_environment()
                 AND s.event_sequence = 0) THEN
    RAISE EXCEPTION 'not the creator of a settlement being created' USING ERRCODE = 'KS005';
  END IF;
  SELECT * INTO other FROM keystone.instructions i WHERE i.id = p_instruction FOR UPDATE;
  IF other.status IS DISTINCT FROM 'pending_match' THEN
    RAISE EXCEPTION 'the instruction is not pending' USING ERRCODE = 'KS006';
  END IF;
  IF other.trade_reference IS DISTINCT FROM (SELECT s.trade_reference FROM keystone.settlements s WHERE s.id = p_settlement) THEN
    RAISE EXCEPTION 'the trade references differ' USING ERRCODE = 'KS006';
  END IF;
  UPDATE keystone.instructions SET status = 'matched', settlement_id = p_settlement, match_refusal = NULL, updated_at = clock_timestamp()
  WHERE id = p_instruction;
  INSERT INTO keystone.settlement_access (settlement_id, environment_id) VALUES (p_settlement, other.environment_id) ON CONFLICT DO NOTHING;
  INSERT INTO keystone.settlement_owner_details (settlement_id, environment_id, external_reference, idempotency_key)
  VALUES (p_settlement, other.environment_id, other.party ->> 'external_reference', other.idempotency_key) ON CONFLICT DO NOTHING;
  INSERT INTO keystone.parties (id, settlement_id, position, environment_id, platform_id, role, status, confirmed_at)
  VALUES (p_party, p_settlement, p_position, other.environment_id, other.platform_id, other.role, 'confirmed', clock_timestamp());
  INSERT INTO keystone.party_details (party_id, settlement_id, environment_id, external_reference, name, wallet_address, chain_id, country)
  VALUES (p_party, p_settlement, other.environment_id, other.party ->> 'external_reference', other.party ->> 'name',
          other.party ->> 'wallet_address', (other.party ->> 'chain_id')::bigint, other.party ->> 'country');
  -- One participant id per chain, whatever the number of wallets there; materialised, since a plan that asked again would make another one.
  WITH participant AS MATERIALIZED (
    SELECT chains.chain_id, gen_random_uuid() AS id
    FROM (SELECT DISTINCT w.chain_id FROM jsonb_to_recordset(other.party -> 'wallets') AS w (chain_id bigint)) chains
  )
  INSERT INTO keystone.party_wallets (party_id, settlement_id, environment_id, chain_id, purpose, wallet_address, participant_id)
  SELECT p_party, p_settlement, other.environment_id, w.chain_id, w.purpose, w.wallet_address, participant.id
  FROM jsonb_to_recordset(other.party -> 'wallets') AS w (chain_id bigint, purpose text, wallet_address text)
  JOIN participant ON participant.chain_id = w.chain_id;
  INSERT INTO keystone.leg_owner_details (leg_id, settlement_id, environment_id, external_reference)
  SELECT l.id, p_settlement, other.environment_id, stated.value ->> 'externalReference'
  FROM jsonb_array_elements(other.legs) WITH ORDINALITY AS stated
  JOIN keystone.legs l ON l.settlement_id = p_settlement AND l.leg_index = stated.ordinality - 1
  WHERE stated.value ? 'externalReference' ON CONFLICT DO NOTHING;
  RETURN other.environment_id;
END $$;
ALTER FUNCTION keystone.adopt_matched_instruction(uuid, uuid, uuid, smallint) OWNER TO keystone_definer;
REVOKE ALL ON FUNCTION keystone.adopt_matched_instruction(uuid, uuid, uuid, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keystone.adopt_matched_instruction(uuid, uuid, uuid, smallint) TO keystone_api;

-- Whether a leg would be paid by and to the same wallet if a waiting instruction were matched with a side that has these wallets, without
-- telling whose wallet or which. What the waiting side delivers is received by the other one. `p_wallets` as in leg_paid_to_its_payer.
CREATE FUNCTION keystone.candidate_shares_wallet(p_instruction uuid, p_wallets jsonb) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (
    SELECT 1 FROM keystone.instructions i
    CROSS JOIN LATERAL jsonb_to_recordset(i.legs) AS l ("chainId" bigint, direction text)
    CROSS JOIN LATERAL (SELECT w.wallet_address
      FROM jsonb_to_recordset(i.party -> 'wallets') AS w (chain_id bigint, purpose text, wallet_address text)
      WHERE w.chain_id = l."chainId" AND (w.purpose = 'receive' OR l.direction = 'deliver')
      ORDER BY w.purpose LIMIT 1) theirs
    CROSS JOIN LATERAL (SELECT w.wallet_address
      FROM jsonb_to_recordset(p_wallets) AS w (chain_id bigint, purpose text, wallet_address text)
      WHERE w.chain_id = l."chainId" AND (w.purpose = 'receive' OR l.direction = 'receive')
      ORDER BY w.purpose LIMIT 1) mine
    WHERE i.id = p_instruction AND mine.wallet_address = theirs.wallet_address)
$$;
ALTER FUNCTION keystone.candidate_shares_wallet(uuid, jsonb) OWNER TO keystone_definer;
REVOKE ALL ON FUNCTION keystone.candidate_shares_wallet(uuid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keystone.candidate_shares_wallet(uuid, jsonb) TO keystone_api;

-- Down Migration
