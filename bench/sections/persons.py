"""What it costs that users are persons: the same queries about ids (identity=raw) and about persons, with 100,000 links.

Half of the ids lead to another one, so half of the events are of a person with another id.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from bench import BENCH
from bench.asking import Asking, over_http
from bench.contest import Line
from bench.postgres import Postgres
from bench.release import TODAY
from bench.sections.analytics import FUNNEL
from bench.setup import Setup
from bench.tables import loaded_visits

IDENTITIES = ("raw", "linked")


class OfUsers(NamedTuple):
    """A query to which it makes a difference who is one person."""

    key: str
    method: str
    path: str
    body: object = None


QUESTIONS = [
    OfUsers("users", "GET", "/stats/users?"),
    OfUsers("series of users", "GET", "/stats/timeseries?metric=users&"),
    OfUsers("retention", "GET", "/stats/retention?"),
    OfUsers("sessions", "GET", "/stats/sessions?"),
    OfUsers("funnel", "POST", "/stats/funnel?", FUNNEL),
    OfUsers("paths", "GET", "/stats/paths?"),
]


@contextmanager
def linked(postgres: Postgres, database: str) -> Iterator[None]:
    """100,000 links in a database that has none."""
    postgres.execute(database, "delete from links")
    postgres.execute(database, (BENCH / "sql" / "links.sql").read_bytes())
    try:
        yield
    finally:
        postgres.execute(database, "delete from links")


def persons(setup: Setup) -> list[Line]:
    """Measure one client's queries, beside an earlier release, if one is given. The two identities take turns."""
    releases = [TODAY, *([setup.release] if setup.release else [])]
    databases = [loaded_visits(setup.postgres, setup.sizes[1], release) for release in releases]
    with ExitStack() as stack:
        for database in databases:
            stack.enter_context(linked(setup.postgres, database))
        services = stack.enter_context(setup.services())
        started = [
            (release.name, services.query(1, database, release))
            for release, database in zip(releases, databases, strict=True)
        ]
        contenders = [
            Asking(
                over_http(service, question.method, f"{question.path}identity={identity}", question.body),
                key=f"persons/{question.key}/{identity}/{name}", name=f"{question.key}, {identity}: {name}",
                warm_up=setup.terms.warm_up, service=service,
            )
            for question in QUESTIONS
            for name, service in started
            for identity in IDENTITIES
        ]  # fmt: skip
        return setup.compete("Persons, the last 30 days, 100,000 links", contenders)
