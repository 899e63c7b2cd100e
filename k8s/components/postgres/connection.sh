# shellcheck shell=bash
# Sourced: sets `url` to DATABASE_URL_FILE's content without the password, which goes to PGPASSWORD. Arguments can be seen by others.
url=$(cat "$DATABASE_URL_FILE")
if [[ $url =~ ^([^:]+://[^:/@]+):([^@/]*)@(.*)$ ]]; then
  url=${BASH_REMATCH[1]}@${BASH_REMATCH[3]}
  printf -v PGPASSWORD %b "${BASH_REMATCH[2]//%/\\x}"
  export PGPASSWORD
fi
