-- name: store_events
-- One group of events, in one transaction: the events that are new, their counts, and when their users were seen. All
-- three are written in the order of their keys, so that collectors storing the same events at once wait for each other
-- but never deadlock. Users whose row needs no change are only read (in a subquery, so that no plan made for a small table
-- reads a large one), with a lock that collectors share: an erasure of the user waits until the event is visible, and if
-- the user was just erased, their row is inserted again.
-- `violations` is empty, or as long as the others.
-- Events of one group keep the order in which they arrived: received_at has it, in microseconds. It is never later than the
-- commit, since storing an event takes longer. Of events with the same key, the first that arrived is stored.
-- Returns how many were new and, only if some were not, the keys of the new ones, and which are expired, counted from 1.
-- An event is expired if retention has deleted its source's events of that time: whether it was stored before can't be
-- known any more. The marks are read here and not with the source cache, so that none is missed: the writer of a mark
-- waits for statements that don't see it yet before anything is deleted. A source that was made after the last mark
-- and has its own retention has lost nothing.
-- If none was new, there is nothing to commit, and PostgreSQL would not wait for a standby. But the events stored before may
-- be on no standby, if the wait of their own commit was ended. So a message that nobody reads is written: the wait for it
-- is also a wait for all that was written before.
with expired as materialized (
  select place
  from unnest(%(timestamps)b::timestamptz[], %(sources)b::text[]) with ordinality as given ("timestamp", source, place)
  left join retention_marks as mark using (source)
  where exists (select from retention_marks)
    and "timestamp" < coalesce(
      mark.deleted_before,
      (
        select others.deleted_before
        from retention_marks as others
        where others.source = '' and not exists (select from sources where name = given.source and keep is not null)
      )
    )
),
incoming as (
  select *
  from unnest(
    %(user_ids)b::text[], %(timestamps)b::timestamptz[], %(event_ids)b::uuid[],
    %(event_types)b::text[], %(session_ids)b::text[], %(properties)b::jsonb[], %(sources)b::text[],
    %(violations)b::jsonb[]
  ) with ordinality as t (user_id, "timestamp", event_id, event_type, session_id, properties, source, violations, place)
  where place not in (select place from expired)
  order by user_id collate "C", "timestamp", event_id, place
),
stored as (
  insert into events (user_id, "timestamp", event_id, event_type, session_id, properties, source, violations, received_at)
  select
    user_id, "timestamp", event_id, event_type, session_id, properties, source, violations,
    now() + (place - 1) * interval '1 microsecond'
  from incoming
  on conflict do nothing
  returning user_id, "timestamp", event_id, event_type, source
),
counted as (
  insert into event_counts as counts (hour, event_type, source, slot, count)
  select date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00') as hour, event_type, source, %(slot)b::smallint, count(*)
  from stored
  group by 1, 2, 3
  order by 1, 2, 3
  on conflict (hour, event_type, source, slot) do update set count = counts.count + excluded.count
),
seen as (
  insert into users as known (user_id, first_seen, last_hour)
  select user_id, first_seen, last_hour
  from (
    select user_id, min("timestamp") as first_seen, date_bin('1 hour', max("timestamp"), timestamptz '2000-01-01 00:00:00+00') as last_hour
    from stored
    group by user_id
  ) as active
  where (
    select known.first_seen <= active.first_seen and known.last_hour >= active.last_hour
    from users as known
    where known.user_id = active.user_id
    for key share
  ) is not true
  order by user_id
  on conflict (user_id) do update
  set first_seen = least(known.first_seen, excluded.first_seen), last_hour = greatest(known.last_hour, excluded.last_hour)
)
select
  count(*) as stored,
  case when count(*) < cardinality(%(user_ids)b::text[]) then array_agg(user_id) end as user_ids,
  case when count(*) < cardinality(%(user_ids)b::text[]) then array_agg("timestamp") end as timestamps,
  case when count(*) < cardinality(%(user_ids)b::text[]) then array_agg(event_id) end as event_ids,
  (select array_agg(place) from expired) as expired,
  case
    when count(*) = 0 and current_setting('synchronous_standby_names') <> ''
    then pg_logical_emit_message(true, 'duplicates', '')
  end as waited_for
from stored;

-- name: catalog_version
-- The version changes each time that a source or a key is changed.
select version from catalog_version;

-- name: list_sources
select name, allowed_origins, enabled, rate_limit, schema_mode from sources;

-- name: list_plans
-- The current schemas: the newest of each event type, of sources whose mode isn't off.
select distinct on (source, event_type) source, event_type, version, event_schemas.created_at
from event_schemas
join sources on sources.name = source
where schema_mode <> 'off'
order by source, event_type, version desc;

-- name: read_schemas
select source, event_type, version, created_at, schema::text
from event_schemas
join unnest(%(sources)b::text[], %(event_types)b::text[], %(versions)b::int[]) as wanted (source, event_type, version)
  using (source, event_type, version);

-- name: list_keys
select prefix, source, hash from write_keys where revoked_at is null;

-- name: write_uses
-- When keys were last used; several collectors may report different times.
update write_keys as keys
set last_used = greatest(keys.last_used, used.at)
from unnest(%(prefixes)b::text[], %(times)b::timestamptz[]) as used (prefix, at)
where keys.prefix = used.prefix
returning keys.prefix;

