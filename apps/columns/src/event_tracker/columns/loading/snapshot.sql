-- name: begin
-- Two statements in one message. The lock comes before the snapshot, which the first query takes: otherwise a month that is just
-- moved out of the default partition would be missing.
set transaction isolation level repeatable read, read only;
lock table only events in access share mode;

-- name: server
-- Takes the snapshot. Returns what names this very state of this server's files, and the snapshot's oldest transaction: the effects
-- of all before it are seen, or were rolled back. After a failover, a restore or a crash PostgreSQL has started again, and truncated
-- tables have other files; what was read before isn't compared with what is read then.
select
  concat_ws(
    ' ',
    (select system_identifier from pg_control_system()),
    extract(epoch from pg_postmaster_start_time()),
    (select oid from pg_database where datname = current_database()),
    (select string_agg(pg_relation_filenode(inhrelid)::text, ',' order by inhrelid) from pg_inherits where inhparent = 'events'::regclass)
  ),
  pg_snapshot_xmin(pg_current_snapshot())::text,
  set_config('statement_timeout', %(milliseconds)s::text, true);

-- name: history
-- Changes whenever it may change when users were first seen: an event before `end` is added, which the sum of counts tells while no
-- epoch moves, or one is deleted or changed, which moves an epoch; or a user is deleted or added after their events. The first sum
-- tells it of those first seen before today.
select coalesce(sum(count) filter (where hour < %(today)s), 0)::bigint, coalesce(sum(count), 0)::bigint
from event_counts
where hour < %(end)s;

-- name: history_epochs
select
  (select coalesce(sum(epoch), 0)::bigint from block_epochs),
  (select epoch from user_epochs);

-- name: fetch_blocks
select id, parquet from blocks where id = any (%(ids)s);

-- name: remaining_blocks
select id from blocks where id = any (%(ids)s);

-- name: epochs
select source, day, epoch from block_epochs;

-- name: count_blocks
-- By source and day.
select source, date_bin('1 day', start, timestamptz '2000-01-01 00:00:00+00') as day, count(*)
from blocks
where start >= date_bin('1 day', %(start)s::timestamptz, timestamptz '2000-01-01 00:00:00+00') and start < %(end)s
group by 1, 2;
