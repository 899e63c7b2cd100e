-- name: events
select {columns} from (select *, {properties} as all_properties from events) as event

-- name: pages
select {columns} from events where event_type = 'page_view'

-- name: users
select {columns}
from (
  select
    user_id,
    min("timestamp") as first_event,
    max("timestamp") as last_event,
    count(*) as events,
    count(*) filter (event_type = 'page_view') as page_views,
    count(distinct event_type) as event_types,
    count(distinct date_trunc('day', timezone($zone, "timestamp"))) as active_days
  from events
  group by user_id
) as person
{joined}

-- name: first_seen
left join first_seen using (user_id)

-- name: sessions
with selected as not materialized ({selected}),
visited as not materialized ({visited}),
uncut as materialized (
  select user_id, session_id, visit, min(micros) as first, max(micros) as last, {values} from visited group by user_id, session_id, visit
),
long as materialized (select user_id, session_id, visit from uncut where last - first > $longest),
{cut},
session as materialized (
  select * exclude (visit) from uncut where last - first <= $longest
  union all by name
  select any_value(user_id) as user_id, any_value(session_id) as session_id, min(micros) as first, max(micros) as last, {values}
  from cut
  group by part
)
select {columns} from session

-- name: values
-- Of a session. What is of pages is of its page views.
any_value(source) as source,
count(*) as events,
count(*) filter (event_type = 'page_view') as page_views,
arg_min_null(event_type, place) as entry_type,
arg_max_null(event_type, place) as exit_type,
arg_max_null(property_0, place) filter (event_type = 'page_view') as exit_page,
{first}

-- name: first_value
arg_min_null({property}, place) filter (event_type = 'page_view') as {name}
