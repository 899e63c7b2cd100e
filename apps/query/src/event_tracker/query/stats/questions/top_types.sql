-- name: top_types
-- Counts by type over the parts of a time range. One statement sees one snapshot, so each event is in exactly one part.
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
