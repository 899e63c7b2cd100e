#!/bin/sh
# Send one event to COLLECTOR_URL and find it at QUERY_URL, with the key in WRITE_KEY_FILE and the token in API_TOKEN_FILE; and see that
# nobody gets in without. Its user is always "smoke-test", so the events stay easy to tell apart.
set -eu
read -r id </proc/sys/kernel/random/uuid
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
patience=60
send() {
  printf '{"user_id": "smoke-test", "event_type": "smoke_test", "event_id": "%s", "timestamp": "%s"}\n' "$id" "$now" |
    tracker send - --format ndjson --rejected /tmp/rejected.ndjson --patience "$patience"
}

# refused WHO COMMAND...: fail unless the command ends because WHO answers 401.
refused() {
  who=$1
  shift
  if said=$("$@" 2>&1) || ! printf '%s' "$said" | grep --quiet 'answers 401'; then
    echo "smoke.sh: $who lets in what has no key (AUTH=required is the default): $said" >&2
    exit 1
  fi
}

send
if ! tracker events smoke-test --json --limit 20 | grep --fixed-strings --quiet "$id"; then
  echo "smoke.sh: event $id was stored, but the query service doesn't show it" >&2
  exit 1
fi
unset WRITE_KEY WRITE_KEY_FILE API_TOKEN API_TOKEN_FILE
patience=0
refused "the collector" send
refused "the query service" tracker events smoke-test --patience 0
echo "event $id went in and came out"
