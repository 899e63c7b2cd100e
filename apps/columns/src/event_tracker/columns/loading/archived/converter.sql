-- name: select_events
-- DuckDB. One source's events of a file of the lake.
select epoch_us("timestamp"), epoch_us(received_at), event_id, user_id, event_type, session_id, source, properties
from read_parquet($file)
where source = $source
order by user_id, "timestamp", received_at, event_id
