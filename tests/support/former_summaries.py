"""Summaries of days, as `tracker maintain` of 0.1.0 made them. Nothing reads them any more, but that release may still run beside
this one for a while, so whatever deletes events takes them out of the summaries too. They go with the tables."""

import psycopg

OUTDATED_DAYS = """
with counted as (
  select day, sum(count) as events
  from (
    select date_bin('1 day', hour, timestamptz '2000-01-01 00:00:00+00') as day, count from event_counts
    union all
    select day, -count from deleted_counts
  ) as counts
  where day < date_bin('1 day', now(), timestamptz '2000-01-01 00:00:00+00')
  group by 1
)
select day, events
from counted
where events = (select count(*) from events where "timestamp" >= day and "timestamp" < day + interval '24 hours')
  and events is distinct from (select events from summarised_days where summarised_days.day = counted.day)
"""

PROPERTIES = """
insert into property_counts (day, key, event_type, value, count)
select %(day)s, key, coalesce(event_type, ''), value, count(*)
from events
cross join lateral (
  select key collate "C" as key, value collate "C" as value from jsonb_each_text(properties)
) as property
where "timestamp" >= %(day)s and "timestamp" < %(day)s + interval '24 hours' and value is not null
group by grouping sets ((key, value), (key, value, event_type))
"""

MARK = """
insert into summarised_days (day, events, left_out, visits_version) values (%(day)s, %(events)s, '{}', 1)
on conflict (day) do update set events = excluded.events
"""


def sum_up(owner: psycopg.Connection) -> int:
    """Sum up the days that are over, as far as their summaries aren't current. Returns how many that were."""
    with owner.transaction():
        # One snapshot, so that the events counted are those summed up.
        owner.execute("set transaction isolation level repeatable read")
        owner.execute("lock table erasures in exclusive mode")
        days = owner.execute(OUTDATED_DAYS).fetchall()
        for day, events in days:
            given = {"day": day, "events": events}
            owner.execute("delete from property_counts where day = %(day)s", given)
            owner.execute("delete from visits where day = %(day)s", given)
            owner.execute(PROPERTIES, given)
            owner.execute("insert into visits select * from visits_of_day(%(day)s)", given)
            owner.execute(MARK, given)
    return len(days)
