"""The dashboard Product: what users do. All its data is from PostgreSQL, from the views of the schema product."""

# ruff: noqa: S608  # the SQL is made from constants of this file

from grafana_foundation_sdk.builders import dashboard, table, timeseries
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort
from parts import Panel, board, column, lines, number, rows_of, sorted_by
from sources import POSTGRES, SqlQuery

ZONE = "'${__timezone}'"
"""The zone that the dashboard shows times in: by default the browser's. Grafana fills in its IANA name, or utc."""

CHOSEN = "event_type in (${event_type:sqlstring})"
"""The value of All is the name of the column, hence `event_type in (event_type)`: true, and PostgreSQL drops it."""

COUNTS = f"product.event_counts where $__timeFilter(hour) and {CHOSEN}"
EVENTS = f'product.events where $__timeFilter("timestamp") and {CHOSEN}'

WHOLE_HOURS = "Counted from the hours (UTC) that begin in the range, which the insert itself keeps: exact, and cheap over any range."
READS_EVENTS = (
    "Reads every event of the range, by monthly partitions and the BRIN index on timestamp: the wider the range, the "
    "slower; after 15 s PostgreSQL gives up."
)


def product() -> dashboard.Dashboard:
    return board(
        "product",
        "Product",
        "Events by type, active users, newest events. From PostgreSQL, as the role grafana, through read-only views.",
        {
            "In this range of time": [events(), types(), active_users()],
            "Events": [events_by_type(), top_types()],
            "Users": [users_per_hour(), users_per_day()],
            "Newest": [newest_events()],
        },
        since="now-24h",
        refresh="5m",
        variable=event_type(),
    )


def event_type() -> dashboard.QueryVariable:
    sql = "select event_type from product.event_counts where $__timeFilter(hour) group by event_type order by sum(count) desc limit 1000"
    return (
        dashboard.QueryVariable("event_type")
        .label("Event type")
        .description("The 1,000 most frequent of the range; All is really all.")
        .datasource(POSTGRES)
        .query(sql)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.DISABLED)
        .multi(True)
        .include_all(True)
        .all_value("event_type")
        .current(VariableOption(text="All", value="$__all", selected=True))
    )


def events() -> Panel:
    return number(
        "Events", WHOLE_HOURS, "short", SqlQuery(f"select sum(count) as events from {COUNTS}"), width=8, below="text"
    )


def types() -> Panel:
    sql = f"select count(distinct event_type) as types from {COUNTS}"
    return number("Event types", f"Different types. {WHOLE_HOURS}", "short", SqlQuery(sql), width=8, below="text")


def active_users() -> Panel:
    sql = f"select count(*) as users from (select distinct user_id from {EVENTS}) as active"
    return number("Active users", f"Users with an event. {READS_EVENTS}", "short", SqlQuery(sql), width=8, below="text")


def events_by_type() -> timeseries.Panel:
    """Bars of Grafana's interval. Longer ones than an hour begin at midnight, or at a multiple of their length after it, and weeks on
    Monday, all in the dashboard's time zone. ($__timeGroup would begin them in UTC.)"""
    bar = f"""case when $__interval_ms <= 3600000 then hour else
  date_bin($__interval_ms * interval '1 ms', hour at time zone {ZONE}, timestamp '2001-01-01') at time zone {ZONE} end"""
    sql = f"""
with top as (
  select event_type as name from {COUNTS} group by event_type order by sum(count) desc, event_type limit 10
)
select {bar} as time, coalesce(top.name, '(other types)') as metric, sum(count) as events
from product.event_counts left join top on top.name = event_type
where $__timeFilter(hour) and {CHOSEN}
group by 1, 2
order by 1, 2"""
    panel = lines(
        "Events by type",
        f"The ten most frequent types, and the others together. Days are those of the dashboard's time zone. {WHOLE_HOURS}",
        "short",
        SqlQuery(sql, "time_series"),
        width=16,
        height=10,
        stacked=True,
        bars=True,
    )
    return panel.interval("1h")


def top_types() -> table.Panel:
    sql = f"""
select event_type as "Type", sum(count) as "Events", sum(count) / sum(sum(count)) over () as "Share"
from {COUNTS}
group by event_type
order by 2 desc, 1
limit 50"""
    panel = rows_of("Top types", f"The 50 most frequent. {WHOLE_HOURS}", "short", SqlQuery(sql), width=8, height=10)
    gauge = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    return column(panel, "Share", unit="percentunit", min=0, max=1, decimals=1, cell=gauge)


def users_per(period: str) -> SqlQuery:
    """Distinct users in each whole period of the dashboard's time zone that the range touches.

    Not count(distinct …): that sorts every event, where this hashes, in parallel.
    """
    sql = f"""
select time, count(*) as users
from (
  select distinct date_trunc('{period}', "timestamp", {ZONE}) as time, user_id
  from product.events
  where "timestamp" >= date_trunc('{period}', $__timeFrom()::timestamptz, {ZONE}) and "timestamp" <= $__timeTo() and {CHOSEN}
) as active
group by time
order by time"""
    return SqlQuery(sql, "time_series")


def users_per_hour() -> timeseries.Panel:
    description = (
        f"Users with an event in the hour, in the dashboard's time zone. The last hour isn't over. {READS_EVENTS}"
    )
    return lines("Active users per hour", description, "short", users_per("hour"), width=12, bars=True)


def users_per_day() -> timeseries.Panel:
    description = f"Users with an event on the day, in the dashboard's time zone. Today isn't over. {READS_EVENTS}"
    panel = lines("Active users per day", description, "short", users_per("day"), width=12, bars=True)
    return panel.time_from("7d")


def newest_events() -> table.Panel:
    """The newest 50 events. The counters say from which hour on there are 50, so that no older events are read."""
    sql = f"""
with hours as (
  select hour, sum(sum(count)) over (order by hour desc) as until_here
  from product.event_counts
  where $__timeFilter(hour) and hour <= $__timeTo()::timestamptz - interval '1 hour' and {CHOSEN}
  group by hour
)
select "timestamp" as "Time", event_type as "Type", user_id as "User"
from {EVENTS}
  and "timestamp" >= coalesce((select max(hour) from hours where until_here >= 50), $__timeFrom())
order by "timestamp" desc
limit 50"""
    panel = rows_of(
        "Newest events",
        "The 50 newest by timestamp. Properties and sessions aren't shown: they may hold what isn't for everyone's eyes. "
        "The counts say how far back to read, so that this is cheap over any range.",
        "string",
        SqlQuery(sql),
        height=12,
    )
    column(panel, "Time", unit="dateTimeAsIso", width=200)
    return sorted_by(panel, "Time")
