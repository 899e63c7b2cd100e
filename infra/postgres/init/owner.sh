#!/bin/bash
# Make the role `owner` and its database `events` on a new server. The postgres image runs it once, after initdb, as the superuser.
# It reads the password from OWNER_PASSWORD_FILE. If it is run again, it keeps what exists, and sets the password again.
# The owner isn't a superuser; CREATEROLE is for the services' roles, which `tracker migrate` makes, and pg_read_all_stats is for relays,
# which must know when the transactions of all roles began.
set -eu

if [ ! -s "${OWNER_PASSWORD_FILE:?names the file with the password of the role owner}" ]; then
  echo "owner.sh: $OWNER_PASSWORD_FILE is empty or isn't there" >&2
  exit 1
fi

# psql reads the password itself, since other users can see a command's arguments. A statement that fails would be logged with it.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set password `cat "$OWNER_PASSWORD_FILE"`
set log_statement to 'none';
set log_min_duration_statement to -1;
set log_min_error_statement to 'panic';
select 'create role owner' where not exists (select from pg_roles where rolname = 'owner') \gexec
alter role owner login createrole nosuperuser password :'password';
grant pg_read_all_stats to owner;
select 'create database events owner owner' where not exists (select from pg_database where datname = 'events') \gexec
SQL