-- name: write_set_aside
-- Until when schemas are set aside, in seconds from now; a version that was deleted meanwhile is left out.
insert into schemas_set_aside as known (source, event_type, version, until)
select source, event_type, version, now() + make_interval(secs => seconds)
from unnest(%(sources)b::text[], %(event_types)b::text[], %(versions)b::int[], %(seconds)b::float8[])
  as given (source, event_type, version, seconds)
join event_schemas using (source, event_type, version)
order by source, event_type, version
on conflict (source, event_type, version) do update set until = greatest(known.until, excluded.until)
returning version;

-- name: take_events
-- Admits events that use the rate of so many seconds, unless more than the burst is used already. Returns whether they are
-- admitted, and up to how many seconds from now the rate is used.
with taken as (
  insert into rate_limits as known (prefix, used_up_to)
  values (%(prefix)b, now() + make_interval(secs => %(seconds)b))
  on conflict (prefix) do update
  set used_up_to = greatest(known.used_up_to, now()) + make_interval(secs => %(seconds)b)
  where known.used_up_to <= now() + make_interval(secs => %(burst)b)
  returning used_up_to
)
select true, extract(epoch from used_up_to - now())::float8 from taken
union all
select false, extract(epoch from used_up_to - now())::float8 from rate_limits where prefix = %(prefix)b and not exists (select from taken);

-- name: share_erasures
-- Runs before keep_rejections, in the same transaction: its snapshot then has every erasure that was announced before.
-- Erasures announced later wait until its rows are committed, and delete them (query's announce_turn takes the lock). A
-- collector that stops between the two statements loses the lock: it would block all erasures. A plan is made each
-- time: one made while there are few erasures would later compare each of many with each event.
-- Returns the time from which keep_rejections computes when events arrived.
select
  set_config('idle_in_transaction_session_timeout', '30s', true),
  set_config('plan_cache_mode', 'force_custom_plan', true),
  pg_advisory_xact_lock_shared(16, 1),
  clock_timestamp();

-- name: keep_rejections
-- Stores refused events. Those that exist already were written by an attempt whose answer was lost. Events of users who were
-- erased since the event arrived are left out. An event arrived `waited` seconds before `now`, which is the database's time, so
-- that the collector's clock doesn't matter. A minute is allowed for a change of the database's clock, also by a failover.
-- The erasures of an hour share a salt, so an event is hashed once for each hour, and the hashes are joined.
-- Returns how many were left out.
with given as materialized (
  select *
  from unnest(
    %(id)b::uuid[], %(source)b::text[], %(received_at)b::timestamptz[], %(reason)b::text[], %(detail)b::jsonb[],
    %(event_type)b::text[], %(user_id)b::text[], %(payload)b::bytea[], %(is_whole)b::bool[], %(waited)b::float8[]
  ) as refused (id, source, received_at, reason, detail, event_type, user_id, payload, is_whole, waited)
),
hashed as materialized (
  select id, source, waited, sha256(salt || convert_to(user_id, 'UTF8')) as user_hash
  from given
  cross join (select distinct salt from recent_erasures) as salts
  where user_id is not null
),
erased as materialized (
  select distinct hashed.id
  from hashed
  join recent_erasures as erasure using (user_hash)
  where erasure.at >= %(now)b::timestamptz - make_interval(secs => waited) - interval '1 minute'
    and (erasure.sources is null or hashed.source = any (erasure.sources))
),
kept as (
  insert into rejections (id, source, received_at, reason, detail, event_type, user_id, payload, is_whole)
  select id, source, received_at, reason, detail, event_type, user_id, payload, is_whole
  from given
  where id not in (select id from erased)
  on conflict (id) do nothing
)
select count(*) from erased;

-- name: remove_old_rejections
-- Never an event that is to be replayed. Events that another collector has locked are skipped.
delete from rejections
where id = any(array(
  select id
  from rejections
  where received_at < now() - make_interval(days => %(days)b::int) and replay_requested_at is null
  for update skip locked
))
returning id;

-- name: remove_surplus_rejections
-- The oldest events of sources that have too many, found by the index alone; with the same exceptions.
delete from rejections
where id = any(array(
  select id
  from rejections
  where replay_requested_at is null
    and id = any(array(
      select surplus.id
      from unnest(%(sources)b::text[]) as given (source)
      cross join lateral (
        select id
        from rejections
        where rejections.source = given.source
        order by received_at desc, id desc
        offset %(kept)b::int
      ) as surplus
    ))
  for update skip locked
))
returning id;

-- name: replay_is_asked
select exists (select from rejections where replay_requested_at is not null);

-- name: take_replays
-- Some refused events to be tried again, the oldest first, locked for this transaction.
select id, source, received_at, payload
from rejections
where replay_requested_at is not null
order by replay_requested_at, id
limit %(most)b::int
for update skip locked;

-- name: forget_rejections
delete from rejections where id = any(%(ids)b::uuid[]);

-- name: refuse_again
-- Writes why events were refused again. They stay, and their replay is done.
update rejections as kept
set reason = again.reason, detail = again.detail, replay_requested_at = null
from unnest(%(ids)b::uuid[], %(reasons)b::text[], %(details)b::jsonb[]) as again (id, reason, detail)
where kept.id = again.id;
