-- name: write_rows
-- The rows of one source and some hours, of a file that has more.
copy (
  select *
  from read_parquet($together) as event
  where source = $source and ({hours}) {unknown}
  order by {order}
) to $path (format parquet, compression zstd);

-- name: unknown
-- Those that aren't in files that are there already.
and not exists (
  select 1
  from read_parquet($known) as known
  where known.user_id = event.user_id and known."timestamp" = event."timestamp" and known.event_id = event.event_id
)

-- name: join_files
copy (select * from read_parquet($files) order by {order}) to $path (format parquet, compression zstd);
