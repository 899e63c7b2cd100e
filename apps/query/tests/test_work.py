"""Reading a request takes work in proportion to its size. The steps of Python are counted at n and at 4 n; nothing is timed."""

import json
import sys
from collections.abc import Callable

import msgspec
import pytest
from flask import Flask

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.memory_budget import BUDGET, MemoryBudget
from event_tracker.query.auth.routes import SignInSchema
from event_tracker.query.events.event_pages import decode
from event_tracker.query.events.parameters import ListEventsSchema
from event_tracker.query.parameters import QueryStringReader
from event_tracker.query.request_body import MAX_VALUES, read_json
from event_tracker.query.stats.questions.funnel import FunnelSchema

TIMES = 4
MAX_TIMES = 5
"""As much work for so many times the size: linear, with something to spare."""


def steps_of(work: Callable[[], object]) -> int:
    """Lines and calls of Python, and calls of C, that the work takes."""
    steps = 0

    def count_line(*_):
        nonlocal steps
        steps += 1
        return count_line

    def count_call(*_):
        nonlocal steps
        steps += 1

    sys.settrace(count_line)
    sys.setprofile(count_call)
    try:
        work()
    except (Problem, ValueError):
        pass  # a refusal costs as well
    finally:
        sys.setprofile(None)
        sys.settrace(None)
    return steps


def require_linear(read: Callable[[str], object], shape: Callable[[int], str], size: int) -> None:
    small, large = shape(size), shape(TIMES * size)
    steps_of(lambda: read(small))  # what is made once is made before
    few, many = steps_of(lambda: read(small)), steps_of(lambda: read(large))
    assert many <= MAX_TIMES * few + 200, f"{few} steps became {many}"


READER = QueryStringReader(ListEventsSchema)

QUERIES = {
    "unknown parameters": lambda n: "&".join(f"x{i}=1" for i in range(n)),
    "one parameter, repeated": lambda n: "&".join(["user_id=a"] * n),
    "a repeatable one": lambda n: "&".join(["event_type=a"] * n),
    "properties": lambda n: "&".join(f"property.p{i}=1" for i in range(n)),
    "comparisons that don't exist": lambda n: "&".join(f"property.p{i}!=1" for i in range(n)),
    "signs of comparisons": lambda n: "property." + "!" * 40 * n + "a",
    "a property, repeated": lambda n: "&".join(["property.p=1"] * n),
    "a long value": lambda n: "user_id=" + "a" * 40 * n,
    "a long name": lambda n: "a" * 40 * n + "=1",
    "dots": lambda n: "." * 40 * n,
    "percent signs": lambda n: "user_id=" + "%41" * 10 * n,
}


@pytest.mark.parametrize("name", QUERIES)
def test_query_strings(name):
    require_linear(READER.read, QUERIES[name], 40)


BODIES = {
    "unknown members": lambda n: json.dumps({str(i): 0 for i in range(n)}),
    "a member, repeated": lambda n: "{" + ",".join(['"steps":[]'] * n) + "}",
    "steps": lambda n: json.dumps({"steps": [{"event_type": "a"}] * n}),
    "steps of unknown members": lambda n: json.dumps({"steps": [{"x": 0}] * n}),
    "empty lists": lambda n: json.dumps({"steps": [[]] * n}),
    "properties": lambda n: json.dumps(
        {"steps": [{"event_type": "a", "properties": {str(i): "x" for i in range(n)}}] * 2}
    ),
    "a deep list": lambda n: "[" * n + "]" * n,
    "a long text": lambda n: json.dumps({"from": "a" * 40 * n}),
    "a long number": lambda n: '{"window":' + "9" * n + "}",
}


def read_body(schema):
    def read(body):
        with Flask("x").test_request_context(environ_overrides={BUDGET: MemoryBudget(2**30)}):
            return read_json(schema, body.encode())

    return read


@pytest.mark.parametrize("schema", [FunnelSchema(), SignInSchema()], ids=["funnel", "sign-in"])
@pytest.mark.parametrize("name", BODIES)
def test_bodies(name, schema):
    require_linear(read_body(schema), BODIES[name], 250)


@pytest.mark.parametrize("shape", [lambda n: "A" * 40 * n, lambda n: "=" * 40 * n, lambda n: "!" * 40 * n])
def test_cursors(shape):
    require_linear(decode, shape, 50)


def test_a_list_that_is_too_long_is_refused_before_its_items_are_checked():
    long, short = (json.dumps({"steps": [{"x": 0}] * many}) for many in (5000, 10))
    assert steps_of(lambda: read_body(FunnelSchema())(long)) < 20 * steps_of(lambda: read_body(FunnelSchema())(short))


def test_a_body_of_too_many_values_is_refused_before_it_is_checked():
    body = msgspec.json.encode({"steps": [[]] * (MAX_VALUES + 1)})
    with pytest.raises(Problem) as refused:
        read_body(FunnelSchema())(body.decode())
    assert refused.value.extra["errors"][0].code == "too_many"
    few = steps_of(lambda: read_body(FunnelSchema())(body.decode()))
    allowed = msgspec.json.encode({"steps": [[]] * 500})
    assert few < steps_of(lambda: read_body(FunnelSchema())(allowed.decode()))
