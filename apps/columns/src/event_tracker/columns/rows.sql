-- name: copy_events
-- Events of some sources and hours as CSV, in the order of layout.COLUMNS; times in microseconds since 1970.
copy (
  select
    user_id,
    (extract(epoch from "timestamp") * 1000000)::bigint,
    (extract(epoch from received_at) * 1000000)::bigint,
    event_id,
    event_type,
    session_id,
    source,
    -- Texts, so that numbers stay exact.
    (select coalesce(jsonb_object_agg(key, value), '{{}}') from jsonb_each_text(properties)),
    {nested}
  from events
  where "timestamp" >= {start} and "timestamp" < {end} and {sources}
) to stdout (format csv)
