"""What the services read, as functions of a size in bytes: each shape is one that reading could be slow at."""

import gzip
import io
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
from client_shapes import CLIENT_SHAPES
from filter_shapes import FILTER_SHAPES
from log_shapes import LOG_SHAPES
from marshmallow import Schema
from marshmallow.fields import Raw
from pieces import Shape, filled

from event_tracker.collector.parsing.decompression import gunzip
from event_tracker.collector.parsing.parser import Parser, ParseResult
from event_tracker.collector.post_event import _read_parameters, split_body
from event_tracker.collector.rejections.recorder import _make_rejection, describe
from event_tracker.core.http.connections import CONNECTIONS, Connections, read_body
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.memory_budget import BUDGET, MemoryBudget, reservation_of
from event_tracker.core.http.middleware import bearer_token
from event_tracker.core.json_numbers import decode_json
from event_tracker.core.secrets.keys import prefix_of
from event_tracker.model.event import EventError
from event_tracker.model.schema_checks import Check
from event_tracker.model.schema_rules import InvalidSchemaError, examine
from event_tracker.query.request_body import read_json

MAX_BYTES = 5 * 1024 * 1024

MAX_EVENT_BYTES = 65_536
NOW = datetime(2026, 3, 1, tzinfo=UTC)

parser = Parser(
    max_event_bytes=MAX_EVENT_BYTES,
    max_body_bytes=MAX_BYTES,
    earliest=datetime(2000, 1, 1, tzinfo=UTC),
)


def parse_body(body: bytes) -> None:
    """As POST /events does it, up to the answer."""
    with suppress(Problem):
        answer(parser.read(split_body(body, 1000), source="shop"))


def read_lines(body: bytes) -> None:
    """The same for NDJSON."""
    with suppress(Problem):
        answer(parser.read(split_body(body, 1000, ndjson=True), source="shop"))


def answer(parsed: ParseResult) -> None:
    """The answer to refused events, and what is kept of them."""
    Problem(422, "invalid_events", "", errors=parsed.errors).body("id")
    errors: dict[int, list[EventError]] = {}
    for error in parsed.errors:
        errors.setdefault(error.index, []).append(error)
    for refused in parsed.refused:
        _make_rejection("shop", NOW, refused, describe(errors[refused.position]), MAX_EVENT_BYTES)


