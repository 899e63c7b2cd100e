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
-- If an event may link two ids, `store_events.linking` is added; for groups without such events it would cost time.
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
    statement_timestamp() + (place - 1) * interval '1 microsecond'
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
){linking}
select
  count(*) as stored,
  case when count(*) < cardinality(%(user_ids)b::text[]) then array_agg(user_id) end as user_ids,
  case when count(*) < cardinality(%(user_ids)b::text[]) then array_agg("timestamp") end as timestamps,
  case when count(*) < cardinality(%(user_ids)b::text[]) then array_agg(event_id) end as event_ids,
  (select array_agg(place) from expired) as expired,
  {refused} as links_refused,
  case
    when count(*) = 0 and current_setting('synchronous_standby_names') <> ''
    then pg_logical_emit_message(true, 'duplicates', '')
  end as waited_for
from stored;

-- name: store_events.linking
-- The links between ids that new events make. Of each pair, the earliest event stays, whatever the order of arrival. Rows are
-- written in the order of their key, after the events and, since PostgreSQL begins with what is named last, before users and counts.
-- Collectors may not read properties, so they are those of the first event of each key, which is the one that is stored.
,
identities as materialized (
  select source collate "C", alias collate "C", user_id collate "C" as person, "timestamp" as at, event_id, refused
  from (
    select distinct on (user_id, "timestamp", event_id) incoming.*
    from incoming
    join stored using (user_id, "timestamp", event_id)
    where stored.event_type in ('identify', 'alias')
    order by user_id, "timestamp", event_id, place
  ) as new
  cross join lateral link_of_event(event_type, user_id, properties) as link
  where alias is not null or refused is not null
),
linked as (
  insert into links as known (source, alias, person, at, event_id)
  select distinct on (source, alias, person) source, alias, person, at, event_id
  from identities
  where alias is not null
  order by source, alias, person, at, event_id
  on conflict (source, alias, person) do update
  set at = excluded.at, event_id = excluded.event_id, changed = excluded.changed
  where (excluded.at, excluded.event_id) < (known.at, known.event_id)
)

-- name: store_events.refused
(select array_agg(refused) from identities where refused is not null)
