"""Numbers with large exponents: they are read exactly, and counted with the length in which PostgreSQL writes them."""

import json
import random
from datetime import UTC, datetime

import pytest
import requests

from event_tracker.collector.parsing.number_lengths import NumberReader
from event_tracker.collector.parsing.parser import Parser
from event_tracker.collector.post_event import split_body
from event_tracker.core.http.errors import Problem

MOST = 65_536
LITERALS = [
    "1e308", "-1.7976931348623157e308", "1E+0308", "5e-324", "2.2250738585072011e-308", "1e-400", "-0.0", "-1e-400", "0e0", "0e999",
    "1e22", "1e23", "-1.5e-7", "1e15", "1e16", "9007199254740993.0", "9007199254740992.5", "1e-15", "9.99e-16", "12.5",
    "0." + "0" * 300 + "1", "1" * 309, "1" * 300 + ".5", "1" * 800 + "e-1100", "1e" + "0" * 400 + "5", "0." + "0" * 400 + "1e600",
]  # fmt: skip
LARGEST = "1e308"
DIGITS = 309

parser = Parser(max_event_bytes=MOST, max_body_bytes=MOST * 16, earliest=datetime(2000, 1, 1, tzinfo=UTC))


def event(values, rest=""):
    return '{"user_id":"ann","event_type":"view","properties":{"a":[' + ",".join(values) + "]" + rest + "}}"


def parse(*events, batch=True):
    body = "[" + ",".join(events) + "]" if batch else events[0]
    return parser.read(split_body(body.encode(), 1000), source="shop")


def size_of(number):
    numbers = NumberReader()
    numbers.read(number)
    return len(number) + numbers.added


def exactly(values):
    """As text, which tells -0.0 from 0.0 and a double from an integer."""
    return list(map(repr, values))


def test_numbers_are_read_as_they_are():
    chosen = random.Random(7)
    some = [f"{chosen.choice('-1')}{chosen.randrange(10**18)}e{chosen.randrange(-345, 290)}" for _ in range(2000)]
    for values in (LITERALS, *(some[start : start + 100] for start in range(0, 2000, 100))):
        (row,) = parse(event(values)).rows
        assert exactly(json.loads(row.properties)["a"]) == exactly(map(json.loads, values))


def test_what_is_stored_comes_back(collector, owner):
    values = [float(value) for value in LITERALS if "e" in value.lower()]
    answer = requests.post(
        f"{collector.url}/events", data=event(map(repr, values)), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 201
    ((stored,),) = owner.execute(
        "select properties ->> 'a' from events where event_id = %s", [answer.json()["event_id"]]
    )
    assert [float(value) for value in json.loads(stored)] == values


@pytest.mark.parametrize(
    "number", ["1e308", "-1.7976931348623157e308", "5e-324", "2.2250738585072011e-308", "1e-300", "-1e22", "1.5e-16"]
)
def test_a_number_counts_as_long_as_postgresql_writes_it(owner, number):
    (row,) = parse(event([number])).rows
    ((written,),) = owner.execute("select octet_length((%s::jsonb #> '{a,0}')::text)", [row.properties.decode()])
    assert -1 <= size_of(number) - written <= 17


@pytest.mark.parametrize("number", ["0." + "0" * 300 + "1", "1" * 309, "1e15", "1.5e-7", "12.5", "1e-400", "0e0"])
def test_a_number_that_is_written_no_longer_counts_as_it_was_sent(number):
    assert size_of(number) == len(number)


def test_an_event_is_as_large_as_it_is_written_out():
    most = MOST // (DIGITS + 1)
    fitting, large = event([LARGEST] * (most - 1)), event([LARGEST] * (most + 1))
    parsed = parse(fitting, large, event(["1"]))
    assert len(parsed.rows) == 2
    assert [(error.pointer, error.code) for error in parsed.errors] == [("/1", "event_too_large")]
    assert "65536 bytes with its numbers written out" in parsed.errors[0].detail
    assert [refused.raw for refused in parsed.refused] == [large.encode()]
    with pytest.raises(Problem) as raised:
        parse(large, batch=False)
    assert (raised.value.status, raised.value.code) == (413, "event_too_large")
    assert "with its numbers written out" in raised.value.detail


def test_all_events_of_a_request_may_be_as_large_as_its_body():
    one = event([LARGEST] * 200)
    fitting = MOST * 16 // (200 * (DIGITS - len(LARGEST)))
    assert len(parse(*[one] * fitting).rows) == fitting
    with pytest.raises(Problem) as raised:
        parse(*[one] * (fitting + 1))
    assert (raised.value.status, raised.value.code) == (413, "body_too_large")


def test_what_only_looks_like_a_number_counts_as_it_was_sent():
    texts = ",".join(['"12e45678"', '"1e308"', '"\\"1e308"'] * 1500)
    assert len(parse(event(["1e308"], f',"b":[{texts}],"1e308":"3e300"')).rows) == 1


def test_numbers_of_a_refused_event_do_not_count_for_the_next():
    """An event is refused in the middle, after its long numbers were read; the next one has as many as fit."""
    most = MOST // (DIGITS + 1)
    refused = event([LARGEST] * (most - 1), ',"b":NaN')
    parsed = parse(refused, event([LARGEST] * (most - 1)), refused, event(["12.5"] * 10_000))
    assert [(error.pointer, error.code) for error in parsed.errors] == [
        ("/0/properties/b", "number_out_of_range"),
        ("/2/properties/b", "number_out_of_range"),
    ]
    assert len(parsed.rows) == 2
