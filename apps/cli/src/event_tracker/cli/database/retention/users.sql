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
