-- name: valid_blocks
-- Where the events of a time range and some sources are (sources null is all): in valid blocks, and, where `id` is null, in the rows
-- of one hour. Both may reach beyond the range. infra/migrations/0024-blocks.sql says when a block is valid.
-- Returns source, start, end, id, keys, events, epoch, in the order of the first two. `events` is what is stored. Of an hour it is
-- what was ever counted, which is more where retention has deleted some of the day; a day of which it has deleted all is left out.
-- An hour's rows change only if `events` or `epoch` does.
--
-- Nearly all days of a long range are as their blocks say: these are compared as wholes, which reads the counters once. The counts of
-- one epoch only grow, so equal sums mean that each block's is equal, and that no hour outside of them has events. The other days
-- are looked at by the hour.
with counted as materialized (
  select source, date_bin('1 day', hour, timestamptz '2000-01-01 00:00:00+00') as day, sum(count) as events
  from event_counts
  where hour >= date_bin('1 day', %(start)s::timestamptz, timestamptz '2000-01-01 00:00:00+00')
    and hour < date_bin('1 day', %(end)s::timestamptz, timestamptz '2000-01-01 00:00:00+00') + interval '24 hours'
    and (%(sources)s::text[] is null or source = any (%(sources)s::text[]))
  group by 1, 2
),
deleted as (
  select source, day, sum(count) as events
  from deleted_counts
  where day >= date_bin('1 day', %(start)s::timestamptz, timestamptz '2000-01-01 00:00:00+00') and day < %(end)s::timestamptz
  group by 1, 2
),
block as materialized (
  select
    blocks.source, date_bin('1 day', start, timestamptz '2000-01-01 00:00:00+00') as day, start, "end", id, keys, counted, events,
    blocks.epoch
  from blocks
  left join block_epochs as current
    on current.source = blocks.source and current.day = date_bin('1 day', start, timestamptz '2000-01-01 00:00:00+00')
  where start >= date_bin('1 day', %(start)s::timestamptz, timestamptz '2000-01-01 00:00:00+00') and start < %(end)s::timestamptz
    and blocks.epoch = coalesce(current.epoch, 0) and layout = %(layout)s
),
stored as materialized (
  select source, day, built.counted is not distinct from counted.events as is_built
  from counted
  left join deleted using (source, day)
  left join (select source, day, sum(counted) as counted from block group by 1, 2) as built using (source, day)
  where counted.events > coalesce(deleted.events, 0)
),
hours as materialized (
  select source, day, hour, by_hour.events
  from stored
  cross join lateral (
    select hour, sum(count)::bigint as events
    from event_counts
    where hour >= day and hour < day + interval '24 hours' and event_counts.source = stored.source
    group by hour
  ) as by_hour
  where not is_built
),
valid as materialized (
  select block.*
  from block
  join stored using (source, day)
  where is_built
  union all
  select block.*
  from block
  join (
    select id
    from block
    join hours on hours.source = block.source and hours.day = block.day and hour >= start and hour < "end"
    group by id, counted
    having sum(hours.events) = counted
  ) as equal using (id)
)
select source, start, "end", id, keys, events, epoch
from valid
where "end" > %(start)s::timestamptz
union all
select source, hour, hour + interval '1 hour', null, null, hours.events, coalesce(epoch, 0)
from hours
left join block_epochs using (source, day)
where hour + interval '1 hour' > %(start)s::timestamptz and hour < %(end)s::timestamptz
  and not exists (
    select
    from valid
    where valid.source = hours.source and valid.day = hours.day and start <= hour and "end" > hour
  )
order by source, start;