def unzip(body: bytes) -> None:
    """The decompression of a body."""
    environ = {
        BUDGET: MemoryBudget(MAX_BYTES),
        CONNECTIONS: Connections(10),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    with suppress(Problem):
        gunzip(read_body(environ, MAX_BYTES, 10), MAX_BYTES, reservation_of(environ))


def read_parameters(query: bytes) -> None:
    """The parameters of POST /events."""
    with suppress(Problem):
        _read_parameters(query.decode())


def read_schema(schema: bytes) -> None:
    """What is looked at when a schema is set."""
    with suppress(InvalidSchemaError):
        examine(json.loads(schema))


unique = Check(1, {"properties": {"a": {"uniqueItems": True}}})


def check_unique(items: bytes) -> None:
    """The check of an event's array."""
    unique.find(msgspec.json.decode(b'{"a":[' + items + b"]}"))


def read_written(schema: bytes) -> None:
    """A schema that was set, as collectors read it, and looked over."""
    with suppress(InvalidSchemaError):
        examine(decode_json(schema))


listed = Check(1, {"properties": {"a": {"items": {"not": {"enum": list(range(100))}}}}})


def check_listed(items: bytes) -> None:
    """The check of an event's array whose items must be none of a hundred numbers."""
    listed.find(decode_json(b'{"a":[' + items + b"]}"))


def read_question(body: bytes) -> None:
    """The body of a question, or of signing in."""
    with suppress(Problem):
        read_json(_Question(), body)


class _Question(Schema):
    """Takes what is read."""

    a = Raw()


def read_key(header: bytes) -> None:
    """An Authorization header with a write key."""
    if key := bearer_token({"HTTP_AUTHORIZATION": header.decode()}):
        prefix_of(key)


def event(properties: bytes, more: bytes = b"") -> bytes:
    return b'{"user_id":"u","event_type":"t","properties":' + properties + more + b"}"


def members(size: int, value: bytes = b"0") -> bytes:
    return filled(size, lambda number: b'"k%d":%b' % (number, value))


def numbers(size: int, number: bytes) -> bytes:
    """An event with an array of them."""
    return event(b'{"a":[' + filled(size, lambda _: number) + b"]}")


def repeated(size: int, value: bytes = b"0") -> bytes:
    """Members each of which is there twice."""
    return members(size // 2, value) + b"," + members(size // 2, value)


def nested(size: int) -> bytes:
    """Objects in objects, each name twice."""
    inner = b"0"
    for _ in range(20):
        inner = b'{"a":%b,"a":%b,%b}' % (b"1", inner, members(size // 20))
    return inner


BODIES: dict[str, Callable[[int], bytes]] = {
    "an event": lambda n: event(b"{" + members(n) + b"}"),
    "repeated names": lambda n: event(b"{" + repeated(n) + b',"x":NaN}'),
    "repeated names, all of them wrong": lambda n: event(b"{" + repeated(n, b"NaN") + b"}"),
    "repeated names in an array": lambda n: b"[" + event(b"{" + repeated(n) + b',"x":NaN}') + b"]",
    "repeated fields": lambda n: event(b"{}", b"," + filled(n, lambda _: b'"user_id":""')),
    "repeated leap seconds": lambda n: event(b"{}", b"," + filled(n, lambda _: b'"timestamp":"2016-12-31T23:59:60Z"')),
    "a leap second with a long fraction": lambda n: event(
        b"{}", b',"timestamp":"2016-12-31T23:59:60.' + b"9" * n + b'Z"'
    ),
    "repeated unknown fields": lambda n: event(b"{}", b"," + repeated(n)),
    "unknown fields": lambda n: event(b"{}", b"," + members(n)),
    "nested repeats": lambda n: event(nested(n)[:-1] + b',"x":NaN}'),
    "NaN everywhere": lambda n: event(b'{"a":[' + filled(n, lambda _: b"NaN") + b"]}"),
    "events with NaN": lambda n: b"[" + filled(n, lambda _: event(b'{"a":NaN}')) + b"]",
    "a NaN behind events": lambda n: b"[" + filled(n, lambda _: event(b"{}")) + b",NaN]",
    "half surrogate pairs": lambda n: event(b'{"a":[' + filled(n, lambda _: b'"\\ud800"') + b"]}"),
    "half a surrogate pair in a long text": lambda n: event(b'{"a":"' + b"\\u00e9" * (n // 6) + b'\\ud800"}'),
    "U+0000 in names": lambda n: event(b"{" + filled(n, lambda number: b'"\\u0000%d":0' % number) + b"}"),
    "wrong values below a long name": lambda n: event(b'{"' + b"a" * (n // 2) + b'":[' + b"NaN," * (n // 8) + b"0]}"),
    "right values below a long name": lambda n: event(
        b'{"' + b"a" * (n // 2) + b'":[' + b"0," * (n // 4) + b'"\\u0000"]}'
    ),
    "a long integer": lambda n: event(b'{"a":' + b"9" * n + b"}"),
    "integers of 4,300 digits": lambda n: event(b'{"a":[NaN,' + filled(n, lambda _: b"9" * 4300) + b"]}"),
    "a long fraction": lambda n: event(b'{"a":NaN,"b":0.' + b"9" * n + b"}"),
    "deep arrays": lambda n: b"[" * (n // 2) + b"]" * (n // 2),
    "deep objects": lambda n: event(b'{"a":' * (n // 6) + b"0" + b"}" * (n // 6)),
    "open brackets": lambda n: b"[" * n,
    "an open string": lambda n: b'["' + b'\\"' * (n // 2),
    "open strings": lambda n: b"[" + b'"\\' * (n // 2),
    "empty strings": lambda n: b"[" + filled(n, lambda _: b'""') + b",NaN]",
    "numbers": lambda n: b"[" + b"1," * (n // 2) + b"1]",
    "blanks": lambda n: b" " * n + b"[" + b" " * n + b"NaN]",
    "no JSON": lambda n: b"[" + b"a" * n,
    "commas": lambda n: b"[" + b"," * n + b"]",
}

ITEMS: dict[str, Callable[[int], bytes]] = {
    "integers beyond 64 bits": lambda n: filled(n, lambda number: b"%d" % (2**64 + number)),
    "integers of 64 bits that are one double": lambda n: filled(n, lambda number: b"%d" % (2**63 + number % 1000)),
    "integers of many digits": lambda n: filled(n, lambda number: b"%d" % (10**1000 + number)),
    "objects": lambda n: filled(n, lambda number: b'{"a":%d,"b":[]}' % number),
    "arrays of arrays": lambda n: filled(n, lambda number: f"[{number:b}]".replace("1", "[[]],").replace("0", "[],").replace(",]", "]").encode()),
    "large doubles": lambda n: filled(n, lambda number: b"%de300" % (number + 1)),
}  # fmt: skip

NUMBERS: dict[str, Callable[[int], bytes]] = {
    "short": lambda n: numbers(n, b"1.5"),
    "near the largest double": lambda n: numbers(n, b"1e308"),
    "near the smallest double": lambda n: numbers(n, b"5e-324"),
    "zero with an exponent": lambda n: numbers(n, b"0e0"),
    "between two doubles": lambda n: numbers(n, b"1" * 700 + b"e-1000"),
    "beyond doubles": lambda n: numbers(n, b"1e400"),
    "long exponents": lambda n: numbers(n, b"1e" + b"0" * 400 + b"1"),
    "in small events": lambda n: b"[" + filled(n, lambda _: numbers(300, b"1e308")) + b"]",
    "in a user id": lambda n: b'{"user_id":[' + filled(n, lambda _: b"1e308") + b"]}",
    "in a text": lambda n: event(b'{"a":"' + b"1e308," * (n // 6) + b'"}'),
}

LINES: dict[str, Callable[[int], bytes]] = {
    "events": lambda n: filled(n, lambda _: event(b"{}"), b"\n"),
    "tiny lines": lambda n: b"1\n" * (n // 2),
    "blank lines": lambda n: b"\n" * n,
    "lines of blanks": lambda n: b" \r\n" * (n // 3),
    "one line": lambda n: b"1" * n,
}

SHAPES: dict[str, Shape] = {
    **{f"body: {name}": Shape(make, parse_body) for name, make in BODIES.items()},
    **{f"numbers: {name}": Shape(make, parse_body) for name, make in NUMBERS.items()},
    **{f"NDJSON: {name}": Shape(make, read_lines) for name, make in LINES.items()},
    "gzip: one member": Shape(lambda n: gzip.compress(bytes(64 * n)), unzip),
    "gzip: empty members": Shape(lambda n: gzip.compress(b"") * (n // 20), unzip),
    "gzip: small members": Shape(lambda n: gzip.compress(b"1") * (n // 21), unzip),
    "gzip: zeros behind": Shape(lambda n: gzip.compress(b"1") + bytes(n), unzip),
    "gzip: a long name": Shape(lambda n: gzip.compress(b"1")[:3] + b"\x08" + bytes(6) + b"a" * n, unzip),
    "question: numbers near the largest double": Shape(
        lambda n: b'{"a":[' + filled(n, lambda _: b"1e308") + b"]}", read_question
    ),
    "question: numbers near the smallest double": Shape(
        lambda n: b'{"a":[' + filled(n, lambda _: b"5e-324") + b"]}", read_question
    ),
    **CLIENT_SHAPES,
    **FILTER_SHAPES,
    **LOG_SHAPES,
    "head: parameters": Shape(lambda n: filled(n, lambda number: b"a%d=%%41" % number, b"&"), read_parameters),
    "head: one parameter": Shape(lambda n: b"write_key=" + b"%41" * (n // 3), read_parameters),
    "head: a long key": Shape(lambda n: b"Bearer wk_" + b"a" * n, read_key),
    "head: a key of blanks": Shape(lambda n: b"Bearer" + b" " * n + b"_", read_key),
    **{f"unique: {name}": Shape(make, check_unique) for name, make in ITEMS.items()},
    **{f"listed: {name}": Shape(make, check_listed) for name, make in ITEMS.items()},
    **{
        f"written: {name}": Shape(
            lambda n, number=number: b'{"enum":[' + filled(n, lambda _: number) + b"]}", read_written
        )
        for name, number in {
            "short": b"1.5",
            "near the largest double": b"1e308",
            "near the smallest double": b"5e-324",
        }.items()
    },
    "schema: members": Shape(lambda n: b'{"properties":{' + members(n, b'{"type":"string"}') + b"}}", read_schema),
    "schema: definitions below a long name": Shape(
        lambda n: b'{"$defs":{"' + b"a" * (n // 2) + b'":{"anyOf":[' + filled(n // 2, lambda _: b"true") + b"]}}}",
        read_schema,
    ),
    "schema: references": Shape(
        lambda n: b'{"$defs":{"a":true},"allOf":[' + filled(n, lambda _: b'{"$ref":"#/$defs/a"}') + b"]}", read_schema
    ),
    "schema: an enum": Shape(lambda n: b'{"enum":[' + filled(n, lambda number: b'"%d"' % number) + b"]}", read_schema),
    "schema: required": Shape(
        lambda n: b'{"required":[' + filled(n, lambda number: b'"%d"' % number) + b"]}", read_schema
    ),
    "schema: a long pattern": Shape(lambda n: b'{"pattern":"' + b"a" * n + b'"}', read_schema),
    "schema: patterns": Shape(
        lambda n: b'{"anyOf":[' + filled(n, lambda number: b'{"pattern":"a%d"}' % number) + b"]}", read_schema
    ),
    "schema: an enum of arrays": Shape(
        lambda n: b'{"enum":[' + filled(n, lambda number: b"[%d]" % number) + b"]}", read_schema
    ),
}
