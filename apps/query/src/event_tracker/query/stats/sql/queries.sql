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

-- name: selected.properties
-- As in list_events.properties.
not exists (
  select from unnest(%(property_names)b::text[], %(property_values)b::text[], %(property_stems)b::text[]) as wanted (name, value, stem)
  where (
    properties ->> wanted.name = wanted.value
    or wanted.stem is not null and properties ->> wanted.name like wanted.stem || '%%0' and rtrim(properties ->> wanted.name, '0') = wanted.stem
  ) is not true
)

-- name: written
(properties ->> %(property)b) collate "C"

-- name: value
-- Equal numbers are one value: trailing zeros are removed (event_tracker.query.events.property_values). The cheap check comes first.
case
  when {written} like '%%.%%0' and {written} ~ '^-?(0|[1-9][0-9]*)[.][0-9]+$' then rtrim(rtrim({written}, '0'), '.')
  else {written}
end

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

-- name: of_long
-- Events of users who have a visit that is too long: their visits are computed again, from events. There are few such users. They
-- are an array, so that their events are found by the index; if there are none, no event is read.
exists (select from long) and user_id = any (array(select user_id from long))

-- name: timeseries.events
-- Events by interval and series. `series` is the key's rank; 0 is every other key, -1 is no key.
with counted as materialized (
  select bucket, {value} as key, sum(count) as count
  from ({counted}) as pieces
  group by 1, 2
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

-- name: timeseries.read
select width_bucket("timestamp", %(starts)b::timestamptz[]) as bucket, {written} as written, count(*) as count
from ({selected}) as selected
group by 1, 2

-- name: timeseries.rollup
-- Hours inside an interval are read from the counters. Hours in which an interval starts or ends are counted from events.
select width_bucket(hour, %(starts)b::timestamptz[]) as bucket, {written} as written, count
from event_counts
where hour >= %(first_hour)b and hour < %(last_hour)b and hour <> all (%(split_hours)b::timestamptz[]) and {types} {sources}
union all
select width_bucket(event."timestamp", %(starts)b::timestamptz[]), {written}, 1
from unnest(%(piece_starts)b::timestamptz[], %(piece_ends)b::timestamptz[]) as piece (piece_start, piece_end)
cross join lateral (
  select "timestamp", event_type
  from events
  where "timestamp" >= piece_start and "timestamp" < piece_end and {types} {sources}
) as event

-- name: timeseries.subjects
-- Distinct users or sessions by interval and series; bucket 0 is the whole range.
with {found},
top as (
  select key, row_number() over (order by count(*) desc, key) as rank
  from (select distinct key, {subject} from found where key is not null) as subjects
  group by key
  order by rank
  limit %(limit)b
),
told as materialized (
  select distinct coalesce(rank, case when key is null then -1 else 0 end) as series, bucket, {subject}
  from found
  left join top using (key)
),
counted as (
  select series, bucket, count(*) as count from told group by series, bucket
  union all
  select series, 0, count(*) from (select distinct series, {subject} from told) as subjects group by series
)
select series, key, bucket, count
from counted
left join top on rank = series;

-- name: timeseries.found
found as materialized (
  select distinct width_bucket("timestamp", %(starts)b::timestamptz[]) as bucket, {key} as key, {subject}
  from ({source}) as source
)

-- name: timeseries.found_sessions
uncut as materialized (
  select
    width_bucket("timestamp", %(starts)b::timestamptz[]) as bucket, {key} as key, {subject},
    min("timestamp") as first, max("timestamp") as last
  from ({visited}) as visited
  group by 1, 2, {subject}
),
long as materialized (
  select distinct user_id
  from (
    select user_id from uncut group by {subject} having max(last) - min(first) > make_interval(secs => %(longest)b::int)
  ) as visit
),
cut as materialized (
  select distinct width_bucket("timestamp", %(starts)b::timestamptz[]) as bucket, {key} as key, {subject}
  from ({cut}) as cut
),
found as not materialized (
  select bucket, key, {subject} from uncut where user_id not in (select user_id from long)
  union all
  select bucket, key, {subject} from cut
)

-- name: users
-- Active and new users by interval; bucket 0 is the whole range. A user whom a collector of the previous release has just stored
-- isn't in `users` yet, but counts as active. Each user is one row until the end: no join may compare all users with all users,
-- as a nested loop does where the planner has no statistics yet (a new server, a month that has just begun).
with active as (
  select user_id, array_agg(bucket) as buckets
  from (
    select distinct width_bucket("timestamp", %(starts)b::timestamptz[]) as bucket, user_id
    from ({selected}) as selected
  ) as found
  group by user_id
),
known as materialized (
  select buckets, {first_seen} as first_seen
  from active as found
  left join users as known using (user_id)
)
select
  bucket,
  count(*),
  count(*) filter (where first_seen >= %(start)b and first_seen < %(end)b and width_bucket(first_seen, %(starts)b::timestamptz[]) = bucket)
from known
cross join lateral unnest(buckets) as bucket
group by bucket
union all
select 0, count(*), count(*) filter (where first_seen >= %(start)b and first_seen < %(end)b)
from known;

-- name: first_seen
known.first_seen

-- name: first_seen.of_sources
-- When a user was first seen in the range by these sources; null if they have seen the user before. `users` says since when a user
-- has had any events.
case
  when not exists (
    select from events
    where events.user_id = found.user_id
      and "timestamp" >= coalesce(known.first_seen, '-infinity') and "timestamp" < %(start)b and source = any (%(sources)b::text[])
    offset 0  -- a look into the key for each user, not a join over all events
  )
  then (
    select min("timestamp")
    from events
    where events.user_id = found.user_id
      and "timestamp" >= %(start)b and "timestamp" < %(end)b and source = any (%(sources)b::text[])
  )
end

-- name: sessions
with {visits},
entry as (
  select row_number() over (order by count(*) desc, keys[1]) as rank, keys[1] as key, count(*) as count
  from visit
  group by keys[1]
  order by rank
  limit %(limit)b
),
exit as (
  select row_number() over (order by count(*) desc, keys[events]) as rank, keys[events] as key, count(*) as count
  from visit
  group by keys[events]
  order by rank
  limit %(limit)b
)
select
  count(*),
  count(distinct user_id),
  coalesce(sum(events), 0)::bigint,
  count(*) filter (where events = 1),
  avg(extract(epoch from last - first))::float8,
  percentile_cont(array[0.5, 0.9]) within group (order by extract(epoch from last - first)::float8),
  max(extract(epoch from last - first))::float8,
  (select array_agg(key order by rank) from entry),
  (select array_agg(count order by rank) from entry),
  (select array_agg(key order by rank) from exit),
  (select array_agg(count order by rank) from exit)
from visit;

-- name: visits
-- Sessions from their parts. The time ranges of parts don't overlap, so the parts of a session are in the order of time. Parts
-- without session_id ('') are joined where the gap between them is short enough.
part as (
  {parts}
),
uncut as materialized (
  select user_id, min(first) as first, max(last) as last, cardinality(concatenated(keys order by first)) as events, concatenated(keys order by first) as keys
  from part
  where session_id <> ''
  group by user_id, session_id
  union all
  select user_id, min(first), max(last), cardinality(concatenated(keys order by first)), concatenated(keys order by first)
  from (
    select *, sum(begins) over in_order as number
    from (
      select *, case when first - lag(last) over in_order <= make_interval(secs => %(gap)b::int) then 0 else 1 end as begins
      from part
      where session_id = ''
      window in_order as (partition by user_id order by first)
    ) as unnamed
    window in_order as (partition by user_id order by first)
  ) as numbered
  group by user_id, number
),
long as materialized (
  select distinct user_id from uncut where last - first > make_interval(secs => %(longest)b::int)
),
cut as materialized (
  select
    user_id, min("timestamp") as first, max("timestamp") as last, count(*)::int as events,
    array_agg({key} order by "timestamp", received_at, event_id) as keys
  from ({cut}) as cut
  group by user_id, session_id, visit
),
visit as not materialized (
  select * from uncut where user_id not in (select user_id from long)
  union all
  select * from cut
)

-- name: visits.parts
-- Parts of sessions from events. Each part lies within one time range.
select user_id, session_id, min("timestamp") as first, max("timestamp") as last, array_agg(key order by "timestamp", received_at, event_id) as keys
from ({events}) as named
where session_id is not null
group by piece, user_id, session_id
union all
select user_id, ''::text collate "C", min("timestamp"), max("timestamp"), array_agg(key order by "timestamp", received_at, event_id)
from (
  select *, sum(begins) over in_order as number
  from (
    select
      *,
      case when "timestamp" - lag("timestamp") over in_order <= make_interval(secs => %(gap)b::int) then 0 else 1 end as begins
    from ({events}) as unnamed
    where session_id is null
    window in_order as (partition by piece, user_id order by "timestamp", received_at, event_id)
  ) as unnamed
  window in_order as (partition by piece, user_id order by "timestamp", received_at, event_id)
) as numbered
group by piece, user_id, number

-- name: visits.events
select 0 as piece, user_id, "timestamp", received_at, event_id, session_id, {key} as key
from ({selected}) as selected

-- name: visits.pieces
select width_bucket("timestamp", %(piece_starts)b::timestamptz[]) as piece, user_id, "timestamp", received_at, event_id, session_id, event_type as key
from events
where {pieces} {sources}

-- name: piece
("timestamp" >= {start} and "timestamp" < {end})

-- name: visits.summary
select user_id, session_id, first, last, event_types as keys
from visits
where day = any (%(fresh_days)b::timestamptz[])
union all
{parts}

-- name: fresh_days
-- Days whose summary counted as many events as are stored now, and how many of these have the selected types. Events are never
-- changed, and whoever deletes one corrects or deletes the summary of its day. So the same number means the same events. If the
-- query is restricted to sources, these must have all events of the day. Without a key, visits are read, in the order of
-- infra/migrations/0019-order-of-arrival.sql.
select day, wanted
from (
  select
    day,
    sum(count) as events,
    coalesce(sum(count) filter (where cardinality(%(event_types)b::text[]) = 0 or event_type = any (%(event_types)b::text[])), 0)::bigint as wanted
  from (
    select date_bin('1 day', hour, timestamptz '2000-01-01 00:00:00+00') as day, event_type, source, count
    from event_counts
    where hour >= %(first_day)b and hour < %(last_day)b
    union all
    select day, event_type, source, -count
    from deleted_counts
    where day >= %(first_day)b and day < %(last_day)b
  ) as stored
  group by 1
  {having}
) as counted
join summarised_days using (day, events)
where case when %(key)b::text is null then visits_version = 1 else %(key)b <> all (left_out) end
order by day;

-- name: fresh_days.having
having coalesce(sum(count) filter (where source <> all (%(sources)b::text[])), 0) = 0

-- name: top_properties
-- The most frequent values; rank 0 is all values together, -1 is no value.
with counted as materialized (
  select {value} as value, sum(count)::bigint as count from ({counted}) as pieces group by 1
),
ranked as (
  select row_number() over (order by count desc, value) as rank, value, count
  from counted
  where value is not null
  order by rank
  limit %(limit)b
)
select rank, value, count from ranked
union all
select 0, null, coalesce(sum(count), 0)::bigint from counted where value is not null
union all
select -1, null, coalesce(sum(count), 0)::bigint from counted where value is null
order by rank;

-- name: top_properties.read
select properties ->> %(key)b collate "C" as written, count(*) as count
from ({selected}) as selected
group by written

-- name: top_properties.summary
(
  with summed as materialized (
    select value as written, sum(count) as count
    from property_counts
    where key = %(key)b and day = any (%(fresh_days)b::timestamptz[]) and event_type = any (%(counted_types)b::text[])
    group by value
  )
  select written, count from summed
  union all
  -- The remaining events of the summarised days have no such value.
  select null, %(wanted)b::bigint - coalesce((select sum(count) from summed), 0)
)
union all
select properties ->> %(key)b collate "C", count(*)
from events
where {pieces} and {types} {sources}
group by 1

-- name: funnel
-- How many users take each step, and the median seconds from the step before. Each level adds columns to the one below,
-- over the same order of a user's events (docs/definitions.md): start_k is when the chain began whose step k this event is
-- (the latest that can be; null if there is none), before_k when its step k - 1 was, and first_k marks a user's first.
select {answers}
from ({levels}) as levels;

-- name: funnel.matched
select "timestamp", user_id, received_at, event_id, {matches}
from events
where "timestamp" >= %(start)b and "timestamp" < %(end)b and event_type = any (%(event_types)b::text[]) {sources}

-- name: funnel.match
event_type = {event_type} as {match}

-- name: funnel.match_properties
event_type = {event_type} and not exists (
  select from unnest({names}::text[], {values}::text[], {stems}::text[]) as wanted (name, value, stem)
  where (
    properties ->> wanted.name = wanted.value
    or wanted.stem is not null and properties ->> wanted.name like wanted.stem || '%%0' and rtrim(properties ->> wanted.name, '0') = wanted.stem
  ) is not true
) as {match}

-- name: funnel.first_level
select *, case when match_1 then "timestamp" end as start_1, null::timestamptz as before_1
from ({below}) as matched

-- name: funnel.level
-- Rows that no further step and no count needs are dropped.
select *
from (
  select
    *,
    case when {match} and "timestamp" - max({start_below}) over earlier <= make_interval(secs => %(window)b::int) then max({start_below}) over earlier end as {start},
    max("timestamp") filter (where {start_below} is not null) over earlier as {before},
    {start_below} is not null and max({start_below}) over earlier is null as {first_below}
  from ({below}) as below
  window earlier as (partition by user_id order by "timestamp", received_at, event_id rows between unbounded preceding and 1 preceding)
) as level
where {start} is not null or {needed}

-- name: funnel.last_level
select *, {start} is not null and max({start}) over earlier is null as {first}
from ({below}) as below
window earlier as (partition by user_id order by "timestamp", received_at, event_id rows between unbounded preceding and 1 preceding)

-- name: funnel.answer
count(*) filter (where {first}),
percentile_cont(0.5) within group (order by extract(epoch from "timestamp" - {before})::float8) filter (where {first})

-- name: retention
-- Sizes of cohorts (offset -1), and how many of each were active in which period after theirs. Cohorts and activity are brought
-- together by one grouping, not by a join: it costs the same whatever the planner expects.
with cohort as materialized (
  select width_bucket(first_seen, %(starts)b::timestamptz[]) as period, user_id
  from {users}
  where first_seen >= %(start)b and first_seen < %(end)b
),
active as (
  select user_id, array_agg(period) as periods
  from (
    select distinct width_bucket("timestamp", %(starts)b::timestamptz[]) as period, user_id
    from ({selected}) as selected
  ) as found
  group by user_id
),
activity as (
  select max(cohort) as cohort, max(periods) as periods
  from (
    select user_id, period as cohort, null::int[] as periods from cohort
    union all
    select user_id, null, periods from active
  ) as both_of_user
  group by user_id
)
select period, -1 as after, count(*) from cohort group by period
union all
select cohort, period - cohort, count(*)
from activity
cross join lateral unnest(periods) as period
where cohort is not null
group by 1, 2;

-- name: retention.users_of_sources
-- Replaces `users` for some sources: whom they have seen in the range, and when first.
(
  select found.user_id, {first_seen} as first_seen
  from (select distinct user_id from ({found}) as found) as found
  left join users as known using (user_id)
  offset 0  -- so that `first_seen` is looked up once for each user
) as users

-- name: paths
-- Whole sequences from each occurrence, counted; then transitions (by step), sequences (step 0) and occurrences (step -1).
-- Rank 0 is everything that isn't listed.
with {visits},
keyed as (
  select {keys_of_visit} as keys from visit
),
sequence as materialized (
  select {positions}, count(*) as count
  from ({occurrences}) as occurrence
  group by {keys}
),
told as (
  {transitions}
  union all
  select 0, array_remove(array[{keys}], null), sum(count) from sequence group by 2
),
ranked as (
  select step, row_number() over (partition by step order by count desc, keys) as rank, keys, count::bigint as count
  from told
)
select step, rank, keys, count from ranked where rank <= %(limit)b
union all
select step, 0, null, sum(count)::bigint from ranked where rank > %(limit)b group by step
union all
select -1, 0, null, coalesce(sum(count), 0)::bigint from sequence
order by step, rank;

-- name: paths.edges
select keys, {edge} as place from keyed where cardinality(keys) > 0

-- name: paths.origin
select keys, place
from keyed
cross join lateral generate_subscripts(keys, 1) as place
where keys @> array[%(origin)b::text] and keys[place] = %(origin)b

-- name: paths.transition
select {step}::int as step, array[{source}, {target}] as keys, sum(count) as count
from sequence
where {source} is not null
group by 2

-- name: list_users
-- Most recently active first. The hour selects few users; their newest events give the order. `edge` is the hour in which enough
-- users are found, so that all users before it are included. A user without an event in that hour isn't listed, so must not be
-- counted there: `tracker maintain` has just deleted the event, and will correct the hour or delete the user.
with edge as (
  select min(last_hour) as hour
  from (
    select last_hour
    from users
    where last_hour < %(after_hour)b
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
    and (newest.last_seen, users.user_id) < (%(after_timestamp)b, %(after_user_id)b)
  order by newest.last_seen desc, users.user_id desc
  limit %(rows)b
)
select page.user_id, page.first_seen, page.last_seen, stored.events
from page
cross join lateral (select count(*) as events from events where events.user_id = page.user_id) as stored
order by page.last_seen desc, page.user_id desc;

-- name: list_users.newest_hour
-- The newest hour up to a position in which some sources have events; null if there is none.
select max(hour) from event_counts where hour <= %(after_hour)b and source = any (%(sources)b::text[])

-- name: list_users.of_sources
-- The same by the events of some sources, back to `since`. A user without events between there and the position isn't found.
with found as (
  select user_id, max("timestamp") as last_seen
  from events
  where "timestamp" >= %(since)b and "timestamp" <= %(after_timestamp)b and source = any (%(sources)b::text[])
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

-- name: event_users
-- The users of the selected events: for each the number of events, the first and the last. Every row has the number of all users;
-- an empty page has one row with that alone.
with found as materialized (
  select user_id, count(*) as events, min("timestamp") as first, max("timestamp") as last
  from ({selected}) as selected
  group by user_id
  having {condition}
),
page as (
  select * from found order by {order} limit %(limit)b offset %(offset)b
)
select total.users, user_id, events, first, last
from (select count(*) as users from found) as total
left join page on true
order by {order};

-- name: event_users.first_seen
exists (
  select from users
  where users.user_id = selected.user_id and first_seen >= %(first_seen_start)b and first_seen < %(first_seen_end)b
  offset 0  -- a look into the key for each user, not all users of that time
)

-- name: event_users.first_seen_of_sources
-- By the events of these sources. `users` says since when a user has had any events.
exists (
  select from events
  where events.user_id = selected.user_id
    and "timestamp" >= %(first_seen_start)b and "timestamp" < %(first_seen_end)b and source = any (%(sources)b::text[])
  offset 0
)
and not exists (
  select from events
  where events.user_id = selected.user_id
    and "timestamp" >= coalesce((select first_seen from users where users.user_id = selected.user_id), '-infinity')
    and "timestamp" < %(first_seen_start)b and source = any (%(sources)b::text[])
  offset 0
)

-- name: get_user
-- One user; no row if there is no event of theirs.
with visited as materialized ({visited}),
known as (
  select count(*) as events, {first_seen} as first_seen, max("timestamp") as last_seen from events where user_id = %(user_id)b {sources}
),
type as (
  select event_type, count(*) as count from visited group by event_type
)
select
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

-- name: get_user.first_seen
-- As in `list_users`: it is kept when the first events are deleted because of their age.
least(min("timestamp"), (select first_seen from users where user_id = %(user_id)b))

-- name: get_user.first_seen_of_sources
min("timestamp")
