-- What an erasure does about copies of events: in topics of Kafka (infra/migrations/0031-relays.sql, 0032-topics.sql), and in the
-- lake (0033).

-- name: shut_out_storers
-- Waits for the batches that storers are storing, so that what is in them is deleted. Later ones wait until this transaction ends, and
-- see its rows then. It must come before any lock that storers may wait for in a batch: of events, links, users, counters.
select pg_advisory_xact_lock(16, 2);

-- name: note_for_storers
-- Notes for storers that these ids are erased, if any of them reads a topic into this database. All erasures of a day (UTC) share the salt
-- of the first one, so that storers hash an id once for each day.
with salted as (
  select coalesce(
    (
      select salt
      from topic_erasures
      where at >= date_bin('1 day', now(), timestamptz '2000-01-01 00:00:00+00')
      order by id
      limit 1
    ),
    %(salt)b::bytea
  ) as salt
)
insert into topic_erasures (at, salt, user_hash, sources)
select now(), salt, sha256(salt || convert_to(user_id, 'UTF8')), %(sources)b::text[]
from salted
cross join unnest(%(user_ids)b::text[]) as user_id
where exists (select from topics)
returning id;

-- name: note_for_relays
-- For each relay that passes erasures on; it deletes the rows when it has done so (infra/migrations/0031-relays.sql).
insert into relay_erasures (relay, user_id, sources)
select relays.name, user_id, %(sources)b::text[]
from relays
cross join unnest(%(user_ids)b::text[]) as user_id
where relays.erasures
returning id;

-- name: note_for_lake
-- Leaves the ids for the lake, if it has events that retention has deleted here: these are erased by its next run. Retention and erasures
-- take turns (take_turn), so no day is archived meanwhile.
insert into archive_erasures (user_id, sources)
select user_id, %(sources)b::text[]
from unnest(%(user_ids)b::text[]) as user_id
where exists (select from archived_days);

-- name: say_noted
-- Without it, an erasure is refused where there are copies (infra/migrations/0036-noted-copies.sql).
select set_config('event_tracker.notes_copies', 'on', true);

-- name: find_copies
-- Where there may be events of before, and until when at most; null: there is no bound.
select 'topic ' || name, now() + keep from (select name, keep from topics order by name) as topics
union all
select place, null from (select distinct place from relays order by place) as places
union all
select 'lake', null where exists (select from archived_days);
