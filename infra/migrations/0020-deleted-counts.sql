-- How many of the events that `event_counts` has counted were deleted as too old, by day (UTC), type and source. Counts stay for
-- good; taken from them, these leave the number of events that are stored.
--
-- A day's summary is of the events that are stored. `tracker maintain` deletes it with any event of that day, counts what it
-- deletes here, and sums up again what is left. A question takes a summary only if it counted as many events as are stored.

create table deleted_counts (
  day        timestamptz             not null,
  event_type text        collate "C" not null,
  source     text        collate "C" not null,
  count      bigint                  not null,

  constraint deleted_counts_pkey      primary key (day, event_type, source),
  constraint deleted_counts_whole_day check (day = date_bin('1 day', day, timestamptz '2000-01-01 00:00:00+00')),
  constraint deleted_counts_positive  check (count > 0)
);

grant select on deleted_counts to query;

-- What the release before has deleted. It reads all events once; the lock keeps erasures and `tracker maintain` out meanwhile.
lock table erasures in exclusive mode;

insert into deleted_counts (day, event_type, source, count)
select day, event_type, source, counted.count - coalesce(stored.count, 0)
from (
  select date_bin('1 day', hour, timestamptz '2000-01-01 00:00:00+00') as day, event_type, source, sum(count)::bigint as count
  from event_counts
  group by 1, 2, 3
) as counted
left join (
  select date_bin('1 day', "timestamp", timestamptz '2000-01-01 00:00:00+00') as day, event_type, source, count(*) as count
  from events
  group by 1, 2, 3
) as stored using (day, event_type, source)
where counted.count > coalesce(stored.count, 0);

-- Summaries of those days hold values of events that are gone.
delete from summarised_days where day in (select day from deleted_counts);
delete from property_counts where day in (select day from deleted_counts);
delete from visits where day in (select day from deleted_counts);
