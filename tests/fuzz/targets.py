"""What reads requests, as functions of bytes: each raises an AssertionError if the reading broke its promise.

A promise is that only two things come out: a Problem (4xx) whose body can be sent, or values that can be stored or asked
for. Any other exception is one that a client would see as a 500.
"""

import base64
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any
from uuid import UUID

import duckdb
import msgspec

from event_tracker.collector.parsing.batch import Batch
from event_tracker.collector.parsing.parser import Parser, ParseResult
from event_tracker.collector.post_event import split_body
from event_tracker.collector.protocols.amplitude.protocol import Amplitude
from event_tracker.collector.protocols.cloudevents.protocol import CloudEvents
from event_tracker.collector.protocols.mixpanel.protocol import Mixpanel
from event_tracker.collector.protocols.otlp.protocol import OtlpLogs
from event_tracker.collector.protocols.posthog import PostHog
from event_tracker.collector.protocols.protocol import ClientProtocol
from event_tracker.collector.protocols.segment import Segment
from event_tracker.collector.protocols.snowplow.protocol import Snowplow
from event_tracker.core.http.errors import CONTENT_TYPE, Problem
from event_tracker.model.event import CODES, MAX_DEPTH
from event_tracker.model.storing.row import Row
from event_tracker.model.storing.store_events import encode_rows, join_parameters
from event_tracker.query.auth.calls import Call, make_reader
from event_tracker.query.auth.principal import ALLOWED_SOURCES, ANYONE, PRINCIPAL
from event_tracker.query.events.event_pages import Cursor, StoredEvent, decode, encode
from event_tracker.query.events.parameters import SearchBody, WindowLimits, read_event_query
from event_tracker.query.events.streams.parameters import read_export, read_live_query
from event_tracker.query.filters.duckdb import compile_duckdb
from event_tracker.query.filters.grammar import Filter
from event_tracker.query.filters.matches import EventValues, matches
from event_tracker.query.filters.postgres import compile_postgres
from event_tracker.query.parameter_types import CODES as PARAMETER_CODES
from event_tracker.query.parameter_types import EARLIEST, LATEST
from event_tracker.query.request_body import read_json
from event_tracker.query.routes import TABLES
from event_tracker.query.sql.routes import SqlSchema
from event_tracker.query.sql.sandbox.__main__ import CONFIG
from event_tracker.query.sql.sandbox.check import check
from event_tracker.query.sql.sandbox.messages import RefusalError
from event_tracker.query.sql.sandbox.statements import head_of
from event_tracker.query.sql.views import list_view_columns
from event_tracker.query.stats.columns.asking import Stats
from event_tracker.query.stats.columns.selection import Parameters
from event_tracker.query.stats.parameters import read_user
from event_tracker.query.stats.questions.funnel import read_funnel
from event_tracker.query.stats.questions.paths import read_paths
from event_tracker.query.stats.questions.sessions import read_sessions
from event_tracker.query.stats.questions.timeseries import read_timeseries
from event_tracker.query.stats.questions.top_properties import read_top_properties
from event_tracker.query.stats.questions.top_types import read_type_query
from event_tracker.query.stats.suggestions.fields import read_fields
from event_tracker.query.stats.suggestions.values import read_values
from event_tracker.query.stats.users.event_users import read_event_users
from event_tracker.query.stats.users.retention import read_retention
from event_tracker.query.stats.users.users import read_users
from event_tracker.query.stats.web.summary import read_web_summary
from event_tracker.query.stats.web.top import read_web_top

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = WindowLimits(timedelta(hours=24), timedelta(hours=168))

parser = Parser(
    max_event_bytes=65_536,
    max_body_bytes=5 * 1024 * 1024,
    earliest=datetime(2000, 1, 1, tzinfo=UTC),
)

CLOUD_EVENTS = CloudEvents(65_536)


def body(data: bytes) -> None:
    """The body of POST /events: the first byte says whether it is NDJSON."""
    ndjson, sent = data[:1] == b"n", data[1:]
    parsed = parse(sent, ndjson)
    if parsed is None:
        return
    check_parsed(parsed)
    if not parsed.is_batch and parsed.rows:
        check_same(parsed.rows, parse(b"[" + sent + b"]", ndjson=False))
    check_same(parsed.rows, parse(b"\n".join(map(as_sent, parsed.rows)), ndjson=True))


