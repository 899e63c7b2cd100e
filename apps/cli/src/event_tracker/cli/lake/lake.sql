-- name: database
-- Names this database of this server. Standbys have the name of their primary; a database that was restored from a dump has another.
select system_identifier::text || '/' || oid::text
from pg_control_system()
cross join pg_database
where datname = current_database();

-- name: lock
select pg_try_advisory_lock(%(lock)s);

-- name: today
-- Today (UTC), as the database knows it.
select (now() at time zone 'UTC')::date;

-- name: begin_reading
-- The lock comes before the snapshot: a month that is being moved to its partition would be missing in one taken before.
set transaction isolation level repeatable read, read only;
lock table only events in access share mode;

-- name: days
-- The state of each day and source with events in [start, end): infra/migrations/0024-blocks.sql says why events of the same counts
-- and the same epoch are the same events. `counted` is what was ever counted, and `deleted` what retention has deleted of it.
-- With `lake_has_archived` also of those whose events the lake has, and the database no more, as they were then.
select
  (day at time zone 'UTC')::date, source, counted, coalesce(deleted, 0)::bigint as deleted, coalesce(epoch, 0) as epoch
from (
  select date_bin('1 day', hour, timestamptz '2000-01-01 00:00:00+00') as day, source, sum(count)::bigint as counted
  from event_counts
  where hour >= %(start)s and hour < %(end)s
  group by 1, 2
) as counts
left join (
  select day, source, sum(count) as deleted
  from deleted_counts
  where day >= %(start)s and day < %(end)s
  group by 1, 2
) as expired using (day, source)
left join block_epochs using (day, source)
where counted > coalesce(deleted, 0)
union all
select (day at time zone 'UTC')::date, source, counted, deleted, epoch
from archived_days
where %(lake_has_archived)s and day >= %(start)s and day < %(end)s
order by 1, 2;

-- name: lake_id
-- The id of the lake that has archived events.
select lake from archive;

-- name: has_archived
select from archived_days limit 1;

-- name: save_lake_id
insert into archive (lake) values (%(lake)s) on conflict (only_row) do nothing;

-- name: archived_sources
select source from archived_days where day = %(day)s order by source;

-- name: archive_day
insert into archived_days (day, source, counted, deleted, epoch) values (%(day)s, %(source)s, %(counted)s, %(deleted)s, %(epoch)s);

-- name: move_archived
-- A day's file was written again, without an erased person.
update archived_days set epoch = %(epoch)s where day = %(day)s and source = %(source)s;

-- name: waiting_erasures
-- Of whom archived events are to be erased.
select id, user_id, sources from archive_erasures order by id;

-- name: end_erasures
delete from archive_erasures where id = any (%(ids)s);

-- name: epochs
-- The epochs of a day's sources, also of those that have no events any more. A source without a row has 0.
select source, epoch from block_epochs where day = %(day)s;

-- name: copy_events
-- Events as CSV; times in microseconds since 1970. A time comes first: DuckDB takes U+FEFF at the beginning of a file for a byte order
-- mark.
copy (
  select
    (extract(epoch from "timestamp") * 1000000)::bigint,
    (extract(epoch from received_at) * 1000000)::bigint,
    user_id, event_id, event_type, session_id, source, properties, violations
  from events
  where "timestamp" >= {start} and "timestamp" < {end}
) to stdout (format csv)

-- name: digest
-- How many events a day has of each source, and a number that is another one if any value of any event is (digest_of_file in
-- parquet_writer.sql).
select source, count(*), sum(('x' || left(md5(concat_ws(
  chr(31), user_id, (extract(epoch from "timestamp") * 1000000)::bigint, event_id, event_type, coalesce(session_id, chr(30)), source,
  properties, coalesce(violations::text, chr(30)), (extract(epoch from received_at) * 1000000)::bigint
)), 15))::bit(60)::bigint)::text
from events
where "timestamp" >= %(start)s and "timestamp" < %(end)s
group by source;

-- name: links
-- The state of the links between ids: a number that is another one if any of them changes.
select count(*), coalesce(sum(hashtextextended(links::text, 0)), 0)::text from links;

-- name: copy_links
copy (
  select
    (extract(epoch from at) * 1000000)::bigint, (extract(epoch from removed_at) * 1000000)::bigint, event_id, source, alias, person
  from links
) to stdout (format csv)
