-- name: rows
-- The columns of layout.COLUMNS. One thread reads a file, and lines end by one character, since values may have line breaks. An
-- event has at most 64 KiB of properties, or some MB if it was stored before numbers were counted as PostgreSQL writes them.
select
  user_id,
  make_timestamptz("timestamp") as "timestamp",
  make_timestamptz(received_at) as received_at,
  event_id, event_type, session_id, source, properties,
  {nested} as nested
from read_csv(
  $csv, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
  parallel = false, new_line = '\n', max_line_size = 16777216,
  columns = {{
    "timestamp": 'bigint', received_at: 'bigint', event_id: 'uuid', user_id: 'varchar', event_type: 'varchar', session_id: 'varchar',
    source: 'varchar', properties: 'varchar', nested: 'varchar'
  }}
)

-- name: common_keys
-- In the order of their names: files with the same keys are read together, and those in another order would not be.
select key
from (
  select key
  from (select unnest(json_keys(properties)) as key from ({rows}))
  group by key
  having count(*) >= $share * (select count(*) from ({rows}))
  order by count(*) desc, key
  limit $most
)
order by key;

-- name: with_columns
-- Each event's JSON is read once for all columns. A null in the patch removes a key from the rest (RFC 7386).
select * exclude (own) replace (json_merge_patch(properties, $taken)::varchar as properties), {columns}
from (select *, json_extract_string(properties, $paths) as own from ({rows}))

-- name: write
copy (select * from ({events}) order by {order}) to $parquet (format parquet, compression zstd);
