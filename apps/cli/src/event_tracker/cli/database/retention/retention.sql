-- name: retention_limit
-- With `whole_days` the limit is the beginning of a day (UTC).
select "limit"::text, date_trunc('month', "limit")::text
from (
  select case when %(whole_days)s then date_trunc('day', exact) else exact end as "limit"
  from (select (now() - %(keep)s::interval)::timestamptz(0) as exact) as kept
) as limits;

-- name: source_limits
-- The sources with their own retention time, which is in whole days.
select name, date_bin('1 day', now() - make_interval(days => keep), timestamptz '2000-01-01 00:00:00+00')::text
from sources
where keep is not null
order by name;

-- name: set_marks
-- Set the time before which each source's events are deleted, and those of unknown sources (''). Marks only move forward.
insert into retention_marks as known (source, deleted_before)
select source, "limit"
from unnest(%(own_sources)s::text[], %(own_limits)s::timestamptz[]) as own (source, "limit")
union all
select source, %(others)s::timestamptz
from (select name from sources union all select '') as every (source)
where source <> all (%(own_sources)s::text[]) and %(others)s::timestamptz is not null
on conflict (source) do update set deleted_before = excluded.deleted_before where known.deleted_before < excluded.deleted_before;

-- name: old_partitions
-- Monthly partitions with events that are too old, and whether all are: then the limits of all sources with events in that month
-- agree, and it can be dropped. Sources without their own retention time lose whole months only.
select relname, size, is_old_whole
from (
  select
    c.relname,
    pg_total_relation_size(c.oid) as size,
    month.start + interval '1 month' as "end",
    month.start
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  cross join lateral (select to_date(right(c.relname, 7), 'YYYY_MM')::timestamptz as start) as month
  where i.inhparent = 'events'::regclass and c.relname ~ '^events_\d{4}_\d{2}$' and (%(name)s::text is null or c.relname = %(name)s)
) as monthly
cross join lateral (
  select
    coalesce(bool_and(coalesce(coalesce(own."limit", %(others)s::timestamptz) >= "end", false)), %(others)s::timestamptz >= "end", false) as is_old_whole,
    coalesce(bool_or(coalesce(own."limit", date_trunc('month', %(others)s::timestamptz)) > start), false) as is_old_in_part
  from (
    select source
    from (
      select source, count from event_counts where hour >= start and hour < "end"
      union all
      select source, -count from deleted_counts where day >= start and day < "end"
    ) as counted
    group by source
    having sum(count) > 0
  ) as stored
  left join unnest(%(own_sources)s::text[], %(own_limits)s::timestamptz[]) as own (source, "limit") using (source)
) as agreed
where is_old_whole or is_old_in_part
order by relname;

-- name: expired_rows
-- The days of the rows in a partition that are too old, their number, and about how many bytes they take.
select date_bin('1 day', "timestamp", timestamptz '2000-01-01 00:00:00+00') as day, count(*), sum(pg_column_size(event.*))::bigint
from {partition} as event
left join unnest(%(own_sources)s::text[], %(own_limits)s::timestamptz[]) as own (source, "limit") using (source)
where "timestamp" < coalesce(own."limit", %(others)s::timestamptz)
group by 1
order by 1;

-- name: delete_expired_rows
-- Delete some of these rows, of some successive days, and count them as deleted. Return their number, and the users who lost
-- an event of their newest hour.
with gone as (
  delete from {partition}
  where ctid = any (array(
    select event.ctid
    from {partition} as event
    left join unnest(%(own_sources)s::text[], %(own_limits)s::timestamptz[]) as own (source, "limit") using (source)
    where "timestamp" >= %(start)s and "timestamp" < %(end)s
      and date_bin('1 day', "timestamp", timestamptz '2000-01-01 00:00:00+00') = any (%(days)s::timestamptz[])
      and "timestamp" < coalesce(own."limit", %(others)s::timestamptz)
    limit %(most)s
  ))
  returning user_id, "timestamp", event_type, source
),
counted as (
  insert into deleted_counts as deleted (day, event_type, source, count)
  select date_bin('1 day', "timestamp", timestamptz '2000-01-01 00:00:00+00'), event_type, source, count(*)
  from gone
  group by 1, 2, 3
  on conflict (day, event_type, source) do update set count = deleted.count + excluded.count
)
select
  (select count(*) from gone),
  array(
    select distinct user_id
    from gone
    join users using (user_id)
    where last_hour = date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00')
  );

-- name: count_dropped
-- Count every event of a month as deleted.
insert into deleted_counts (day, event_type, source, count)
select date_bin('1 day', hour, timestamptz '2000-01-01 00:00:00+00'), event_type, source, sum(count)
from event_counts
where hour >= %(start)s and hour < %(end)s
group by 1, 2, 3
on conflict (day, event_type, source) do update set count = excluded.count;
