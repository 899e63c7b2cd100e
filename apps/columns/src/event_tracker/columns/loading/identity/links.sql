-- name: state
-- What tells whether links are as they were read: how often some were deleted, in which file they are, and whether any was changed by a
-- transaction that an earlier snapshot may not have seen.
select
  (select epoch from link_epochs),
  pg_relation_filenode('links')::bigint,
  exists (select from links where changed >= %(since)s::text::xid8);

-- name: copy_links
-- The time comes first: DuckDB takes U+FEFF at the beginning of a file for a byte order mark.
copy (
  select (extract(epoch from at) * 1000000)::bigint, event_id, removed_at is not null, changed, source, alias, person
  from links
  where changed >= {since}::xid8
) to stdout (format csv)

-- name: read_copied
-- DuckDB, as all that follows. One thread reads the file, and lines end by one character, since ids may have line breaks.
create or replace temp table copied as
from read_csv(
  $csv, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
  parallel = false, new_line = '\n',
  columns = {
    micros: 'bigint', event_id: 'uuid', removed: 'boolean', changed: 'ubigint', source: 'varchar', alias: 'varchar', person: 'varchar'
  }
);

-- name: compare
-- How many known links of that time weren't copied, so that the known ones are of a later snapshot; and how many that were copied
-- aren't known as they are now.
select
  (select count(*) from {known} as known anti join copied using (source, alias, person) where known.changed >= $since),
  (select count(*) from copied anti join {known} as known using (source, alias, person, changed));

-- name: keep_copied
create table {table} as from copied;

-- name: keep_both
create table {table} as
from {known} as known anti join copied using (source, alias, person)
union all
from copied;

-- name: describe
select max(changed), list(distinct source) from {table};

-- name: sum_up
-- A number that changes with the links of these sources, also if one is deleted and another made.
select sum(hash(source, alias, person, changed)) from {table} where list_contains($sources, source);

-- name: drop
drop table if exists {table};
