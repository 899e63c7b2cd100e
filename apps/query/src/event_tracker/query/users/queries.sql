-- An erasure is announced to collectors first, in a short transaction. Then it takes its locks in this order: `erasures` (which
-- shuts out `tracker maintain` and other erasures), rejections, events, links, users, and last counters, each in the
-- order of their key. Collectors take theirs in the same one, so that both wait for each other and never deadlock. The
-- counters, which are needed most, are locked for the shortest time.
-- If ids were linked to the person meanwhile, it is rolled back to where it holds no lock but that of `erasures`, locks all links, and
-- begins again with all ids.
-- Each statement sees what was committed before it, so events that were being stored when the user's events were deleted stay.
-- `user_ids` are all ids of the person; with identity=raw, one id.

-- name: find_ids
select case
  when %(is_linked)b then person_ids(%(user_id)b::text, %(sources)b::text[], %(most_ids)b::int)
  else array[%(user_id)b::text]
end;

-- name: begin
-- Timeouts of this transaction: for a statement, for waiting for a lock, and for how long it may be idle if this process hangs or
-- has died. Plans are made for this very user.
select
  set_config('statement_timeout', %(statement_ms)b, true),
  set_config('lock_timeout', %(lock_ms)b, true),
  set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('work_mem', '64MB', true),
  now(),
  set_config('idle_in_transaction_session_timeout', '30s', true),
  set_config('client_connection_check_interval', '1s', true);

-- name: announce_turn
-- Taken before an erasure writes to recent_erasures. Collectors share this lock while they write refused events (share_erasures).
-- So events that were being written are committed by then, and deleted by the erasure, and later writers see the row. The
-- transaction takes no other contended lock, and ends at once.
select pg_advisory_xact_lock(16, 1);

-- name: announce
-- Announces that these ids are being erased. The salt is random, and stored nowhere else. All erasures of an hour share the salt of
-- the first one, so that collectors hash an event once per hour, not once per erasure. Rows that are too old to be needed are
-- deleted.
with over as (
  delete from recent_erasures where at < now() - interval '2 hours'
),
announced as materialized (
  select clock_timestamp() as at
),
salted as (
  select at, coalesce(
    (
      select salt
      from recent_erasures as known
      where known.at >= (select date_bin('1 hour', at, timestamptz '2000-01-01 00:00:00+00') from announced)
      order by known.at
      limit 1
    ),
    %(salt)b::bytea
  ) as salt
  from announced
)
insert into recent_erasures (at, salt, user_hash, sources)
select at, salt, sha256(salt || convert_to(user_id, 'UTF8')), %(sources)b::text[]
from salted
cross join unnest(%(user_ids)b::text[]) as user_id;

-- name: take_turn
lock table erasures in exclusive mode;

-- name: erase_rejections
delete from rejections
where user_id = any (%(user_ids)b::text[]) and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
returning id;

-- name: erase_events
-- Deletes the events. Returns their number by hour, type and source.
with gone as (
  delete from events
  where user_id = any (%(user_ids)b::text[]) and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
  returning "timestamp", event_type, source
)
select date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00') as hour, event_type, source, count(*) as events
from gone
group by 1, 2, 3;

-- name: anonymise_events
-- Assigns the events of each id to another user, with new event ids and new session ids. Events of one session keep a common session id; it
-- is made with a secret that isn't stored. The new event ids sort like the events, so that events with the same timestamp keep
-- their order. Without a restriction to sources, the rows in `users` are copied to the new users. They are read in the same snapshot,
-- so that later events don't affect them. Returns the number of events.
with renamed as (
  select * from unnest(%(user_ids)b::text[], %(new_user_ids)b::text[]) as id (user_id, new_user_id)
),
known as (
  insert into users (user_id, first_seen, last_hour)
  select new_user_id, first_seen, last_hour from users join renamed using (user_id) where %(sources)b::text[] is null
),
mine as (
  select
    user_id, new_user_id, "timestamp", event_id,
    row_number() over (order by "timestamp", received_at, event_id, new_user_id) as number
  from events
  join renamed using (user_id)
  where %(sources)b::text[] is null or source = any (%(sources)b::text[])
),
ids as (
  select id, row_number() over (order by id) as number from (select gen_random_uuid() as id from mine) as random
),
gone as (
  update events as event
  set
    user_id = mine.new_user_id,
    event_id = ids.id,
    session_id = encode(sha256(convert_to(%(secret)b || event.session_id, 'UTF8')), 'hex'),
    properties = '{}',
    violations = null
  from mine
  join ids using (number)
  where event.user_id = any (%(user_ids)b::text[])
    and event.user_id = mine.user_id and event."timestamp" = mine."timestamp" and event.event_id = mine.event_id
  returning 1
)
select count(*) from gone;

