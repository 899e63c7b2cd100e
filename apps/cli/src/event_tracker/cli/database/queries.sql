-- name: this_month
select extract(year from now())::int, extract(month from now())::int;

-- name: forget_erasures
-- Collectors need recent_erasures for events that wait in their memory, and drop those after an hour.
delete from recent_erasures where at < now() - interval '2 hours';

-- name: forget_topic_erasures
-- Storers need topic_erasures for as long as records of before may be in a topic. What is waiting when the retention is raised is in it for
-- longer, so that only the time until storers last looked counts. Records of a topic that had the name before may have come with the
-- new one. A day more is for brokers that are away meanwhile.
delete from topic_erasures as erasure
where not exists (
  select
  from topics
  where keep is null or greatest(erasure.at, known_since) >= least(now(), checked_at) - keep - interval '1 day'
);

-- name: forget_topic_ends
-- Ends are needed for the erasures before them.
delete from topic_ends where not exists (select from topic_erasures where id <= topic_ends.erasure);

-- name: forget_archive_erasures
-- Only archived days need them. `tracker maintain` alone adds such days, under its lock.
delete from archive_erasures where not exists (select from archived_days);

-- name: count_late_erasures
select count(*) from archive_erasures where at < now() - %(limit)s::interval;

-- name: forget_relays
-- A relay that has told nobody of an erasure for 30 days: it doesn't run any more. The ids that wait for it are deleted with it.
delete from relays
where exists (select from relay_erasures where relay = relays.name and at < now() - interval '30 days')
returning name;

-- name: find_silent_relays
-- Those that forget_relays would delete, and how many ids with them.
select relay, count(*)
from relay_erasures
group by relay
having min(at) < now() - interval '30 days'
order by relay;

-- name: find_late_relays
select relay, count(*), (min(at) + interval '30 days')::date::text
from relay_erasures
group by relay
having min(at) < now() - interval '7 days'
order by relay;

-- name: forget_sign_ins
-- Delete expired sign-ins, and failed ones that count no longer: an attacker who guesses names leaves a row for each name.
with failed as (
  delete from failed_sign_ins where locked_until < now() - interval '1 hour' returning name
),
expired as (
  delete from sign_ins where expires_at < now() returning prefix
)
select (select count(*) from failed) + (select count(*) from expired);

-- name: is_empty
select not exists (select from event_counts);

-- name: partition_names
-- All partitions except the default one.
select c.relname
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'events'::regclass and c.relname ~ '^events_\d{4}_\d{2}$'
order by c.relname;

-- name: busy_months
-- The months with many rows in the default partition. The bounds leave out years before 1 and after 9998, for which Python
-- has no dates and partitions no names.
select extract(year from month)::int, extract(month from month)::int, count
from (
  select date_trunc('month', "timestamp") as month, count(*) as count
  from events_default
  where "timestamp" >= '0001-01-01 00:00:00+00' and "timestamp" < '9999-01-01 00:00:00+00'
  group by 1
) as months
where count >= %(many)s
order by month;

-- name: copy_rows
-- Copy the rows that weren't copied yet.
insert into {partition}
select *
from events_default as event
where "timestamp" >= {start} and "timestamp" < {end}
  and not exists (
    select
    from {partition} as copied
    where (copied.user_id, copied."timestamp", copied.event_id) = (event.user_id, event."timestamp", event.event_id)
  );

-- name: remove_copied_rows
delete from events_default where "timestamp" >= {start} and "timestamp" < {end};

-- name: count_foldable
-- Counters of closed hours outside slot 0, and how many counters would hold the same.
select count(*), count(distinct (hour, event_type, source))
from event_counts
where hour < now() - %(closed)s::interval and slot <> 0;

-- name: fold_counts
-- Add up the counters of closed hours in slot 0. A late event may be counted at the same time. Collectors lock counters in the
-- order of the primary key, and so does this statement, so they wait for each other but never deadlock. A counter that this
-- statement waited for is added with its new value. One that is created afterwards is a new row, for the next run.
with closed as materialized (
  select hour, event_type, source, slot
  from event_counts
  where hour < now() - %(closed)s::interval and slot <> 0
  order by hour, event_type, source, slot
  for update
),
folded as (
  delete from event_counts as counts
  using closed
  where (counts.hour, counts.event_type, counts.source, counts.slot) = (closed.hour, closed.event_type, closed.source, closed.slot)
  returning counts.hour, counts.event_type, counts.source, counts.count
),
added as (
  insert into event_counts as counts (hour, event_type, source, slot, count)
  select hour, event_type, source, 0, sum(count)::bigint from folded group by 1, 2, 3 order by 1, 2, 3
  on conflict (hour, event_type, source, slot) do update set count = counts.count + excluded.count
  returning 1
)
select (select count(*) from folded), (select count(*) from added);