def messages(protocol: ClientProtocol, environs: Sequence[dict[str, str]], data: bytes) -> None:
    """The body of a request of another client: the first byte says with which path and headers."""
    environ = environs[data[0] % len(environs) if data else 0]
    try:
        envelope = protocol.open(data[1:], environ, 2500)
        made = list(envelope.map(lambda _, __: None))
    except Problem as problem:
        check_status(protocol.refuse(problem, environ), {400, 413})
        return
    assert len(made) <= envelope.count
    mapped = [one for one in made if one]
    for one in mapped:
        assert one.client is None or 1 <= len(one.client) <= 200
        assert {code for _, code, _ in one.findings} <= set(CODES)
        check_storable([one.client, one.place])
    valid = [one for one in mapped if not one.findings]
    check_parsed(parser.read(Batch([one.event for one in valid]), source="default"))
    again = protocol.open(data[1:], environ, 2500).map(lambda _, __: None)
    assert [one and one.event for one in again] == [one and one.event for one in made]


def headers(data: bytes) -> None:
    """A CloudEvent in headers: lines of them, an empty line, and the data."""
    lines, _, sent = data.partition(b"\n\n")
    pairs = [line.partition(b":") for line in lines.split(b"\n")]
    environ = {f"HTTP_CE_{name.decode('latin-1').upper()}": value.decode("latin-1") for name, _, value in pairs}
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CE_CONTENT-TYPE", "")
    messages(CLOUD_EVENTS, [environ], b"\0" + sent)


def parse(sent: bytes, ndjson: bool) -> ParseResult | None:
    try:
        return parser.read(split_body(sent, 1000, ndjson=ndjson), source="default")
    except Problem as problem:
        check_problem(problem, {400, 413}, CODES)
        return None


def check_parsed(parsed: ParseResult) -> None:
    assert parsed.received == len(parsed.rows) + len({error.index for error in parsed.errors})
    assert {error.code for error in [*parsed.errors, *parsed.warnings]} <= set(CODES)
    assert {warning.index for warning in parsed.warnings}.isdisjoint(error.index for error in parsed.errors)
    msgspec.json.encode([*parsed.errors, *parsed.warnings])
    for row in parsed.rows:
        assert parser.earliest <= row.timestamp
        assert 1 <= len(row.user_id) <= 200
        assert 1 <= len(row.event_type) <= 100
        assert row.session_id is None or 1 <= len(row.session_id) <= 200
        assert row.timestamp.utcoffset() == timedelta(0)
        assert len(row.event_id) == 16
        properties = json.loads(row.properties)
        assert isinstance(properties, dict)
        check_storable([row.user_id, row.event_type, row.session_id or "", row.source])
        check_storable(properties, depth=1)
    join_parameters([encode_rows(parsed.rows)], len(parsed.rows))


def check_same(rows: list[Row], again: ParseResult | None) -> None:
    """The same events came out of another body; an event_id that wasn't sent is new each time."""
    assert again is not None
    assert [(row.user_id, row.event_type, row.session_id, row.properties) for row in again.rows] == [
        (row.user_id, row.event_type, row.session_id, row.properties) for row in rows
    ], again.errors


def as_sent(row: Row) -> bytes:
    """The event that a row is of."""
    event = {"user_id": row.user_id, "event_type": row.event_type, "timestamp": row.timestamp}
    session = {} if row.session_id is None else {"session_id": row.session_id}
    return msgspec.json.encode({**event, **session, "properties": msgspec.Raw(row.properties)})


def cursor(data: bytes) -> None:
    """`next_cursor`: after a `b` the text is the rest, otherwise the rest in base64, which mutations seldom keep."""
    text = data[1:].decode("latin-1") if data[:1] == b"b" else base64.urlsafe_b64encode(data[1:]).decode().rstrip("=")
    try:
        read = decode(text)
    except ValueError:
        return
    check_cursor(read)


def check_cursor(read: Cursor) -> None:
    assert decode(encode(read)) == read
    check_storable(read.after.user_id)
    assert EARLIEST <= read.start <= read.after.timestamp <= read.end <= LATEST
    assert {read.start.tzinfo, read.end.tzinfo, read.after.timestamp.tzinfo} == {UTC}


