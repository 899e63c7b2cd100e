"""Asks the engine the questions of /stats: equal ones at once, a few at a time, and none whose answer the client has."""

from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

from msgspec.structs import asdict

from event_tracker.columns.engine import Engine, Range, Sample, Selection
from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.query import metrics
from event_tracker.query.auth.calls import Call, NotModifiedError, Sources
from event_tracker.query.auth.principal import QuotaHolder
from event_tracker.query.concurrency import SingleFlight
from event_tracker.query.identity import Identity
from event_tracker.query.stats.answers import ColumnsPlan, RangeAnswer
from event_tracker.query.stats.columns.behaviours import SessionRule, find_wider_range, make_tables
from event_tracker.query.stats.columns.etags import make_etag
from event_tracker.query.stats.columns.selection import Statement
from event_tracker.query.stats.parameters import GAP
from event_tracker.query.stats.store import StatsStore

if TYPE_CHECKING:
    from event_tracker.query.stats.questions.top_types import TypeCounter

Answer = TypeVar("Answer")
Answered = TypeVar("Answered", covariant=True)


class Question(Hashable, Protocol[Answered]):
    """A question that the engine answers: parameters, then `build_statement`, then `build_answer`.

    Attributes:
        name: of the question, in metrics.
        counts_users: whether it makes a difference to whom ids are linked.
        first_seen: the statement reads the relation `first_seen`, of those first seen in this range.
        sample: the part of the events that it reads; None is all.
    """

    @property
    def name(self) -> str: ...
    @property
    def counts_users(self) -> bool: ...
    @property
    def first_seen(self) -> Range | None: ...
    @property
    def identity(self) -> Identity: ...
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
    def build_answer(self, as_of: datetime, rows: list[Any]) -> Answered: ...


class Asker:
    """Asks the engine. Equal questions of one moment are asked once.

    Args:
        longest: the longest session in seconds, of questions that don't say.
    """

    def __init__(self, engine: Engine, concurrency_limit: ConcurrencyLimit, longest: int) -> None:
        self._engine, self._longest = engine, longest
        self._shared: SingleFlight[Question[Any], tuple[Any, str]] = SingleFlight(self._ask, concurrency_limit)
        self._etags: SingleFlight[Question[Any], str] = SingleFlight(self._find_etag, concurrency_limit)

    def ask(self, question: Question[Answer], call: Call) -> Answer:
        """The answer, when the client's turn has come. If it may be cached, the call gets its entity tag.

        Raises:
            NotModifiedError: if the request names the entity tag that the answer has now.
            Problem: 504 if it takes longer than STATEMENT_SECONDS; what `take_turn` raises.
        """
        return self.ask_all([question], call)[0]

    def ask_all(self, questions: Sequence[Question[Answer]], call: Call) -> list[Answer]:
        """The same of several questions, one after the other, with an entity tag of all answers together."""
        if call.environ["REQUEST_METHOD"] == "POST" or any(question.explain for question in questions):
            return [self.answer(question, call.client) for question in questions]
        if call.if_none_match:
            etag = "-".join(self._etags.run(question, call.client) for question in questions)
            if call.if_none_match.contains_weak(etag):
                raise NotModifiedError(etag)
        found = [self._shared.run(question, call.client) for question in questions]
        call.etag = "-".join(etag for _, etag in found)
        return [cast(Answer, answer) for answer, _ in found]

    def answer(self, question: Question[Answer], client: QuotaHolder) -> Answer:
        """The same without an entity tag."""
        return cast(Answer, self._shared.run(question, client)[0])

    def _find_etag(self, question: Question[Any]) -> str:
        sessions = self._find_sessions(question)
        return make_etag(question, sessions, *self._engine.fingerprint(_select(question, question.build_statement())))

    def _ask(self, question: Question[Answer]) -> tuple[Answer, str]:
        statement = question.build_statement()
        time_range = question.start, question.end
        sessions = self._find_sessions(question)
        tables = list(make_tables(statement.parameters, time_range, sessions))
        with metrics.DB_SECONDS.labels(question.name).time():
            result = self._engine.run(
                _select(question, statement),
                statement.sql,
                statement.parameters,
                properties=statement.parameters.properties,
                tables=tables,
                question=question.name,
                explain=question.explain,
            )
        answer = question.build_answer(result.as_of, result.rows)
        if result.complete_from and isinstance(answer, RangeAnswer):
            answer.complete_from = result.complete_from.astimezone(answer.start.tzinfo)
        if result.plan and isinstance(answer, RangeAnswer):
            answer.explain = ColumnsPlan(statement=question.name, **asdict(result.plan))
        return answer, make_etag(question, sessions, result.as_of, result.fingerprint)

    def _find_sessions(self, question: Question[Any]) -> SessionRule:
        return SessionRule(getattr(question, "gap", GAP), getattr(question, "longest", self._longest))


def is_whole_hour(time: datetime) -> bool:
    """Whether an hour (UTC) begins at a time."""
    return time.timestamp() % 3600 == 0


def _select(question: Question[Any], statement: Statement) -> Selection:
    return Selection(
        start=question.start,
        end=question.end,
        sources=question.sources,
        first_seen=question.first_seen,
        sample=question.sample,
        wider=find_wider_range(statement.parameters, (question.start, question.end)),
        # Conditions on sessions and users are about persons, too.
        linked=question.identity == "linked" and (question.counts_users or bool(statement.parameters.behaviours)),
        maps_users=statement.parameters.maps_users,
    )


class Stats(NamedTuple):
    """What the routes of statistics work with.

    Attributes:
        asker: asks the engine.
        store: asks PostgreSQL.
        types: counts the types of all events.
        explain: whether explain=true is allowed.
        longest: the default for the longest session, in seconds.
        has_lake: whether questions are also about events that only the lake has.
    """

    asker: Asker
    store: StatsStore
    types: "TypeCounter"
    explain: bool
    longest: int
    has_lake: bool

    def can_count(self, *bounds: datetime | None) -> bool:
        """Whether PostgreSQL's counts by hour suffice for a range with these bounds: rows of an hour may be in the lake alone."""
        return not self.has_lake or all(bound is None or is_whole_hour(bound) for bound in bounds)