-- name: retention_limit
-- With `whole_days` the limit is the beginning of a day (UTC).
select "limit"::text, date_trunc('month', "limit")::text
from (
  select case when %(whole_days)s then date_trunc('day', exact) else exact end as "limit"
  from (select (now() - %(keep)s::interval)::timestamptz(0) as exact) as kept
) as limits;

-- name: set_marks
-- Set the time before which each source's events are deleted, and those of unknown sources (''). Marks only move forward.
insert into retention_marks as known (source, deleted_before)
select source, "limit"
from unnest(%(own_sources)s::text[], %(own_limits)s::timestamptz[]) as own (source, "limit")
union all
select source, %(others)s::timestamptz
from (select name from sources union all select '') as every (source)
where source <> all (%(own_sources)s::text[]) and %(others)s::timestamptz is not null
on conflict (source) do update set deleted_before = excluded.deleted_before where known.deleted_before < excluded.deleted_before;

-- name: source_limits
-- The sources with their own retention time, which is in whole days.
select name, date_bin('1 day', now() - make_interval(days => keep), timestamptz '2000-01-01 00:00:00+00')::text
from sources
where keep is not null
order by name;

-- name: old_partitions
-- Monthly partitions with events that are too old, and whether all are: then the limits of all sources with events in that month
-- agree, and it can be dropped. Sources without their own retention time lose whole months only.
select relname, size, is_old_whole
from (
  select
    c.relname,
    pg_total_relation_size(c.oid) as size,
    month.start + interval '1 month' as "end",
    month.start
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join lateral (select to_date(right(c.relname, 7), 'YYYY_MM')::timestamptz as start) as month
  where i.inhparent = 'events'::regclass and c.relname ~ '^events_\d{4}_\d{2}$' and (%(name)s::text is null or c.relname = %(name)s)
) as monthly
cross join lateral (
  select
    coalesce(bool_and(coalesce(coalesce(own."limit", %(others)s::timestamptz) >= "end", false)), %(others)s::timestamptz >= "end", false) as is_old_whole,
    coalesce(bool_or(coalesce(own."limit", date_trunc('month', %(others)s::timestamptz)) > start), false) as is_old_in_part
  from (
    select source
    from (
      select source, count from event_counts where hour >= start and hour < "end"
      union all
      select source, -count from deleted_counts where day >= start and day < "end"
    ) as counted
    group by source
    having sum(count) > 0
  ) as stored
  left join unnest(%(own_sources)s::text[], %(own_limits)s::timestamptz[]) as own (source, "limit") using (source)
) as agreed
where is_old_whole or is_old_in_part
order by relname;

-- name: expired_rows
-- The days of the rows in a partition that are too old, their number, and about how many bytes they take.
select date_bin('1 day', "timestamp", timestamptz '2000-01-01 00:00:00+00') as day, count(*), sum(pg_column_size(event.*))::bigint
from {partition} as event
left join unnest(%(own_sources)s::text[], %(own_limits)s::timestamptz[]) as own (source, "limit") using (source)
where "timestamp" < coalesce(own."limit", %(others)s::timestamptz)
group by 1
order by 1;

-- name: delete_expired_rows
-- Delete some of these rows, of some successive days, and count them as deleted. Return their number, and the users who lost
-- an event of their newest hour.
with gone as (
  delete from {partition}
  where ctid = any (array(
    select event.ctid
    from {partition} as event
    left join unnest(%(own_sources)s::text[], %(own_limits)s::timestamptz[]) as own (source, "limit") using (source)
    where "timestamp" >= %(start)s and "timestamp" < %(end)s
      and date_bin('1 day', "timestamp", timestamptz '2000-01-01 00:00:00+00') = any (%(days)s::timestamptz[])
      and "timestamp" < coalesce(own."limit", %(others)s::timestamptz)
    limit %(most)s
  ))
  returning user_id, "timestamp", event_type, source
),
counted as (
  insert into deleted_counts as deleted (day, event_type, source, count)
  select date_bin('1 day', "timestamp", timestamptz '2000-01-01 00:00:00+00'), event_type, source, count(*)
  from gone
  group by 1, 2, 3
  on conflict (day, event_type, source) do update set count = deleted.count + excluded.count
)
select
  (select count(*) from gone),
  array(
    select distinct user_id
    from gone
    join users using (user_id)
    where last_hour = date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00')
  );