Read = Callable[[str], Any]

READERS = {
    route.path: make_reader(route)
    for table in TABLES.values()
    for route in sorted(table, key=lambda route: route.method == "GET")
    if route.method != "DELETE"
}
"""Of paths with two routes, that of GET."""


def call(path: str, query: str, allowed: frozenset[str] | None = None) -> Call:
    """A call of the route with this path by anyone who may see these sources."""
    return Call({"QUERY_STRING": query, PRINCIPAL: ANYONE, ALLOWED_SOURCES: allowed}, READERS[path])


QUESTIONS: list[Read] = [
    lambda query: read_event_query(call("/events", query), WINDOW, NOW),
    lambda query: read_type_query(call("/stats/top-types", query, frozenset({"shop"}))),
    lambda query: read_export(call("/events/export", query)),
    lambda query: read_live_query(call("/events/live", query)),
    lambda query: call("/users", query).query(),
    *(
        lambda query, path=path, read=read: read(call(path, query), NOW, True)
        for path, read in {
            "/stats/timeseries": partial(read_timeseries, longest=86_400),
            "/stats/users": read_users,
            "/stats/sessions": partial(read_sessions, longest=86_400),
            "/stats/top-properties": read_top_properties,
            "/stats/fields": read_fields,
            "/stats/values": read_values,
            "/events/users": read_event_users,
            "/stats/retention": read_retention,
            "/stats/paths": partial(read_paths, longest=86_400),
            "/stats/web": partial(read_web_summary, longest=86_400),
            "/stats/web/top": partial(read_web_top, longest=86_400),
            "/users/<path:user_id>": partial(read_user, longest=86_400),
        }.items()
    ),
]


def query(data: bytes) -> None:
    """A query string; the first byte says of which endpoint."""
    read = QUESTIONS[(data[0] if data else 0) % len(QUESTIONS)]
    check_question(lambda: read(data[1:].decode("latin-1")))


def funnel(data: bytes) -> None:
    """The body of POST /stats/funnel."""
    check_question(lambda: read_funnel(call("/stats/funnel", ""), data, NOW, True))


BODIES = [route.body for route in TABLES[Stats] if route.body and route.name != "funnel"]


def question(data: bytes) -> None:
    """The body of a question that GET answers as well; the first byte says of which."""
    schema = BODIES[(data[0] if data else 0) % len(BODIES)]()
    check_question(lambda: read_json(schema, data[1:]))


def search(data: bytes) -> None:
    """The body of POST /events/search, and what is made of its filter."""
    found: list[Filter] = []

    def read() -> Filter:
        found.append(read_json(SearchBody(), data)["filter"])
        return found[0]

    check_question(read)
    for part in found:
        compile_postgres(part)[0].as_string()
        compile_duckdb(part, Parameters())
        matches(EventValues(STORED), part)


views = list_view_columns()


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """A DuckDB as the process of statements has it, but that it has no data."""
    return duckdb.connect(config=CONFIG)


def sql(data: bytes) -> None:
    """POST /sql: after an `s` the statement alone, otherwise the rest is the body, which JSON's escapes keep mutations away from."""
    found: list[str] = []

    def read() -> dict[str, Any]:
        asked: dict[str, Any] = read_json(SqlSchema(), data[1:])
        found.append(asked["statement"])
        return asked

    if data[:1] == b"s":
        found.append(data[1:].decode(errors="replace"))
    else:
        check_question(read)
    for statement in found:
        check_statement(statement)


def check_statement(statement: str) -> None:
    """It is refused, or is one SELECT that reads what there is, and stays one within what is written around it."""
    try:
        checked = check(connection(), statement, views)
    except RefusalError as error:
        msgspec.json.encode(error.refusal)
        return
    assert all({*columns} <= {*views[view]} for view, columns in checked.needs.views.items())
    try:
        again = check(connection(), checked.text, views)
    except RefusalError as error:  # DuckDB takes a little more depth, the less stands around it
        raise AssertionError(error.refusal) from None
    assert (again.needs, again.explain) == (checked.needs, "")
    try:
        (around,) = connection().extract_statements(f"{head_of(['1'])}{checked.text}\n) as answer(a) limit 1")
    except duckdb.ParserException as error:
        if "depth" in str(error):
            return
        raise
    assert around.type == duckdb.StatementType.SELECT


