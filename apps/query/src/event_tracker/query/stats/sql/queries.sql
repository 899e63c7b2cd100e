-- name: begin
-- The session's settings suit pages of one user (event_tracker.query.events.store). These suit queries that read many rows once:
-- they are planned for their time range, and may sort, in a modest amount of memory.
select
  set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('enable_sort', 'on', true),
  set_config('work_mem', '64MB', true);

-- name: count_partitions
select count(*) from pg_inherits where inhparent = 'events'::regclass;

-- name: selected
-- The selected events.
select user_id, "timestamp", received_at, event_id, event_type, session_id, properties
from events
where {conditions}

-- name: selected.range
"timestamp" >= %(start)b and "timestamp" < %(end)b

-- name: selected.event_types
event_type = any (%(event_types)b::text[])

-- name: selected.sources
source = any (%(sources)b::text[])

-- name: and_sources
and source = any (%(sources)b::text[])

-- name: visited
-- The selected events, each with its visit. (user_id, session_id, visit) identifies a session. With a session_id, visit is
-- -infinity. Without one, session_id is '' (which no event has) and visit is its start; a new one starts after each gap.
select
  user_id, session_id, timestamptz '-infinity' as visit, "timestamp", received_at, event_id, event_type, properties
from ({selected}) as named
where session_id is not null
union all
select
  user_id, ''::text collate "C", max("timestamp") filter (where begins) over in_order,
  "timestamp", received_at, event_id, event_type, properties
from (
  select
    *,
    ("timestamp" - lag("timestamp") over in_order <= make_interval(secs => %(gap)b::int)) is not true as begins
  from ({selected}) as unnamed
  where session_id is null
  window in_order as (partition by user_id order by "timestamp", received_at, event_id)
) as unnamed
window in_order as (partition by user_id order by "timestamp", received_at, event_id)

-- name: visited.cut
-- The same, with visits cut where they are too long. visit is always its start. Events with the same timestamp stay together.
select
  user_id,
  session_id,
  session_start("timestamp", make_interval(secs => %(longest)b::int)) over (partition by user_id, session_id, visit order by "timestamp") as visit,
  "timestamp", received_at, event_id, event_type, properties
from ({visited}) as uncut

-- name: count_by_hour
-- Events by interval and series. `series` is the type's rank; 0 is every other type, -1 is all of them. Hours inside an interval are
-- read from the counters. Hours in which an interval starts or ends are counted from events.
with pieces as (
  select width_bucket(hour, %(starts)b::timestamptz[]) as bucket, {event_type} as key, count
  from event_counts
  where hour >= %(first_hour)b and hour < %(last_hour)b and hour <> all (%(split_hours)b::timestamptz[]) and {types} {sources}
  union all
  select width_bucket(event."timestamp", %(starts)b::timestamptz[]), {event_type}, 1
  from unnest(%(piece_starts)b::timestamptz[], %(piece_ends)b::timestamptz[]) as piece (piece_start, piece_end)
  cross join lateral (
    select "timestamp", event_type
    from events
    where "timestamp" >= piece_start and "timestamp" < piece_end and {types} {sources}
  ) as event
),
counted as materialized (
  select bucket, key, sum(count) as count from pieces group by bucket, key
),
top as (
  select key, row_number() over (order by sum(count) desc, key) as rank
  from counted
  where key is not null
  group by key
  order by rank
  limit %(limit)b
)
select coalesce(rank, case when key is null then -1 else 0 end) as series, top.key, bucket, sum(count)::bigint
from counted
left join top using (key)
group by rank, top.key, key is null, bucket;

-- name: list_users.limit_time
-- For the statements that follow in the transaction.
select set_config('statement_timeout', %(milliseconds)b::int::text, true);

