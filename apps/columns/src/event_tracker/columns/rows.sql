-- name: copy_events
-- Events of some sources and hours as CSV, with the columns of layout.COLUMNS; times in microseconds since 1970. A time comes first:
-- DuckDB takes U+FEFF at the beginning of a file for a byte order mark.
copy (
  select
    (extract(epoch from "timestamp") * 1000000)::bigint,
    (extract(epoch from received_at) * 1000000)::bigint,
    event_id,
    user_id,
    event_type,
    session_id,
    source,
    -- Texts, so that numbers stay exact.
    (select coalesce(jsonb_object_agg(key, value), '{{}}') from jsonb_each_text(properties)),
    {nested}
  from events
  where "timestamp" >= {start} and "timestamp" < {end} and {sources}
) to stdout (format csv)
