"""Asks the engine the questions of /stats: equal ones at once, a few at a time."""

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec.structs import asdict

from event_tracker.columns.engine import Engine, Selection
from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.query import metrics
from event_tracker.query.auth.calls import Sources
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import SingleFlight
from event_tracker.query.events.filters import TypeFilter
from event_tracker.query.events.responses import TopTypes
from event_tracker.query.stats.answers import ColumnsPlan, RangeAnswer
from event_tracker.query.stats.columns.behaviours import Sessions, make_tables, reach
from event_tracker.query.stats.columns.selection import Statement
from event_tracker.query.stats.parameters import GAP
from event_tracker.query.stats.store import StatsStore

Answer = TypeVar("Answer")
Answered = TypeVar("Answered", covariant=True)


class Question(Hashable, Protocol[Answered]):
    """A question that the engine answers: parameters, then `build_statement`, then `build_answer`.

    Attributes:
        name: of the question, in metrics.
        reads_first_seen: whether the statement reads the relation `first_seen`.
    """

    @property
    def name(self) -> str: ...
    @property
    def reads_first_seen(self) -> bool: ...
    @property
    def sources(self) -> Sources: ...
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def explain(self) -> bool: ...

    def build_statement(self) -> Statement: ...
    def build_answer(self, as_of: datetime, rows: list[Any]) -> Answered: ...


class Asker:
    """Asks the engine. Equal questions of one moment are asked once.

    Args:
        longest: the longest session in seconds, of questions that don't say.
    """

    def __init__(self, engine: Engine, concurrency_limit: ConcurrencyLimit, longest: int) -> None:
        self._engine, self._longest = engine, longest
        self._shared: SingleFlight[Question[Any], Any] = SingleFlight(self._ask, concurrency_limit)

    def ask(self, question: Question[Answer], client: QuotaHolder) -> Answer:
        """The answer, when the client's turn has come.

        Raises:
            Problem: 504 if it takes longer than STATEMENT_SECONDS; what `take_turn` raises.
        """
        answer: Answer = self._shared.run(question, client)
        return answer

    def _ask(self, question: Question[Answer]) -> Answer:
        statement = question.build_statement()
        span = question.start, question.end
        sessions = Sessions(getattr(question, "gap", GAP), getattr(question, "longest", self._longest))
        tables = list(make_tables(statement.parameters, span, sessions))
        selection = Selection(
            start=question.start,
            end=question.end,
            sources=question.sources,
            first_seen=question.reads_first_seen,
            wider=reach(statement.parameters, span),
        )
        with metrics.DB_SECONDS.labels(question.name).time():
            result = self._engine.run(
                selection,
                statement.sql,
                statement.parameters,
                properties=statement.parameters.properties,
                tables=tables,
                question=question.name,
                explain=question.explain,
            )
        answer = question.build_answer(result.as_of, result.rows)
        if result.plan and isinstance(answer, RangeAnswer):
            answer.explain = ColumnsPlan(statement=question.name, **asdict(result.plan))
        return answer


class Stats(NamedTuple):
    """What the routes of statistics work with.

    Attributes:
        asker: asks the engine.
        store: asks PostgreSQL.
        count_types: the types of all events, which are counted already.
        explain: whether explain=true is allowed.
        longest: the default for the longest session, in seconds.
    """

    asker: Asker
    store: StatsStore
    count_types: Callable[[TypeFilter, QuotaHolder], TopTypes]
    explain: bool
    longest: int
