-- name: archived_days
-- The days with events in [start, end) that only the lake has.
select source, day, day + interval '24 hours', counted - deleted, epoch
from archived_days
where day >= date_bin('1 day', %(start)s::timestamptz, timestamptz '2000-01-01 00:00:00+00') and day < %(end)s::timestamptz
  and (%(sources)s::text[] is null or source = any (%(sources)s::text[]))
order by source, day;

-- name: lake
select lake::text from archive;

-- name: erased
-- Who was erased, and is not yet taken out of the lake's files.
select user_id, sources from archive_erasures order by id;

-- name: complete_from
-- The end of the last day of [start, end) of which events were deleted that the lake hasn't got; `start` if there is none.
select least(%(end)s::timestamptz, greatest(%(start)s::timestamptz, max(day) + interval '24 hours'))
from (
  select day, source, sum(count) as events
  from deleted_counts
  where day >= date_bin('1 day', %(start)s::timestamptz, timestamptz '2000-01-01 00:00:00+00') and day < %(end)s::timestamptz
    and (%(sources)s::text[] is null or source = any (%(sources)s::text[]))
  group by 1, 2
) as deleted
left join archived_days using (day, source)
where deleted.events > coalesce(archived_days.counted - archived_days.deleted, 0);

-- name: count_archived
select (select count(*) from archived_days), (select count(*) from archive_erasures);

-- name: epochs
select source, day, epoch from archived_days;
