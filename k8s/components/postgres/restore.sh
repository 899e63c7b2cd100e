#!/bin/bash
# shellcheck disable=SC1091,SC2154
# Restore a dump in the folder BACKUPS, the newest or the one named by BACKUP, into the database of DATABASE_URL_FILE.
# The database must be migrated, which makes the roles that a dump gives rights to, and hold no event: none is ever overwritten.
set -euo pipefail
. "$(dirname "$0")/connection.sh"

newest() { find "$BACKUPS" -maxdepth 1 -name 'events-*.dump' -printf '%f\n' | sort | tail -n 1; }
name=${BACKUP:-$(newest)}
if [ ! -f "$BACKUPS/$name" ]; then
  echo "no backup ${name:-at all} in $BACKUPS" >&2
  exit 1
fi

statement() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --command "$1" "$url"; }

# One transaction: no event can arrive between the look and the drop.
statement "
do \$\$
begin
  if to_regclass('public.events') is null then
    raise 'the database has no schema: run tracker migrate first';
  end if;
  lock table public.events in access exclusive mode;
  if exists (select from public.events) then
    raise 'the database holds events; nothing was changed';
  end if;
end
\$\$;
drop owned by current_user cascade;
"
echo "restoring $name"
pg_restore --exit-on-error --single-transaction --no-owner --dbname="$url" "$BACKUPS/$name"
statement "analyze public.events, public.event_counts"
echo "restored $(statement "select count(*) from public.events") events; run tracker migrate, since the dump may be of an older schema"
