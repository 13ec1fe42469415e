#!/bin/bash
# Runs once, when the data directory is made: Temporal gets a login of its own, which may create its two databases and nothing else.
set -euo pipefail
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set password="$TEMPORAL_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'password';
SQL
