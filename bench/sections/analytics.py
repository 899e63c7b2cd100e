"""The analytical queries over the last 30 days of a large table and over all of it, beside an earlier release, if one is given; and
those of 30 days beside the same queries in plain SQL over its events."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import LiteralString, NamedTuple
from urllib.parse import urlencode

from bench.asking import Asking, in_sql, over_http
from bench.contest import Line
from bench.release import TODAY
from bench.setup import Setup
from bench.tables import loaded_visits

RANGE: LiteralString = "\"timestamp\" >= date_trunc('day', now()) - interval '29 days' and \"timestamp\" < date_trunc('day', now()) + interval '1 day'"


MONTH_DAYS = 30
ALL_DAYS = 395
"""All days of the visits (sql/visits.sql)."""


class Question(NamedTuple):
    """A query, its plain SQL as a product team would write it, and the most milliseconds that it may take over 30 days and over 13
    months of 10 million events."""

    key: str
    method: str
    path: str
    body: object
    sql: LiteralString
    most_ms: float
    most_ms_of_all: float

    def over(self, days: int) -> tuple[str, str, object]:
        """Method, path and body of the question about so many days, today included."""
        span = last_days(days)
        if isinstance(self.body, dict):
            return self.method, self.path, {**self.body, **span}
        return self.method, self.path + urlencode(span), None


FUNNEL = {"steps": [{"event_type": "page_view"}, {"event_type": "add_to_cart"}, {"event_type": "purchase"}]}

SESSIONIZED: LiteralString = f"""
  select *, coalesce(session_id, sum(begins) over (partition by user_id, session_id is null order by "timestamp", event_id)::text) as visit
  from (
    select *, case when "timestamp" - lag("timestamp") over (partition by user_id, session_id is null order by "timestamp", event_id) <= interval '30 minutes' then 0 else 1 end as begins
    from events where {RANGE}
  ) as events
"""

QUESTIONS = [
    Question("timeseries", "GET", "/stats/timeseries?breakdown=event_type&", None,
             f"select date_trunc('day', \"timestamp\"), event_type, count(*) from events where {RANGE} group by 1, 2", 20, 50),
    Question("top types", "GET", "/stats/top-types?", None,
             f"select event_type, count(*) from events where {RANGE} group by 1 order by 2 desc limit 10", 20, 50),
    Question("top properties", "GET", "/stats/top-properties?key=page&", None,
             f"select properties ->> 'page', count(*) from events where {RANGE} group by 1 order by 2 desc limit 10", 50, 200),
    Question("users", "GET", "/stats/users?", None,
             f"""with first as (select user_id, min("timestamp") as first_seen from events group by 1)
                 select date_trunc('day', "timestamp"), count(distinct user_id),
                   count(distinct user_id) filter (where date_trunc('day', first_seen) = date_trunc('day', "timestamp"))
                 from events join first using (user_id) where {RANGE} group by 1""", 100, 800),
    Question("sessions", "GET", "/stats/sessions?", None,
             f"""select count(*), avg(length), count(*) filter (where events = 1) from (
                   select user_id, visit, count(*) as events, max("timestamp") - min("timestamp") as length
                   from ({SESSIONIZED}) as visits group by 1, 2) as sessions""", 100, 800),
    Question("retention", "GET", "/stats/retention?", None,
             f"""with first as (select user_id, date_trunc('week', min("timestamp")) as cohort from events group by 1)
                 select cohort, date_trunc('week', "timestamp"), count(distinct user_id)
                 from events join first using (user_id) where {RANGE} group by 1, 2""", 100, 800),
    Question("funnel", "POST", "/stats/funnel?", FUNNEL,
             f"""with one as (select user_id, min("timestamp") as at from events where {RANGE} and event_type = 'page_view' group by 1),
                 two as (select user_id, min("timestamp") as at from events join one using (user_id)
                         where {RANGE} and event_type = 'add_to_cart' and "timestamp" > at group by 1),
                 three as (select user_id from events join two using (user_id) where {RANGE} and event_type = 'purchase' and "timestamp" > at group by 1)
                 select (select count(*) from one), (select count(*) from two), (select count(*) from three)""", 200, 2500),
    Question("paths", "GET", "/stats/paths?", None,
             f"""select first, second, third, count(*) from (
                   select row_number() over way as place, event_type as first, lead(event_type) over way as second, lead(event_type, 2) over way as third
                   from ({SESSIONIZED}) as visits window way as (partition by user_id, visit order by "timestamp", event_id)) as steps
                 where place = 1 group by 1, 2, 3 order by 4 desc limit 10""", 200, 2500),
]  # fmt: skip


SUGGESTIONS = {"field names": "/stats/fields?", "values": "/stats/values?field=property.page&prefix=/p/1&"}
"""What a page asks while somebody writes a filter."""

SUGGESTION_MS = 50


def last_days(days: int) -> dict[str, str]:
    """The range of so many days, today included."""
    today = datetime.now(UTC).date()
    # Times rather than days: `/stats/top-types` takes no days.
    return {"from": f"{today - timedelta(days=days - 1)}T00:00:00Z", "to": f"{today + timedelta(days=1)}T00:00:00Z"}


def analytics(setup: Setup) -> list[Line]:
    """Measure one client's queries, to the services and in SQL, in rotation."""
    postgres, events = setup.postgres, setup.sizes[1]
    releases = [TODAY, *([setup.release] if setup.release else [])]
    databases = [loaded_visits(postgres, events, release) for release in releases]
    with setup.services() as services:
        started = [
            (release.name, services.query(1, database, release))
            for release, database in zip(releases, databases, strict=True)
        ]

        def contenders(question: Question, key: str, days: int) -> Iterator[Asking]:
            for name, service in started:
                asked = over_http(service, *question.over(days))
                yield Asking(
                    asked, key=f"{key}/{question.key}/{name}", name=f"{question.key}: {name}",
                    warm_up=setup.terms.warm_up, service=service, least=1,
                )  # fmt: skip

        of_month: list[Asking] = []
        for question in QUESTIONS:
            plain = in_sql(postgres, databases[0], question.sql)
            of_month += contenders(question, "ask", MONTH_DAYS)
            of_month.append(
                Asking(plain, key=f"ask/{question.key}/sql", name=f"{question.key}: plain SQL", warm_up=0, service=None, least=1)
            )  # fmt: skip
        for name, path in SUGGESTIONS.items():
            asked = over_http(started[0][1], "GET", path + urlencode(last_days(MONTH_DAYS)), None)
            of_month.append(
                Asking(asked, key=f"ask/{name}/ours", name=f"{name}: ours", warm_up=setup.terms.warm_up, service=started[0][1])
            )  # fmt: skip
        of_all = [one for question in QUESTIONS for one in contenders(question, "ask-all", ALL_DAYS)]
        lines = setup.compete("Analytics, the last 30 days of 13 months", of_month)
        return lines + setup.compete("Analytics, 13 months", of_all)
