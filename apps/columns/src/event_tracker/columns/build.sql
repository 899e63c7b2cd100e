-- name: first_hour
-- The first hour with events, from the year 1 on (Python has no dates before), and the beginning of today (UTC).
select min(hour), date_bin('1 day', now(), timestamptz '2000-01-01 00:00:00+00')
from event_counts
where hour >= '0001-01-01 00:00:00+00';

-- name: begin_reading
-- The lock comes before the snapshot: a month that is being moved to its partition would be missing in one taken before.
set transaction isolation level repeatable read, read only;
lock table only events in access share mode;

-- name: look
-- What tells whether a block is valid: the counts of its hours and the epoch of its day; and how many of the day's events were deleted.
select
  (
    select coalesce(sum(count), 0)::bigint
    from event_counts
    where hour >= %(start)s and hour < %(end)s and source = %(source)s
  ),
  coalesce((select epoch from block_epochs where day = %(day)s and source = %(source)s), 0),
  (select coalesce(sum(count), 0)::bigint from deleted_counts where day = %(day)s and source = %(source)s);

-- name: begin_writing
-- An erasure has this lock when it changes events and epochs, and so has retention.
lock table erasures in exclusive mode;

-- name: epoch
select coalesce((select epoch from block_epochs where day = %(day)s and source = %(source)s), 0);

-- name: delete_outdated
delete from blocks where source = %(source)s and start < %(end)s and "end" > %(start)s;

-- name: insert
insert into blocks (source, start, "end", counted, events, epoch, layout, keys, parquet)
values (
  %(source)s, %(start)s, %(end)s, %(counted)s, %(events)s, %(epoch)s, %(layout)s, %(keys)s, %(parquet)s
);
