-- name: write_rows
-- The rows of one source and some hours, of `rows` that may have more.
copy (
  select *
  from ({rows}) as event
  where source = $source and ({hours}) {unknown}
  order by {order}
) to $path (format parquet, compression zstd);

-- name: together
from read_parquet($file)

-- name: unknown
-- Those that aren't in files that are there already.
and not exists (
  select 1
  from read_parquet($known) as known
  where known.user_id = event.user_id and known."timestamp" = event."timestamp" and known.event_id = event.event_id
)

-- name: join_files
copy (select * from read_parquet($files) order by {order}) to $path (format parquet, compression zstd);
