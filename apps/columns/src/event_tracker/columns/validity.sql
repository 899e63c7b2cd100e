-- name: valid_blocks
-- Where the events of a time range and some sources are (sources null is all): in valid blocks, and, where `id` is null, in the rows
-- of one hour. Both may reach beyond the range. infra/migrations/0024-blocks.sql says when a block is valid.
-- Returns source, start, end, id, keys, events, epoch, in the order of the first two. `events` is what is stored. Of an hour it is
-- what was ever counted, which is more where retention has deleted some of the day; a day of which it has deleted all is left out.
-- An hour's rows change only if `events` or `epoch` does.
with counted as materialized (
  select source, hour, date_bin('1 day', hour, timestamptz '2000-01-01 00:00:00+00') as day, sum(count)::bigint as events
  from event_counts
  where hour >= date_bin('1 day', %(start)s::timestamptz, timestamptz '2000-01-01 00:00:00+00')
    and hour < date_bin('1 day', %(end)s::timestamptz, timestamptz '2000-01-01 00:00:00+00') + interval '24 hours'
    and (%(sources)s::text[] is null or source = any (%(sources)s::text[]))
  group by source, hour
),
deleted as (
  select source, day, sum(count) as events
  from deleted_counts
  where day >= date_bin('1 day', %(start)s::timestamptz, timestamptz '2000-01-01 00:00:00+00') and day < %(end)s::timestamptz
  group by source, day
),
stored as materialized (
  select source, day, coalesce(epoch, 0) as epoch
  from (select source, day, sum(events) as events from counted group by source, day) as counted
  left join deleted using (source, day)
  left join block_epochs using (source, day)
  where counted.events > coalesce(deleted.events, 0)
),
valid as materialized (
  select block.source, stored.day, block.start, block."end", block.id, block.keys, block.events, block.epoch
  from blocks as block
  join stored
    on stored.source = block.source and stored.day = date_bin('1 day', block.start, timestamptz '2000-01-01 00:00:00+00')
    and stored.epoch = block.epoch
  join counted
    on counted.source = stored.source and counted.day = stored.day and counted.hour >= block.start and counted.hour < block."end"
  where block.start >= date_bin('1 day', %(start)s::timestamptz, timestamptz '2000-01-01 00:00:00+00')
    and block.start < %(end)s::timestamptz
    and block.layout = %(layout)s
  group by block.id, stored.day
  having sum(counted.events) = block.counted
)
select source, start, "end", id, keys, events, epoch
from valid
where "end" > %(start)s::timestamptz
union all
select source, hour, hour + interval '1 hour', null, null, events, epoch
from (select * from counted join stored using (source, day)) as hours
where hour + interval '1 hour' > %(start)s::timestamptz and hour < %(end)s::timestamptz
  and not exists (
    select
    from valid
    where valid.source = hours.source and valid.day = hours.day and valid.start <= hours.hour and valid."end" > hours.hour
  )
order by source, start;
