#!/bin/sh
# Send one event to COLLECTOR_URL and find it at QUERY_URL. Its user is always "smoke-test", so the events stay easy to tell apart.
set -eu
read -r id </proc/sys/kernel/random/uuid
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
printf '{"user_id": "smoke-test", "event_type": "smoke_test", "event_id": "%s", "timestamp": "%s"}\n' "$id" "$now" |
  tracker send - --format ndjson --rejected /tmp/rejected.ndjson
if ! tracker events smoke-test --json --limit 20 | grep --fixed-strings --quiet "$id"; then
  echo "smoke.sh: event $id was stored, but the query service doesn't show it" >&2
  exit 1
fi
echo "event $id went in and came out"
