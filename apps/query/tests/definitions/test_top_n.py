"""Top N, missing and other: GET /stats/top-properties, and the breakdowns of GET /stats/timeseries."""

from hypothesis import given

from . import make, question_strategies
from .questions import span, stats
from .strategies import EXAMPLES, cases


@EXAMPLES
@given(case=cases(question_strategies.top_properties, days=2))
def test_top_properties_are_as_defined(product, case):
    product.holds(*case)


def items(body):
    return [(item["value"], item["count"]) for item in body["items"]]


def series(body):
    return [(one["kind"], one["key"], one["total"]) for one in body["series"]]


def test_equal_counts_are_in_byte_order_of_their_names(ask):
    events = [make.event("ann", page=name) for name in ("😀", "b", "\uffff", "a", "é", "B", "", "ab", "z", "z")]
    body = ask(events, stats("top-properties", span(), key="page"))
    assert [value for value, _ in items(body)] == ["z", "", "B", "a", "ab", "b", "é", "\uffff", "😀"]


def test_a_property_that_is_null_is_missing(ask):
    events = [make.event("ann", page=None), make.event("ann"), make.event("ann", page="")]
    body = ask(events, stats("top-properties", span(), key="page"))
    assert (items(body), body["total"], body["missing"]) == ([("", 1)], 1, 2)
    body = ask(events, stats("timeseries", span(), breakdown="property:page"))
    assert series(body) == [("value", "", 1), ("missing", None, 2)]


def test_values_that_read_the_same_are_one(ask):
    events = [make.event("ann", page=value) for value in (1, "1", True, "true", [1, "x"], '[1, "x"]')]
    body = ask(events, stats("top-properties", span(), key="page"))
    assert items(body) == [("1", 2), ('[1, "x"]', 2), ("true", 2)]


def test_equal_numbers_are_one_value(ask, product):
    spelled = (20, "20", 20.0, "20.00", "020", -1.50, "-1.5", 100, "7.", True)
    events = [make.event(f"u{n}", page=value) for n, value in enumerate(spelled)]
    expected = [("20", 4), ("-1.5", 2), ("020", 1), ("100", 1), ("7.", 1), ("true", 1)]
    assert items(ask(events, stats("top-properties", span(), key="page"))) == expected
    filtered = stats("top-properties", span(properties={"page": "20.000"}), key="page")
    assert items(product.ask(filtered, events)) == [("20", 4)]
    for metric in ("events", "users", "sessions"):
        asked = stats("timeseries", span(), metric=metric, breakdown="property:page", limit=10)
        assert series(product.ask(asked, events)) == [("value", key, count) for key, count in expected]
    entries = product.ask(stats("sessions", span(), by="property:page"), events)["entries"]
    assert [(entry["key"], entry["count"]) for entry in entries] == expected
    paths = product.ask(stats("paths", span(), by="property:page", start="20.0"), events)
    assert (paths["occurrences"], paths["paths"][0]["keys"]) == (4, ["20"])


def test_event_types_are_texts(ask):
    events = [make.event("ann", event_type="1"), make.event("ann", event_type="1.0")]
    body = ask(events, stats("timeseries", span(), breakdown="event_type"))
    assert series(body) == [("value", "1", 1), ("value", "1.0", 1)]


def test_other_counts_a_user_once(ask):
    events = [make.event("ann", event_type=name) for name in "aabbc"] + [
        make.event("bob", event_type=name) for name in "ac"
    ]
    by_type = {"metric": "users", "breakdown": "event_type"}
    body = ask(events, stats("timeseries", span(), limit=1, **by_type))
    assert series(body) == [("value", "a", 2), ("other", None, 2)]
    body = ask(events, stats("timeseries", span(), limit=2, **by_type))
    assert series(body) == [("value", "a", 2), ("value", "c", 2), ("other", None, 1)]


def test_missing_and_other_appear_only_when_they_have_events(ask):
    some = [make.event("ann", page="/a"), make.event("ann", page="/b")]
    by_page = {"breakdown": "property:page"}
    assert series(ask(some, stats("timeseries", span(), limit=2, **by_page))) == [
        ("value", "/a", 1),
        ("value", "/b", 1),
    ]
    body = ask([*some, make.event("ann")], stats("timeseries", span(), limit=1, **by_page))
    assert series(body) == [("value", "/a", 1), ("missing", None, 1), ("other", None, 1)]
    assert ask([], stats("timeseries", span(), **by_page))["series"] == []


def test_shares_are_of_the_events_that_have_the_property(ask):
    events = [
        make.event("ann", page="/a"),
        make.event("ann", page="/a"),
        make.event("ann", page="/b"),
        make.event("ann", page="/c"),
        make.event("ann"),
    ]
    body = ask(events, stats("top-properties", span(), key="page", limit=1))
    assert body["items"] == [{"value": "/a", "count": 2, "share": 0.5}]
    assert (body["total"], body["missing"]) == (4, 1)
