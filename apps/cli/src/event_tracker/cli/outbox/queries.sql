-- name: take_events
-- The events that have waited longest, as JSON, locked until the end of the transaction. Those that another sender has are left out.
select
  id,
  json_build_object(
    'user_id', user_id, 'event_type', event_type, 'timestamp', "timestamp", 'event_id', event_id, 'session_id', session_id,
    'properties', properties
  )::text
from event_tracker.outbox
where refused_at is null and (%(source)s::text is null or source = %(source)s::text)
order by id
limit %(rows)s
for update skip locked;

-- name: delete_sent
delete from event_tracker.outbox where id = any (%(ids)s::bigint[]);

-- name: mark_refused
update event_tracker.outbox
set refused_at = now(), errors = refused.errors
from unnest(%(ids)s::bigint[], %(errors)s::jsonb[]) as refused (id, errors)
where outbox.id = refused.id;

-- name: measure
-- How many wait, the seconds since the oldest of them was added, and how many are refused. Large numbers are counted up to `most`.
select
  (
    select count(*)
    from (
      select
      from event_tracker.outbox
      where refused_at is null and (%(source)s::text is null or source = %(source)s::text)
      limit %(most)s
    ) as waiting
  ),
  coalesce(
    (
      select extract(epoch from clock_timestamp() - added_at)::float8
      from event_tracker.outbox
      where refused_at is null and (%(source)s::text is null or source = %(source)s::text)
      order by id
      limit 1
    ),
    0
  ),
  (
    select count(*)
    from (
      select
      from event_tracker.outbox
      where refused_at is not null and (%(source)s::text is null or source = %(source)s::text)
      limit %(most)s
    ) as refused
  );

-- name: list_refused
select id, refused_at, source, user_id, event_type, errors
from event_tracker.outbox
where refused_at is not null
order by id
limit %(rows)s;

-- name: retry_refused
update event_tracker.outbox
set refused_at = null, errors = null
where refused_at is not null and (%(ids)s::bigint[] is null or id = any (%(ids)s::bigint[]));