-- name: count_dropped
-- Count every event of a month as deleted.
insert into deleted_counts (day, event_type, source, count)
select date_bin('1 day', hour, timestamptz '2000-01-01 00:00:00+00'), event_type, source, sum(count)
from event_counts
where hour >= %(start)s and hour < %(end)s
group by 1, 2, 3
on conflict (day, event_type, source) do update set count = excluded.count;

-- name: outdated_users
-- Users whose newest event was deleted: they have no event in their last hour. Those without any event stay as they are where a lake has
-- archived events (delete_users).
select user_id
from users
where last_hour < (select max("limit") from unnest(%(own_limits)s::timestamptz[] || %(others)s::timestamptz) as "limit")
  and not exists (
    select from events
    where events.user_id = users.user_id and "timestamp" >= users.last_hour and "timestamp" < users.last_hour + interval '1 hour'
    offset 0  -- an index lookup for each user, not a join over all events
  )
  and (
    not exists (select from archived_days)
    or exists (select from events where events.user_id = users.user_id offset 0)
  )
order by user_id;

-- name: lock_users
-- Skip users with an event being stored: its collector may wait for another of these users, so waiting for it could deadlock.
-- A collector that stores an event of a locked user waits, and then reads the row again.
select user_id from users where user_id = any (%(user_ids)s::text[]) order by user_id for update skip locked;

-- name: correct_users
-- Set the hour of the newest event of locked users. first_seen stays as it is (docs/definitions.md).
update users
set last_hour = date_bin('1 hour', newest."timestamp", timestamptz '2000-01-01 00:00:00+00')
from unnest(%(user_ids)s::text[]) as locked (user_id)
cross join lateral (
  select "timestamp" from events where events.user_id = locked.user_id order by "timestamp" desc limit 1
) as newest
where users.user_id = locked.user_id;

-- name: forgotten_users
-- Those of these users who have no event, and whether their id is linked to others.
select
  user_id,
  exists (select from links where alias = user_id and removed_at is null)
  or exists (select from links where person = user_id and removed_at is null)
from unnest(%(user_ids)s::text[]) as locked (user_id)
where not exists (select from events where events.user_id = locked.user_id);

-- name: find_person
-- All ids of a person, and whether one of them has an event.
select ids, exists (select from events where user_id = any (ids))
from person_ids(%(user_id)s, null, null) as ids;

-- name: delete_users
-- Where a lake has archived events, it may have some of theirs: when they were first seen is kept for questions over these.
delete from users where user_id = any (%(user_ids)s::text[]) and not exists (select from archived_days);

-- name: refresh_users
-- Add users whose events were stored by a collector of an older release, which didn't write to `users`. Each column only moves
-- in one direction, so events that were included before change nothing. Their events were counted before, so the epoch moves. Returns
-- the number of users.
with missed as (
  select user_id, min("timestamp") as first_seen, date_bin('1 hour', max("timestamp"), timestamptz '2000-01-01 00:00:00+00') as last_hour
  from events
  where received_at >= now() - interval '3 days'
  group by user_id
),
added as (
  insert into users as known (user_id, first_seen, last_hour)
  select user_id, first_seen, last_hour
  from missed
  where not exists (
    select from users where users.user_id = missed.user_id and users.first_seen <= missed.first_seen and users.last_hour >= missed.last_hour
  )
  order by user_id
  on conflict (user_id) do update
  set first_seen = least(known.first_seen, excluded.first_seen), last_hour = greatest(known.last_hour, excluded.last_hour)
  returning 1
),
moved as (
  insert into user_epochs as known (epoch)
  select 1 where exists (select from added)
  on conflict (only_row) do update set epoch = known.epoch + 1
)
select count(*) from added;
