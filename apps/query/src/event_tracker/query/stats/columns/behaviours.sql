-- name: sessions
-- The sessions of all events of the range, each with its first moment, and whether it is as the conditions say. Sessions of one user
-- and one session_id follow one another, so an event belongs to the one that began last.
with selected as not materialized (select *, {tests} from ({events})),
uncut as materialized (
  select user_id, session_id, visit, min(micros) as first, max(micros) as last, {values}
  from ({visited}) as visited
  group by user_id, session_id, visit
),
long as materialized (select user_id, session_id, visit from uncut where last - first > $longest),
{cut}
select user_id as begun_by, session_id as begun_in, first as begun, {columns} from uncut where last - first <= $longest
union all
select any_value(user_id), any_value(session_id), min(micros), {values} from cut group by part

-- name: test
({condition}) is true as {name}

-- name: entry
coalesce(arg_min({event}, place) filter (where {among}), false) as {name}

-- name: exit
coalesce(arg_max({event}, place) filter (where {among}), false) as {name}

-- name: at_least
count(*) filter (where {events}) >= {least} as {name}

-- name: between
count(*) filter (where {events}) between {least} and {most} as {name}

-- name: users
-- `since` is before all events.
select user_id as done_by, timestamptz '-infinity' as since, {values} from {events} group by user_id

-- name: in_range
{condition} and "timestamp" >= {start} and "timestamp" < {end}
