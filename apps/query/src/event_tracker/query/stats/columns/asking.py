"""Asks the engine the questions of /stats: equal ones at once, a few at a time."""

from collections.abc import Hashable
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from msgspec.structs import asdict

from event_tracker.columns.engine import Engine, Sample, Selection
from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.query import metrics
from event_tracker.query.auth.calls import Sources
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import SingleFlight
from event_tracker.query.stats.answers import ColumnsPlan, RangeAnswer
from event_tracker.query.stats.columns.selection import Statement
from event_tracker.query.stats.store import StatsStore


class Question(Hashable, Protocol):
    """A question that the engine answers: parameters, then `build_statement`, then `build_answer`.

    Attributes:
        name: of the question, in metrics.
        reads_first_seen: whether the statement reads the relation `first_seen`.
        sample: the part of the events that it reads; None is all.
    """

    @property
    def name(self) -> str: ...
    @property
    def reads_first_seen(self) -> bool: ...
    @property
    def sample(self) -> Sample | None: ...
    @property
    def sources(self) -> Sources: ...
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def explain(self) -> bool: ...

    def build_statement(self) -> Statement: ...
    def build_answer(self, as_of: datetime, rows: list[Any]) -> RangeAnswer: ...


class Asker:
    """Asks the engine. Equal questions of one moment are asked once."""

    def __init__(self, engine: Engine, concurrency_limit: ConcurrencyLimit) -> None:
        self._engine = engine
        self._shared: SingleFlight[Question, RangeAnswer] = SingleFlight(self._ask, concurrency_limit)

    def ask(self, question: Question, client: QuotaHolder) -> RangeAnswer:
        """The answer, when the client's turn has come.

        Raises:
            Problem: 504 if it takes longer than STATEMENT_SECONDS; what `take_turn` raises.
        """
        return self._shared.run(question, client)

    def _ask(self, question: Question) -> RangeAnswer:
        statement = question.build_statement()
        selection = Selection(
            start=question.start,
            end=question.end,
            sources=question.sources,
            first_seen=question.reads_first_seen,
            sample=question.sample,
        )
        with metrics.DB_SECONDS.labels(question.name).time():
            result = self._engine.run(
                selection,
                statement.sql,
                statement.parameters,
                properties=statement.parameters.properties,
                question=question.name,
                explain=question.explain,
            )
        answer = question.build_answer(result.as_of, result.rows)
        if result.plan:
            answer.explain = ColumnsPlan(statement=question.name, **asdict(result.plan))
        return answer


class Stats(NamedTuple):
    """What the routes of statistics work with.

    Attributes:
        asker: asks the engine.
        store: asks PostgreSQL.
        explain: whether explain=true is allowed.
        longest: the default for the longest session, in seconds.
    """

    asker: Asker
    store: StatsStore
    explain: bool
    longest: int