-- name: list_users
-- Most recently active first. The hour selects few users; their newest events give the order. `edge` is the hour in which enough
-- users are found, so that all users before it are included. A user without an event in that hour isn't listed, so must not be
-- counted there: `tracker maintain` has just deleted the event, and will correct the hour or delete the user.
-- `without` are ids that aren't listed: with custom plans, PostgreSQL looks them up in a hash table.
with edge as (
  select min(last_hour) as hour
  from (
    select last_hour
    from users
    where last_hour < %(after_hour)b
      and user_id <> all (%(without)b::text[])
      and exists (
        select from events
        where events.user_id = users.user_id and "timestamp" >= users.last_hour and "timestamp" < users.last_hour + interval '1 hour'
        offset 0  -- a look into the key for each user, not a join over all events
      )
    order by last_hour desc
    limit %(rows)b
  ) as recent
),
page as (
  select users.user_id, users.first_seen, newest.last_seen
  from users
  cross join lateral (
    select max("timestamp") as last_seen
    from events
    where events.user_id = users.user_id and "timestamp" >= users.last_hour and "timestamp" < users.last_hour + interval '1 hour'
  ) as newest
  where users.last_hour >= (select coalesce(edge.hour, '-infinity') from edge) and users.last_hour <= %(after_hour)b
    and users.user_id <> all (%(without)b::text[])
    and (newest.last_seen, users.user_id) < (%(after_timestamp)b, %(after_user_id)b)
  order by newest.last_seen desc, users.user_id desc
  limit %(rows)b
)
select page.user_id, page.first_seen, page.last_seen, stored.events
from page
cross join lateral (select count(*) as events from events where events.user_id = page.user_id) as stored
order by page.last_seen desc, page.user_id desc;

-- name: list_users.of_ids
-- Some users, in no order, as `list_users` has them; without those of whom no event is stored.
select events.user_id, {first_seen}, max("timestamp"), count(*)
from events
join users on users.user_id = events.user_id
where events.user_id = any (%(ids)b::text[]) {sources}
group by events.user_id;

-- name: list_users.first_seen
-- It is kept when the first events are deleted because of their age.
min(users.first_seen)

-- name: list_users.first_seen_of_sources
min("timestamp")

-- name: list_users.newest_hour
-- The newest hour up to a position in which some sources have events; null if there is none.
select max(hour) from event_counts where hour <= %(after_hour)b and source = any (%(sources)b::text[])

-- name: list_users.of_sources
-- The same by the events of some sources, back to `since`. A user without events between there and the position isn't found.
with found as (
  select user_id, max("timestamp") as last_seen
  from events
  where "timestamp" >= %(since)b and "timestamp" <= %(after_timestamp)b and source = any (%(sources)b::text[])
    and user_id <> all (%(without)b::text[])
  group by user_id
  having (max("timestamp"), user_id) < (%(after_timestamp)b, %(after_user_id)b)
),
page as (
  select user_id, last_seen
  from found
  -- A user with a newer event comes before the position.
  where not exists (
    select from events
    where events.user_id = found.user_id and "timestamp" > %(after_timestamp)b and source = any (%(sources)b::text[])
  )
  order by last_seen desc, user_id desc
  limit %(rows)b
)
select page.user_id, stored.first_seen, page.last_seen, stored.events
from page
cross join lateral (
  select min("timestamp") as first_seen, count(*) as events
  from events
  where events.user_id = page.user_id and source = any (%(sources)b::text[])
) as stored
order by page.last_seen desc, page.user_id desc;

-- name: get_user
-- One user; no row if there is no event of theirs. `ids` are all of the person, who comes first, or the one that was asked for.
with visited as materialized ({visited}),
known as (
  select count(*) as events, {first_seen} as first_seen, max("timestamp") as last_seen from events where user_id = any ({ids}) {sources}
),
type as (
  select event_type, count(*) as count from visited group by event_type
)
select
  ({ids})[1],
  known.first_seen,
  known.last_seen,
  known.events,
  (select count(*) from visited),
  (select count(distinct width_bucket("timestamp", %(starts)b::timestamptz[])) from visited),
  (select count(*) from (select distinct session_id, visit from visited) as session),
  (select array_agg(event_type order by count desc, event_type) from type),
  (select array_agg(count order by count desc, event_type) from type)
from known
where known.events > 0;

-- name: get_user.ids
(
  select
    case
      when %(is_linked)b
      then person_ids(
        %(user_id)b::text, %(linking_sources)b::text[], %(most_ids)b::int
      )
      else array[%(user_id)b::text]
    end
)::text[]

-- name: get_user.of_person
user_id = any ({ids})

-- name: get_user.selected
-- A session of a person may have events of several ids.
select %(user_id)b::text collate "C" as user_id, "timestamp", received_at, event_id, event_type, session_id, properties
from ({selected}) as event

-- name: get_user.first_seen
-- As in `list_users`: it is kept when the first events are deleted because of their age.
least(min("timestamp"), (select min(first_seen) from users where user_id = any ({ids})))

-- name: get_user.first_seen_of_sources
min("timestamp")

-- name: read_pages
select source, host, path, title, category
from pages
where %(sources)b::text[] is null or source = any (%(sources)b)
order by source, host, path
