-- name: read_events
-- One thread reads a CSV file, and lines end by one character, since values may have line breaks. What is read of a file stays in memory
-- until its end, and so does a buffer for the longest line, or several: files are small, and buffers have room for two lines.
copy (
  select
    user_id, make_timestamptz("timestamp") as "timestamp", event_id, event_type, session_id, source, properties, violations,
    make_timestamptz(received_at) as received_at
  from read_csv(
    $csv, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
    parallel = false, new_line = '\n', max_line_size = 16777216, buffer_size = 33554432,
    columns = {
      "timestamp": 'bigint', received_at: 'bigint', user_id: 'varchar', event_id: 'varchar', event_type: 'varchar',
      session_id: 'varchar', source: 'varchar', properties: 'varchar', violations: 'varchar'
    }
  )
) to $parquet (format parquet);

-- name: write_events
copy (
  from read_parquet($pieces)
  order by user_id, "timestamp", event_id
) to $parquet (format parquet, compression zstd);

-- name: keep_archived
-- The events of some sources.
copy (from read_parquet($former) where list_contains($sources, source)) to $parquet (format parquet);

-- name: make_erased
create or replace temp table erased as
select unnest($user_ids::varchar[]) as user_id, unnest($of_sources::varchar[]) as source;

-- name: count_erased
-- The archived events of erased people, by source. A null is all sources.
select source, count(*)
from read_parquet($parquet) as event
where list_contains($sources, source)
  and exists (select 1 from erased where erased.user_id = event.user_id and (erased.source is null or erased.source = event.source))
group by source;

-- name: write_without_erased
copy (
  select *
  from read_parquet($former) as event
  where not list_contains($sources, source)
    or not exists (select 1 from erased where erased.user_id = event.user_id and (erased.source is null or erased.source = event.source))
  order by user_id, "timestamp", event_id
) to $parquet (format parquet, compression zstd);

-- name: count_file
select count(*) from read_parquet($parquet);

-- name: digest_of_file
-- What `digest` in lake.sql says of the table, which hasn't the archived sources.
select source, count(*), sum(('0x' || left(md5(concat_ws(
  chr(31), user_id, epoch_us("timestamp")::varchar, event_id, event_type, coalesce(session_id, chr(30)), source,
  properties, coalesce(violations, chr(30)), epoch_us(received_at)::varchar
)), 15))::bigint)::varchar
from read_parquet($parquet)
where not list_contains($without::varchar[], source)
group by source;

-- name: make_links
create table {links} (
  micros bigint, removed_at bigint, removed boolean, event_id uuid, source varchar, alias varchar, person varchar
);

-- name: read_links
insert into {links}
select micros, removed_at, removed_at is not null, event_id, source, alias, person
from read_csv(
  $csv, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
  parallel = false, new_line = '\n',
  columns = {{
    micros: 'bigint', removed_at: 'bigint', event_id: 'uuid', source: 'varchar', alias: 'varchar', person: 'varchar'
  }}
);

-- name: sources_of_links
select distinct source from {links} order by source;

-- name: write_links
copy (
  select
    source, alias, person, make_timestamptz(micros) as at, event_id::varchar as event_id, make_timestamptz(removed_at) as removed_at
  from {links}
  order by source, alias, person
) to $parquet (format parquet, compression zstd);

-- name: write_persons
copy (select alias as user_id, person from {persons} order by alias) to $parquet (format parquet, compression zstd);
