"""Single events, alone and while the dearest questions are asked without pause: of the same database, by as many clients as there are
of these questions."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from bench.asking import over_http
from bench.contenders import Storing, wait_settled
from bench.contest import Line, Sample
from bench.postgres import Postgres
from bench.release import TODAY
from bench.sections.analytics import MONTH_DAYS, QUESTIONS
from bench.services import Service
from bench.setup import Setup
from bench.tables import copied, loaded_visits

CONNECTIONS = 128
DEAREST = ("sessions", "funnel", "paths")

Ask = Callable[[], str]


class StoringBeside(Storing):
    """Stores single events in a database that has many already, while questions are asked."""

    def __init__(
        self, service: Service, requests: Path, warm_up: float, *, key: str, postgres: Postgres, database: str, asks: list[Ask]
    ) -> None:  # fmt: skip
        super().__init__(
            service, requests, CONNECTIONS, warm_up, key=key, postgres=postgres, database=database, counted=False
        )
        self.name = f"{service.name}: {'beside questions' if asks else 'alone'}"
        self.asks = asks
        self.began: datetime | None = None
        self.complaints: set[str] = set()
        self.asked = 0

    def empty(self) -> None:
        """Nothing is deleted: what is stored from now on counts."""
        self.settled()
        (self.began,) = self.postgres.execute(self.database, "checkpoint", "select clock_timestamp()")

    def run(self, seconds: float) -> Sample:
        with self._asking():
            return super().run(seconds)

    def settled(self) -> tuple[int, int]:
        statement = sql.SQL("select count(*), 0 from events where received_at >= {}")
        return wait_settled(self.postgres, self.database, statement.format(self.began or datetime.now(UTC)))

    def check(self) -> list[str]:
        return [*super().check(), *sorted(self.complaints)]

    @contextmanager
    def _asking(self) -> Iterator[None]:
        stopping = threading.Event()

        def work(ask: Ask) -> None:
            while not stopping.is_set():
                if complaint := ask():
                    self.complaints.add(f"a question: {complaint}")
                self.asked += 1

        threads = [threading.Thread(target=work, args=(ask,)) for ask in self.asks]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()


def beside(setup: Setup) -> list[Line]:
    """Measure the collector of each release, alone and beside its questions."""
    releases = [TODAY, *([setup.release] if setup.release else [])]
    with ExitStack() as stack:
        services = stack.enter_context(setup.services())
        contenders = []
        for release in releases:
            loaded = loaded_visits(setup.postgres, setup.sizes[1], release)
            database = stack.enter_context(copied(setup.postgres, loaded))
            collector, query = services.collector(1, database, release), services.query(1, database, release)
            dearest = [question for question in QUESTIONS if question.key in DEAREST]
            asks = [over_http(query, *one.over(MONTH_DAYS)) for one in dearest]
            given: dict[str, Any] = {"postgres": setup.postgres, "database": database}
            contenders += [
                StoringBeside(
                    collector, setup.requests.singles, setup.terms.warm_up,
                    key=f"beside/{release.name}/{kind}", asks=asked, **given,
                )
                for kind, asked in (("alone", []), ("asked", asks))
            ]  # fmt: skip
        return setup.compete("Single events beside questions", contenders)
