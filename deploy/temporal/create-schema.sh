#!/bin/sh
# Creates Temporal's two databases and brings their schemas to the version of this image. Safe to repeat.
set -eu
for database in temporal temporal_visibility; do
  tool() { temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user temporal --db "$database" "$@"; }
  schema=temporal
  [ "$database" = temporal ] || schema=visibility
  tool create
  tool setup-schema --version 0.0 || echo "the schema of $database is there already"
  tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
