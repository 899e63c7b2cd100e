-- name: recent_hours
-- The hours with a source's events of a type, the newest first, as many as the sample needs. They end where more events of
-- all kinds would have to be read than `most_read`.
with hours as (
  select
    hour,
    sum(count) as all_events,
    coalesce(sum(count) filter (where source = %(source)s and event_type = %(event_type)s), 0) as events
  from event_counts
  where hour >= now() - make_interval(days => %(days)s)
  group by hour
),
summed as (
  select
    hour,
    events,
    sum(events) over newest_first - events as before,
    sum(all_events) over newest_first as to_read
  from hours
  where events > 0
  window newest_first as (order by hour desc)
)
select hour
from summed
where before < %(sample)s and (to_read <= %(most_read)s or before = 0)
order by hour desc;

-- name: events_of_hour
select properties::text
from events
where source = %(source)s
  and event_type = %(event_type)s
  and "timestamp" >= %(hour)s
  and "timestamp" < %(hour)s + interval '1 hour'
order by "timestamp" desc, user_id, event_id
limit %(limit)s;
