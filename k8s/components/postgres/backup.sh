#!/bin/bash
# shellcheck disable=SC1091,SC2154
# Dump the database of DATABASE_URL_FILE into the folder BACKUPS, and keep the newest KEEP dumps there.
# A dump appears under its name only when it is whole; old ones are removed only after that.
set -euo pipefail
. "$(dirname "$0")/connection.sh"

name=events-$(date -u +%Y%m%dT%H%M%SZ).dump
rm -f "$BACKUPS"/*.part

# Blocks are made from events; `tracker maintain` builds them again.
pg_dump --format=custom --exclude-table-data=blocks --file="$BACKUPS/$name.part" --dbname="$url"
pg_restore --list "$BACKUPS/$name.part" >/dev/null
sync "$BACKUPS/$name.part"
mv "$BACKUPS/$name.part" "$BACKUPS/$name"
echo "wrote $name, $(stat --format=%s "$BACKUPS/$name") bytes"

# The names sort by time.
find "$BACKUPS" -maxdepth 1 -name 'events-*.dump' -printf '%f\n' | sort --reverse | tail -n "+$((KEEP + 1))" | while read -r old; do
  rm "$BACKUPS/$old"
  echo "removed $old"
done
