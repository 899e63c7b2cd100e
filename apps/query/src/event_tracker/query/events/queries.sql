-- name: list_events
-- One page, newest first. The bounds on the time alone stand here, beside the exact place in the conditions, so that
-- months outside of them aren't opened. For one user this reads the primary key backwards and stops at the limit; for
-- everybody it reads the range by its BRIN index. Events of one moment are in the order in which they arrived.
select user_id, event_type, "timestamp", event_id, session_id, properties::text as json, received_at, source
from events
where "timestamp" >= %(start)b and "timestamp" <= %(after_timestamp)b and {conditions}
order by "timestamp" desc, user_id desc, received_at desc, event_id desc
limit %(rows)b;

-- name: list_events.user_id
user_id = %(user_id)b and ("timestamp", received_at, event_id) < (%(after_timestamp)b, {arrived}, %(after_event_id)b);

-- name: list_events.everybody
("timestamp", user_id, received_at, event_id) < (%(after_timestamp)b, %(after_user_id)b, {arrived}, %(after_event_id)b);

-- name: list_events.arrived
-- A place that doesn't say when its event arrived (`after`, and cursors of the release before) is looked up. If the event is
-- gone, or may not be seen, what else there is of that user's moment is passed over.
coalesce(
  %(after_received_at)b::timestamptz,
  (
    select place.received_at
    from events as place
    where (place.user_id, place."timestamp", place.event_id) = (%(after_user_id)b, %(after_timestamp)b, %(after_event_id)b)
      and (cardinality(%(sources)b::text[]) = 0 or place.source = any (%(sources)b::text[]))
  ),
  '-infinity'
)

-- name: list_events.event_types
event_type = any (%(event_types)b::text[]);

-- name: list_events.session_id
session_id = %(session_id)b;

-- name: list_events.properties
-- A number has a stem, which longer spellings of it have before the zeros at their end (event_tracker.query.events.property_values).
not exists (
  select from unnest(%(property_names)b::text[], %(property_values)b::text[], %(property_stems)b::text[]) as wanted (name, value, stem)
  where (
    properties ->> wanted.name = wanted.value
    or wanted.stem is not null and properties ->> wanted.name like wanted.stem || '%%0' and rtrim(properties ->> wanted.name, '0') = wanted.stem
  ) is not true
);

-- name: list_events.sources
source = any (%(sources)b::text[]);

-- name: list_events.grouped
-- The pages of several users, each from a place of its own: `number` says whose, from 1. Within one they come newest first.
select
  asked.number, page.user_id, page.event_type, page."timestamp", page.event_id, page.session_id, page.json, page.received_at, page.source
from unnest(
  %(user_ids)b::text[], %(starts)b::timestamptz[], %(after_timestamps)b::timestamptz[], %(after_received_ats)b::timestamptz[],
  %(after_event_ids)b::uuid[], %(rows)b::int[]
) with ordinality as asked (user_id, start, after_timestamp, after_received_at, after_event_id, rows, number)
cross join lateral (
  select user_id, event_type, "timestamp", event_id, session_id, properties::text as json, received_at, source
  from events
  where user_id = asked.user_id
    and "timestamp" >= asked.start and "timestamp" <= asked.after_timestamp
    and ("timestamp", received_at, event_id) < (asked.after_timestamp, asked.after_received_at, asked.after_event_id)
  order by "timestamp" desc, received_at desc, event_id desc
  limit asked.rows
) as page;

-- name: top_types
-- Counts by type over the pieces of a range of time. One statement sees one snapshot: no event is in two pieces or in none.
with counted as (
  {pieces}
),
ranked as (
  select
    event_type,
    sum(count)::bigint as count,
    sum(sum(count)) over ()::bigint as total,
    row_number() over (order by sum(count) desc, event_type) as rank
  from counted
  group by event_type
)
select
  coalesce(max(total), 0) as total,
  coalesce(array_agg(event_type order by rank) filter (where rank <= %(limit)b), '{{}}') as event_types,
  coalesce(array_agg(count order by rank) filter (where rank <= %(limit)b), '{{}}') as counts
from ranked;

-- name: top_types.sources
and source = any (%(sources)b::text[]);

-- name: top_types.everything
select event_type, sum(count) as count from event_counts group by event_type;

-- name: top_types.whole_hours
select event_type, sum(count) as count
from event_counts
where hour >= %(first_hour)b and hour < %(last_hour)b {sources}
group by event_type;

-- name: top_types.head
select event_type, count(*) as count
from events
where "timestamp" >= %(head_start)b and "timestamp" < %(head_end)b {sources}
group by event_type;

-- name: top_types.tail
select event_type, count(*) as count
from events
where "timestamp" >= %(tail_start)b and "timestamp" < %(tail_end)b {sources}
group by event_type;

-- name: name_sources
select name from sources order by name;

-- name: export_events
-- One page of an export, newest first: so many rows, and of them as many as have so many bytes of properties together, but
-- always one; `more` says that it left some out. The conditions are those of list_events. `offset 0` keeps the JSON from
-- being made more than once.
select user_id, event_type, "timestamp", event_id, session_id, json, received_at, source, bytes, more
from (
  select
    page.*,
    sum(octet_length(json)) over (newest_first rows between unbounded preceding and current row) as bytes,
    lead(event_id) over newest_first is not null as more
  from (
    select user_id, event_type, "timestamp", event_id, session_id, properties::text as json, received_at, source
    from (
      select *
      from events
      where "timestamp" >= %(start)b and "timestamp" <= %(after_timestamp)b and {conditions}
      order by "timestamp" desc, user_id desc, received_at desc, event_id desc
      limit %(rows)b
    ) as newest
    offset 0
  ) as page
  window newest_first as (order by "timestamp" desc, user_id desc, received_at desc, event_id desc)
) as measured
where bytes <= %(bytes)b or bytes = octet_length(json)
order by "timestamp" desc, user_id desc, received_at desc, event_id desc;

-- name: export_events.hours
-- How many events there are in each of the newest hours of a range that have any: read from the end of the key.
select hour, sum(count)::bigint
from event_counts
where hour >= %(start)b and hour < %(end)b
group by hour
order by hour desc
limit %(rows)b;

-- name: live_events
-- What was received at a time or later, in the order of being received, from a place on.
select user_id, event_type, "timestamp", event_id, session_id, properties::text as json, received_at, source
from events
where received_at >= %(received_at)b and received_at <= now()
  and (received_at, "timestamp", user_id, event_id) > (%(received_at)b, %(timestamp)b, %(user_id)b, %(event_id)b)
order by received_at, "timestamp", user_id, event_id
limit %(rows)b;
