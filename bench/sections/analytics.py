"""The analytical queries over the last 30 days of a large table, and the same queries in plain SQL over its events."""

from typing import LiteralString, NamedTuple

from bench.asking import Asking, in_sql, over_http
from bench.contest import Line
from bench.postgres import Postgres
from bench.setup import Setup
from bench.tables import loaded_visits

RANGE: LiteralString = "\"timestamp\" >= date_trunc('day', now()) - interval '29 days' and \"timestamp\" < date_trunc('day', now()) + interval '1 day'"


class Question(NamedTuple):
    """A query, its plain SQL as a product team would write it, and the most milliseconds that it may take."""

    key: str
    method: str
    path: str
    body: object
    sql: LiteralString
    most_ms: float


FUNNEL = {"steps": [{"event_type": "page_view"}, {"event_type": "add_to_cart"}, {"event_type": "purchase"}]}

SESSIONIZED: LiteralString = f"""
  select *, coalesce(session_id, sum(begins) over (partition by user_id, session_id is null order by "timestamp", event_id)::text) as visit
  from (
    select *, case when "timestamp" - lag("timestamp") over (partition by user_id, session_id is null order by "timestamp", event_id) <= interval '30 minutes' then 0 else 1 end as begins
    from events where {RANGE}
  ) as events
"""

QUESTIONS = [
    Question("timeseries", "GET", "/stats/timeseries?breakdown=event_type", None,
             f"select date_trunc('day', \"timestamp\"), event_type, count(*) from events where {RANGE} group by 1, 2", 50),
    Question("top types", "GET", "/stats/top-types?from={from_}&to={to}", None,
             f"select event_type, count(*) from events where {RANGE} group by 1 order by 2 desc limit 10", 50),
    Question("top properties", "GET", "/stats/top-properties?key=page", None,
             f"select properties ->> 'page', count(*) from events where {RANGE} group by 1 order by 2 desc limit 10", 50),
    Question("users", "GET", "/stats/users", None,
             f"""with first as (select user_id, min("timestamp") as first_seen from events group by 1)
                 select date_trunc('day', "timestamp"), count(distinct user_id),
                   count(distinct user_id) filter (where date_trunc('day', first_seen) = date_trunc('day', "timestamp"))
                 from events join first using (user_id) where {RANGE} group by 1""", 1000),
    Question("sessions", "GET", "/stats/sessions", None,
             f"""select count(*), avg(length), count(*) filter (where events = 1) from (
                   select user_id, visit, count(*) as events, max("timestamp") - min("timestamp") as length
                   from ({SESSIONIZED}) as visits group by 1, 2) as sessions""", 1000),
    Question("retention", "GET", "/stats/retention", None,
             f"""with first as (select user_id, date_trunc('week', min("timestamp")) as cohort from events group by 1)
                 select cohort, date_trunc('week', "timestamp"), count(distinct user_id)
                 from events join first using (user_id) where {RANGE} group by 1, 2""", 1000),
    Question("funnel", "POST", "/stats/funnel", FUNNEL,
             f"""with one as (select user_id, min("timestamp") as at from events where {RANGE} and event_type = 'page_view' group by 1),
                 two as (select user_id, min("timestamp") as at from events join one using (user_id)
                         where {RANGE} and event_type = 'add_to_cart' and "timestamp" > at group by 1),
                 three as (select user_id from events join two using (user_id) where {RANGE} and event_type = 'purchase' and "timestamp" > at group by 1)
                 select (select count(*) from one), (select count(*) from two), (select count(*) from three)""", 1000),
    Question("paths", "GET", "/stats/paths", None,
             f"""select first, second, third, count(*) from (
                   select row_number() over way as place, event_type as first, lead(event_type) over way as second, lead(event_type, 2) over way as third
                   from ({SESSIONIZED}) as visits window way as (partition by user_id, visit order by "timestamp", event_id)) as steps
                 where place = 1 group by 1, 2, 3 order by 4 desc limit 10""", 1000),
]  # fmt: skip


def last_month(postgres: Postgres, database: str) -> tuple[str, str]:
    """The start and the end of RANGE, as parameters."""
    first, last = postgres.execute(
        database,
        b"select to_char(date_trunc('day', now()) - interval '29 days', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), to_char(date_trunc('day', now()) + interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    )
    return str(first), str(last)


def analytics(setup: Setup) -> list[Line]:
    """Measure one client's queries, to the service and in SQL, in rotation."""
    events = setup.sizes[1]
    database = loaded_visits(setup.postgres, events)
    first, last = last_month(setup.postgres, database)
    contenders: list[Asking] = []
    with setup.services() as services:
        service = services.query(1, database)
        for question in QUESTIONS:
            path = question.path.format(from_=first, to=last)
            asked = over_http(service, question.method, path, question.body)
            plain = in_sql(setup.postgres, database, question.sql)
            contenders += [
                Asking(asked, key=f"ask/{question.key}/ours", name=f"{question.key}: ours", warm_up=setup.terms.warm_up, service=service),
                Asking(plain, key=f"ask/{question.key}/sql", name=f"{question.key}: plain SQL", warm_up=0, service=None),
            ]  # fmt: skip
        return setup.compete("Analytics, the last 30 days of 13 months", contenders)
