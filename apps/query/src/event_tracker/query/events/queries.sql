-- name: list_events
-- One page, newest first. Events of one user with the same timestamp are in the order of arrival.
select user_id, event_type, "timestamp", event_id, session_id, properties::text as json, received_at, source
from ({newest}) as newest
order by "timestamp" desc, user_id desc, received_at desc, event_id desc
limit %(rows)b;

-- name: list_events.everybody
-- The range is read by its BRIN index. The bounds on the time are repeated here, in addition to the exact position in the conditions,
-- so that partitions outside of them are pruned.
select *
from events
where "timestamp" >= %(start)b and "timestamp" <= %(after_timestamp)b and {conditions}
order by "timestamp" desc, user_id desc, received_at desc, event_id desc
limit %(rows)b

-- name: list_events.user_id
-- Of each id of the person, the primary key is read backwards, and no further than the limit.
select event.*
from unnest(
  case
    when %(is_linked)b
    then person_ids(
      %(user_id)b::text, %(linking_sources)b::text[], %(most_ids)b::int
    )
    else array[%(user_id)b::text]
  end
) as person (id)
cross join lateral (
  select *
  from events
  where user_id = person.id and "timestamp" >= %(start)b and "timestamp" <= %(after_timestamp)b and {conditions}
  order by "timestamp" desc, received_at desc, event_id desc
  limit %(rows)b
) as event

-- name: list_events.position
("timestamp", user_id, received_at, event_id) < (%(after_timestamp)b, %(after_user_id)b, {arrived}, %(after_event_id)b);

-- name: list_events.arrived
-- A position without the arrival of its event (`after`, and cursors of the previous release) is looked up. If the event was
-- deleted, or may not be seen, the user's other events with the same timestamp are skipped.
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
-- A number has a stem: longer spellings of it are the stem and trailing zeros (event_tracker.query.events.property_values).
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
-- The pages of several users, each from its own position. `number` is that of the page, from 1. Each page is newest first. It is
-- read as that of list_events.
select
  asked.number, page.user_id, page.event_type, page."timestamp", page.event_id, page.session_id, page.json, page.received_at, page.source
from unnest(
  %(user_ids)b::text[], %(are_linked)b::boolean[], %(starts)b::timestamptz[],
  %(after_timestamps)b::timestamptz[], %(after_user_ids)b::text[], %(after_received_ats)b::timestamptz[], %(after_event_ids)b::uuid[],
  %(rows)b::int[]
) with ordinality as asked (
  user_id, is_linked, start, after_timestamp, after_user_id, after_received_at, after_event_id, rows, number
)
cross join lateral (
  select user_id, event_type, "timestamp", event_id, session_id, properties::text as json, received_at, source
  from unnest(
    case when asked.is_linked then person_ids(asked.user_id, null, %(most_ids)b::int) else array[asked.user_id] end
  ) as person (id)
  cross join lateral (
    select *
    from events
    where user_id = person.id
      and "timestamp" >= asked.start and "timestamp" <= asked.after_timestamp
      and ("timestamp", user_id, received_at, event_id)
      < (asked.after_timestamp, asked.after_user_id, asked.after_received_at, asked.after_event_id)
    order by "timestamp" desc, received_at desc, event_id desc
    limit asked.rows
  ) as event
  order by "timestamp" desc, user_id desc, received_at desc, event_id desc
  limit asked.rows
) as page;

-- name: name_sources
select name from sources order by name;

-- name: export_events
-- One page of an export, newest first: limited by rows and by the bytes of their properties, but with at least one row. `more`
-- says that rows were omitted. The conditions are those of list_events. `offset 0` prevents that the JSON is built more than
-- once.
select user_id, event_type, "timestamp", event_id, session_id, json, received_at, source, bytes, more
from (
  select
    page.*,
    sum(octet_length(json)) over (newest_first rows between unbounded preceding and current row) as bytes,
    lead(event_id) over newest_first is not null as more
  from (
    select user_id, event_type, "timestamp", event_id, session_id, properties::text as json, received_at, source
    from ({newest}) as newest
    order by "timestamp" desc, user_id desc, received_at desc, event_id desc
    limit %(rows)b
    offset 0
  ) as page
  window newest_first as (order by "timestamp" desc, user_id desc, received_at desc, event_id desc)
) as measured
where bytes <= %(bytes)b or bytes = octet_length(json)
order by "timestamp" desc, user_id desc, received_at desc, event_id desc;

-- name: export_events.hours
-- The number of events in each of the newest hours of a range that have events. It is read from the end of the index.
select hour, sum(count)::bigint
from event_counts
where hour >= %(start)b and hour < %(end)b
group by hour
order by hour desc
limit %(rows)b;

-- name: live_events.links
-- The state of links: the first part moves when some are deleted or the table is truncated. `has_changed`: since the snapshot that
-- `since` is of. The links of transactions that were open then may be told twice.
select
  (select epoch from link_epochs),
  pg_relation_filenode('links')::bigint,
  exists (select from links where changed >= %(since)b::text::xid8) as has_changed,
  pg_snapshot_xmin(pg_current_snapshot())::text;

-- name: live_events.ids
select person_ids(%(user_id)b::text, %(sources)b::text[], %(most_ids)b::int);

-- name: live_events
-- Events after a position, in the order in which they were received.
select user_id, event_type, "timestamp", event_id, session_id, properties::text as json, received_at, source
from events
where received_at >= %(received_at)b and received_at <= now()
  and (received_at, "timestamp", user_id, event_id) > (%(received_at)b, %(timestamp)b, %(user_id)b, %(event_id)b)
order by received_at, "timestamp", user_id, event_id
limit %(rows)b;
