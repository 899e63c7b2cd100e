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

-- name: forget_sign_ins
-- Delete expired sign-ins, and failed ones that count no longer: an attacker who guesses names leaves a row for each name.
with failed as (
  delete from failed_sign_ins where locked_until < now() - interval '1 hour' returning name
),
expired as (
  delete from sign_ins where expires_at < now() returning prefix
)
select (select count(*) from failed) + (select count(*) from expired);

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
-- A relay that hasn't passed on an erasure for 30 days: it doesn't run any more. The ids that wait for it are deleted with it.
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
