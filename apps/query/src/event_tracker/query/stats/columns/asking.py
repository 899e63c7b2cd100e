"""Asks the engine the questions of /stats: equal ones at once, a few at a time, and none whose answer the client has."""

from collections.abc import Hashable
from datetime import datetime
from hashlib import blake2b
from importlib import metadata
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec.structs import asdict

from event_tracker.columns.engine import Engine, Selection
from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.query import metrics
from event_tracker.query.auth.calls import Call, NotModifiedError, Sources
from event_tracker.query.concurrency import SingleFlight
from event_tracker.query.stats.answers import ColumnsPlan, RangeAnswer
from event_tracker.query.stats.columns.selection import Statement
from event_tracker.query.stats.store import StatsStore

RELEASE = metadata.version("event-tracker-query")


class Question(Hashable, Protocol):
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
    def build_answer(self, as_of: datetime, rows: list[Any]) -> RangeAnswer: ...


class Asker:
    """Asks the engine. Equal questions of one moment are asked once."""

    def __init__(self, engine: Engine, concurrency_limit: ConcurrencyLimit) -> None:
        self._engine = engine
        self._shared: SingleFlight[Question, tuple[RangeAnswer, str]] = SingleFlight(self._ask, concurrency_limit)
        self._etags: SingleFlight[Question, str] = SingleFlight(self._find_etag, concurrency_limit)

    def ask(self, question: Question, call: Call) -> RangeAnswer:
        """The answer, when the client's turn has come. The call gets its entity tag.

        Raises:
            NotModifiedError: if the request names the entity tag that the answer has now.
            Problem: 504 if it takes longer than STATEMENT_SECONDS; what `take_turn` raises.
        """
        if call.environ["REQUEST_METHOD"] == "POST" or question.explain:
            return self._shared.run(question, call.client)[0]
        if call.if_none_match:
            etag = self._etags.run(question, call.client)
            if call.if_none_match.contains_weak(etag):
                raise NotModifiedError(etag)
        answer, call.etag = self._shared.run(question, call.client)
        return answer

    def _find_etag(self, question: Question) -> str:
        return make_etag(question, *self._engine.version(_select(question)))

    def _ask(self, question: Question) -> tuple[RangeAnswer, str]:
        statement = question.build_statement()
        with metrics.DB_SECONDS.labels(question.name).time():
            result = self._engine.run(
                _select(question),
                statement.sql,
                statement.parameters,
                properties=statement.parameters.properties,
                question=question.name,
                explain=question.explain,
            )
        answer = question.build_answer(result.as_of, result.rows)
        if result.plan:
            answer.explain = ColumnsPlan(statement=question.name, **asdict(result.plan))
        return answer, make_etag(question, result.as_of, result.version)


def _select(question: Question) -> Selection:
    return Selection(
        start=question.start, end=question.end, sources=question.sources, first_seen=question.reads_first_seen
    )


def make_etag(question: Question, as_of: datetime, version: bytes) -> str:
    """The entity tag of a question's answer: it changes with the version of the events, with what is asked, when an interval has ended
    since, which answers may say, and with the release."""
    ended = sum(moment <= as_of for moment in (*getattr(question, "starts", ()), question.end))
    asked = msgspec.json.encode((RELEASE, question.name, question, ended), enc_hook=str)
    return blake2b(asked, digest_size=16, key=version).hexdigest()


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
