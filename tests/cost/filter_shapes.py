"""Shapes of filters (`shapes`)."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from pieces import Shape, filled

from event_tracker.core.http.errors import Problem
from event_tracker.query.events.event_pages import StoredEvent
from event_tracker.query.events.parameters import EventsSchema, SearchBody
from event_tracker.query.filters.grammar import Condition, Property, Test
from event_tracker.query.filters.matches import EventValues, matches
from event_tracker.query.filters.postgres import compile_postgres
from event_tracker.query.parameters import QueryStringReader
from event_tracker.query.request_body import read_json

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def read_filter(body: bytes) -> None:
    """The body of POST /events/search, and its statement."""
    with suppress(Problem):
        compile_postgres(read_json(SearchBody(), body)["filter"])


def read_short_filter(text: bytes) -> None:
    """A filter in a query string, and its statement."""
    with suppress(Problem):
        compile_postgres(_filters.read(urlencode({"filter": text}))["filter"])


_filters = QueryStringReader(EventsSchema)


def filter_event(value: bytes) -> None:
    """A live event, by filters of a number."""
    for test in ("is", "gt"):
        event = StoredEvent("u", "t", NOW, UUID(int=1), None, msgspec.Raw(b'{"a": %b}' % value), NOW, "default")
        matches(EventValues(event), Condition(Property(("a",)), cast(Test, test), ("1.5",)))


CONDITION = b'{"field":"property.a","operator":"%b","value":%b}'

FILTERS: dict[str, Callable[[int], bytes]] = {
    "conditions": lambda n: b'{"and":[' + filled(n, lambda _: CONDITION % (b"is", b"1")) + b"]}",
    "groups": lambda n: b'{"and":[' * (n // 8) + b"]}" * (n // 8),
    "empty groups": lambda n: b'{"and":[' + filled(n, lambda _: b'{"or":[]}') + b"]}",
    "values": lambda n: CONDITION % (b"one_of", b"[" + filled(n, lambda number: b"%d" % number) + b"]"),
    "a long text": lambda n: CONDITION % (b"contains", b'"' + b"a" * n + b'"'),
    "a long number": lambda n: CONDITION % (b"gt", b"9" * n),
    "a long number as a text": lambda n: CONDITION % (b"gt", b'"' + b"9" * (n // 8) + b'"'),
    "numbers near the largest double": lambda n: CONDITION % (b"one_of", b"[" + filled(n, lambda _: b"1e308") + b"]"),
    "a path": lambda n: b'{"field":"property.' + b"a." * (n // 2) + b'","operator":"set"}',
    "a path of backslashes": lambda n: b'{"field":"property.' + b"\\\\" * (n // 2) + b'","operator":"set"}',
}

SHORT_FILTERS: dict[str, Callable[[int], bytes]] = {
    "colons": lambda n: b":" * n,
    "backslashes": lambda n: b"\\" * n,
    "escaped colons": lambda n: b"property." + b"\\:" * (n // 2),
    "commas": lambda n: b"property.a:one_of:" + b"," * n,
    "backslashes in values": lambda n: b"property.a:one_of:" + b"\\" * n,
}

STORED_VALUES: dict[str, Callable[[int], bytes]] = {
    "a long number": lambda n: b"9" * n,
    "a long fraction": lambda n: b"1." + b"50" * (n // 2),
    "zeros": lambda n: b'"1.' + b"0" * n + b'x"',
    "an array": lambda n: b"[" + filled(n, lambda _: b"1.50") + b"]",
}

FILTER_SHAPES: dict[str, Shape] = {
    **{
        f"filter: {name}": Shape(lambda n, make=make: b'{"filter":' + make(n) + b"}", read_filter)
        for name, make in FILTERS.items()
    },
    **{f"filter: {name} in short": Shape(make, read_short_filter) for name, make in SHORT_FILTERS.items()},
    **{f"filter: {name} in an event": Shape(make, filter_event) for name, make in STORED_VALUES.items()},
}