-- name: upsert_users
-- Adds the new users, with the times of their events.
insert into users (user_id, first_seen, last_hour)
select user_id, min("timestamp"), date_bin('1 hour', max("timestamp"), timestamptz '2000-01-01 00:00:00+00')
from events
where user_id = any (%(new_user_ids)b::text[])
group by user_id
order by user_id
returning user_id;

-- name: lock_users
-- Waits for transactions that are storing events of these users, and makes later ones wait until the end; they read the rows again
-- then. It comes before erase_users, so that erase_users sees their events.
select user_id from users where user_id = any (%(user_ids)b::text[]) order by user_id for update;

-- name: erase_users
-- Deletes the users, or corrects the rows where they depend on deleted events. Where a user was first seen later than before, the epoch
-- of users moves: the event that they were first seen with may have been deleted long ago, by retention.
with kept as (
  select user_id, min("timestamp") as first_seen, max("timestamp") as last_seen
  from events
  where user_id = any (%(user_ids)b::text[])
  group by user_id
),
changed as (
  update users
  set first_seen = kept.first_seen, last_hour = date_bin('1 hour', kept.last_seen, timestamptz '2000-01-01 00:00:00+00')
  from kept
  where users.user_id = kept.user_id
),
moved as (
  insert into user_epochs as known (epoch)
  select 1 where exists (select from users join kept using (user_id) where users.first_seen <> kept.first_seen)
  on conflict (only_row) do update set epoch = known.epoch + 1
)
delete from users
where user_id = any (%(user_ids)b::text[]) and not exists (select from kept where kept.user_id = users.user_id)
returning 1;

-- name: decrement_counts
-- Subtracts events from the counters of each hour, type and source, from one slot after the other. A counter that had to be waited
-- for is read again after the wait.
with gone as (
  select *
  from unnest(%(hours)b::timestamptz[], %(event_types)b::text[], %(event_sources)b::text[], %(counts)b::bigint[]) as t (hour, event_type, source, count)
),
locked as materialized (
  select counts.hour, counts.event_type, counts.source, counts.slot, counts.count, gone.count as gone
  from event_counts as counts
  join gone on (counts.hour, counts.event_type, counts.source) = (gone.hour, gone.event_type, gone.source)
  order by counts.hour, counts.event_type, counts.source, counts.slot
  for update of counts
),
shared_out as materialized (
  select hour, event_type, source, slot, count, least(count, greatest(0, gone - before)) as less
  from (
    select *, coalesce(sum(count) over (partition by hour, event_type, source order by slot rows between unbounded preceding and 1 preceding), 0) as before
    from locked
  ) as in_order
),
lessened as (
  update event_counts as counts
  set count = shared_out.count - shared_out.less
  from shared_out
  where (counts.hour, counts.event_type, counts.source, counts.slot) = (shared_out.hour, shared_out.event_type, shared_out.source, shared_out.slot)
    and shared_out.less > 0 and shared_out.less < shared_out.count
  returning 1
),
removed as (
  delete from event_counts as counts
  using shared_out
  where (counts.hour, counts.event_type, counts.source, counts.slot) = (shared_out.hour, shared_out.event_type, shared_out.source, shared_out.slot)
    and shared_out.less = shared_out.count
  returning 1
)
select (select count(*) from lessened) + (select count(*) from removed);

-- name: write_erasure
insert into erasures (id, at, mode, counts, receipt) values (%(id)b, %(at)b, %(mode)b, %(counts)b, %(receipt)b) returning id;

-- name: is_known
select
  exists (select from events where user_id = any (%(user_ids)b::text[]) and (%(sources)b::text[] is null or source = any (%(sources)b::text[])))
  or exists (select from rejections where user_id = any (%(user_ids)b::text[]) and (%(sources)b::text[] is null or source = any (%(sources)b::text[])))
  or exists (
    select from links
    where (alias = any (%(user_ids)b::text[]) or person = any (%(user_ids)b::text[]))
      and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
  ),
  now();

-- name: export_events
-- A page, newest first; each id's newest events are read from the primary key.
select user_id, event_type, "timestamp", event_id, session_id, properties::text, received_at, source, violations::text
from unnest(%(user_ids)b::text[]) as person (id)
cross join lateral (
  select *
  from events
  where user_id = person.id
    and ("timestamp", user_id, received_at, event_id)
    < (%(after_timestamp)b, %(after_user_id)b, %(after_received_at)b, %(after_event_id)b)
    and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
  order by "timestamp" desc, received_at desc, event_id desc
  limit %(rows)b
) as event
order by "timestamp" desc, user_id desc, received_at desc, event_id desc
limit %(rows)b;

-- name: export_rejections
select id, source, received_at, reason, detail, event_type, payload, is_whole, client
from rejections
where user_id = any (%(user_ids)b::text[]) and (%(sources)b::text[] is null or source = any (%(sources)b::text[])) and id > %(after_id)b
order by id
limit %(rows)b;

-- name: export_users
select user_id, first_seen, last_hour from users where user_id = any (%(user_ids)b::text[]) order by user_id;
