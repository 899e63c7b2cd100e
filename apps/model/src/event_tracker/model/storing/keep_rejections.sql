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
-- erased since the event arrived are left out, if that was in the last two hours: older erasures are forgotten (forget_erasures),
-- so an event that waited longer in Kafka is kept. An event arrived `waited` seconds before `now`, which is the database's time, so
-- that the collector's clock doesn't matter. A minute is allowed for a change of the database's clock, also by a failover.
-- The erasures of an hour share a salt, so an event is hashed once for each hour, and the hashes are joined.
-- Returns how many were left out.
with given as materialized (
  select *
  from unnest(
    %(id)b::uuid[], %(source)b::text[], %(received_at)b::timestamptz[], %(reason)b::text[], %(detail)b::jsonb[],
    %(event_type)b::text[], %(user_id)b::text[], %(payload)b::bytea[], %(is_whole)b::bool[], %(client)b::text[],
    %(waited)b::float8[]
  ) as refused (id, source, received_at, reason, detail, event_type, user_id, payload, is_whole, client, waited)
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
  insert into rejections (id, source, received_at, reason, detail, event_type, user_id, payload, is_whole, client)
  select id, source, received_at, reason, detail, event_type, user_id, payload, is_whole, client
  from given
  where id not in (select id from erased)
  on conflict (id) do nothing
)
select count(*) from erased;

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