STORED = StoredEvent(
    "ann", "view", NOW, UUID(int=1), None, msgspec.Raw(b'{"a": {"b": [1, "x"]}, "c": 1.50}'), NOW, "default"
)


def check_question(read: Callable[[], Any]) -> None:
    try:
        asked = read()
    except Problem as problem:
        check_problem(problem, {400, 422}, PARAMETER_CODES)
        return
    check_storable(list(texts(asked)))


def texts(asked: Any) -> Iterator[str]:
    """Every text in what is asked."""
    match asked:
        case str():
            yield asked
        case dict():
            for item in asked.items():
                yield from texts(item)
        case list() | tuple():
            for item in asked:
                yield from texts(item)
        case _ if hasattr(asked, "__slots__") or hasattr(asked, "__struct_fields__"):
            for name in getattr(asked, "__struct_fields__", asked.__slots__):
                yield from texts(getattr(asked, name, None))


def check_status(problem: Problem, statuses: set[int]) -> None:
    """As `check_problem`, of a protocol: some have a body of their own."""
    if problem.content_type == CONTENT_TYPE:
        check_problem(problem, {*statuses, 415}, CODES)
    else:
        assert problem.status in statuses, problem
        assert problem.body("id")


def check_problem(problem: Problem, statuses: set[int], codes: dict[str, str]) -> None:
    assert problem.status in statuses, problem
    content = json.loads(problem.body("id"))
    assert {error["code"] for error in content.get("errors", ())} <= set(codes)


def check_storable(value: Any, depth: int = 0) -> None:
    """PostgreSQL takes it: texts without U+0000 and halves of surrogate pairs, finite numbers, not nested too deep."""
    assert depth <= MAX_DEPTH or not isinstance(value, dict | list)
    match value:
        case str():
            assert "\0" not in value
            value.encode()
        case float():
            assert math.isfinite(value)
        case dict():
            check_storable(list(value), MAX_DEPTH)
            for member in value.values():
                check_storable(member, depth + 1)
        case list():
            for member in value:
                check_storable(member, depth + 1)


def bounded(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The same, with a bound on its work: calls, of Python and of C, a byte. What C does within a call, tests/cost looks at."""

    def run(data: bytes) -> None:
        calls = itertools.count()
        sys.setprofile(lambda *_: next(calls))
        try:
            target(data)
        finally:
            sys.setprofile(None)
        done = next(calls)
        assert done <= CALLS + CALLS_PER_BYTE * len(data), f"{done} calls for {len(data)} bytes"

    return run


CALLS, CALLS_PER_BYTE = 100_000, 50
"""The first is what reading a time zone takes."""

TARGETS: dict[str, Callable[[bytes], None]] = {
    name: bounded(target)
    for name, target in {
        "body": body,
        "segment": partial(
            messages, Segment(65_536), [{"PATH_INFO": f"/v1/{name}"} for name in ("batch", "track", "identify")]
        ),
        "posthog": partial(messages, PostHog(65_536), [{"PATH_INFO": "/batch/"}]),
        "amplitude": partial(messages, Amplitude(65_536), [{"PATH_INFO": "/2/httpapi"}]),
        "mixpanel": partial(messages, Mixpanel(65_536), [{"PATH_INFO": "/track"}]),
        "snowplow": partial(messages, Snowplow(65_536), [{"PATH_INFO": "/com.snowplowanalytics.snowplow/tp2"}]),
        "cloudevents": partial(
            messages,
            CLOUD_EVENTS,
            [{"CONTENT_TYPE": f"application/cloudevents{kind}"} for kind in ("+json", "-batch+json")],
        ),
        "ce-headers": headers,
        "otlp": partial(
            messages, OtlpLogs(65_536), [{"CONTENT_TYPE": f"application/{kind}"} for kind in ("json", "x-protobuf")]
        ),
        "cursor": cursor,
        "query": query,
        "question": question,
        "funnel": funnel,
        "search": search,
    }.items()
} | {"sql": sql}
"""The work of `sql` isn't bounded here: a process has SQL_SECONDS for it."""
