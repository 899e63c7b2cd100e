"""The product under test. Events are sent by POST /events, queries by HTTP, and each answer is compared with the reference."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
import requests
from commands import maintain
from servers import Service

from event_tracker.columns.build import Builder, find_unbuilt

from .reference.events import Event, of_sources
from .reference.persons import Link, of_persons

Answer = dict[str, Any]

PARTS_IN_BLOCKS = (0, 0.5, 1)
"""How many of an example's events are in blocks; the others are read from their rows."""

INSERT_LINK = """
insert into links (source, alias, person, at, event_id, removed_at)
values (%(source)s, %(alias)s, %(person)s, %(at)s, %(event_id)s, case when %(removed)s then now() end)
on conflict (source, alias, person) do update
set at = excluded.at, event_id = excluded.event_id, removed_at = excluded.removed_at, changed = default
"""


@dataclass(frozen=True)
class Question:
    """A request, and the reference's answer to it; None is a 404. `sources` of None are all.

    Attributes:
        identity: None doesn't ask for one, so that it is `linked`.
    """

    path: str
    parameters: list[tuple[str, str]]
    answer: Callable[[list[Event]], Answer | None]
    body: dict[str, Any] | None = None
    sources: tuple[str, ...] | None = None
    identity: str | None = None

    @property
    def counts_users(self) -> bool:
        """Whether the answer says whom users are."""
        return not self.path.startswith("/stats/top-")


@dataclass(frozen=True)
class Product:
    """Both services on one database.

    Attributes:
        keys: source → write key.
        folder: for the blocks that are being built.
        credentials: headers of requests to the query service.
    """

    collector: Service
    query: Service
    owner: psycopg.Connection
    owner_url: str
    session: requests.Session
    keys: dict[str, str]
    folder: Path
    credentials: dict[str, str] = field(default_factory=dict)

    def clear(self) -> None:
        """Empties all tables that are filled from events, including summaries.

        First `events`: so does the query service lock it when it looks at blocks in the background, and the others afterwards.
        """
        tables = self.owner.execute(
            "select string_agg(quote_ident(relname), ', ' order by relname <> 'events') from pg_class"
            " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition"
            " and relname !~ 'yoyo|catalog_version|link_epochs|user_epochs|sources|write_keys|api_tokens'"
        ).fetchall()[0][0]
        self.owner.execute(f"truncate {tables}".encode())

    def store(self, events: list[Event], request: int = 1000) -> None:
        """Sends the events in the given order, up to `request` of one source at a time: later requests may have earlier events."""
        for source, run in groupby(events, lambda event: event.source):
            own = [as_sent(event) for event in run]
            for start in range(0, len(own), request):
                self._send(source, own[start : start + request])

    def _send(self, source: str, batch: list[dict[str, Any]]) -> None:
        headers = {"X-Write-Key": self.keys[source]} if source in self.keys else {}
        answer = self.session.post(f"{self.collector.url}/events", json=batch, headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["stored"]) == (200, len(batch)), answer.text

    def maintain(self) -> None:
        """Does what the hourly job does, and builds the blocks of past days."""
        maintain(self.owner_url)

    @cached_property
    def _builder(self) -> Builder:
        return Builder(self.owner, self.folder)

    def build_blocks(self) -> None:
        """Builds the blocks of past days, and does nothing else of what the hourly job does."""
        for stretch in find_unbuilt(self.owner):
            self._builder.build(stretch)

    def fill(self, events: list[Event], request: int = 1000, part_in_blocks: float = 0) -> None:
        """Stores these events only, and builds blocks when this part of them is stored."""
        self.clear()
        first = int(len(events) * part_in_blocks)
        if first:
            self.store(events[:first], request)
            self.build_blocks()
        self.store(events[first:], request)

    def holds(self, events: list[Event], asked: list[Question]) -> None:
        """Stores these events only, a few with each request, and checks all queries.

        They are read from rows, blocks or both, by what the events are: the same events are always read from the same.
        """
        part = PARTS_IN_BLOCKS[sum(event.event_id.int for event in events) % len(PARTS_IN_BLOCKS)]
        self.fill(events, request=7, part_in_blocks=part)
        for question in asked:
            self.ask(question, events)

    def link(self, links: list[Link]) -> None:
        """Stores links."""
        with self.owner.cursor() as cursor:
            cursor.executemany(INSERT_LINK, [link.__dict__ for link in links])

    def get(self, question: Question) -> requests.Response:
        url = f"{self.query.url}{question.path}"
        parameters = [*question.parameters, *(("source", source) for source in question.sources or ())]
        if question.identity is not None:
            parameters.append(("identity", question.identity))
        if question.body is not None:
            return self.session.post(url, params=parameters, json=question.body, headers=self.credentials, timeout=30)
        return self.session.get(url, params=parameters, headers=self.credentials, timeout=30)

    def ask(self, question: Question, events: list[Event], links: Sequence[Link] = ()) -> Answer:
        """The service's answer, after comparing it with the reference."""
        response = self.get(question)
        known = links if question.identity != "raw" else ()
        expected = question.answer(of_persons(of_sources(events, question.sources), known, question.sources))
        body: Answer = response.json()
        if expected is None:
            assert (response.status_code, body["code"]) == (404, "user_not_found"), question
            return body
        assert response.status_code == 200, (question, response.text)
        assert body.pop("as_of").endswith("Z")
        body.pop("complete_from", None)
        assert body.pop("identity", None) == ((question.identity or "linked") if question.counts_users else None)
        differences = list(unlike(expected, body, ""))
        assert not differences, (differences, response.url, question.body)
        return body


def as_sent(event: Event) -> dict[str, Any]:
    sent = {
        "user_id": event.user_id,
        "event_type": event.event_type,
        "timestamp": event.timestamp.isoformat(),
        "event_id": str(event.event_id),
        "properties": event.properties,
    }
    return sent if event.session_id is None else {**sent, "session_id": event.session_id}


def refused(response: requests.Response) -> list[str]:
    """Why the parameters of a request were refused."""
    assert response.status_code == 422, response.text
    return [error["code"] for error in response.json()["errors"]]


def unlike(expected: Any, got: Any, where: str) -> Any:
    """The differences of two answers. Times must be equal in moment and offset; numbers may differ by rounding only."""
    if isinstance(expected, dict) and isinstance(got, dict):
        if expected.keys() != got.keys():
            yield where, sorted(expected), sorted(got)
        for name in expected.keys() & got.keys():
            yield from unlike(expected[name], got[name], f"{where}/{name}")
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            yield where, expected, got
        for number, (ours, theirs) in enumerate(zip(expected, got, strict=False)):
            yield from unlike(ours, theirs, f"{where}/{number}")
    elif not same(expected, got):
        yield where, expected, got


def same(expected: Any, got: Any) -> bool:
    if isinstance(expected, datetime):
        moment = datetime.fromisoformat(got)
        # In UTC: Python holds times of two zones unequal where a clock change makes one of them ambiguous.
        return (moment.astimezone(UTC), moment.utcoffset()) == (expected.astimezone(UTC), expected.utcoffset())
    if isinstance(expected, float):
        return isinstance(got, int | float) and math.isclose(expected, got, rel_tol=1e-9, abs_tol=1e-6)
    return type(expected) is type(got) and expected == got
