"""GET /stats/fields and /stats/values: what they suggest, of which events, to whom."""

from datetime import UTC, datetime

import pytest
import requests
from world import World, an_event

from event_tracker.core.secrets.keys import make_key
from event_tracker.query.filters.grammar import OPERATORS

DAYS = {"from": "2026-03-01", "to": "2026-03-09"}
FIXED = ["event_type", "user_id", "session_id", "source", "timestamp", "received_at"]

ODD = ["a.b", "a:b", r"back\slash", "it's", 'say "x"', "Ünïcödé 👋", "**bold** <b>", "$.a[*]", "/a~1", " ", "x" * 200]
"""Names of properties, which are values, too."""


@pytest.fixture
def suggest(shared_query, shared_owner):
    """suggest("fields", prefix="p") on the shared database, with a look at nothing but the suggestions."""

    def suggest(what, url=shared_query.url, session=requests, **parameters):
        answer = session.get(f"{url}/stats/{what}", params={**DAYS, **parameters}, timeout=30)
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        return [item["field"] for item in items if item["field"] not in FIXED] if what == "fields" else items

    return suggest


def test_each_field_has_its_operators_and_each_operator_its_values(get):
    answer = get("/stats/fields", **DAYS).json()
    found = {item["field"]: item for item in answer["items"]}
    assert list(found) == FIXED
    assert found["event_type"] == {"field": "event_type", "type": "text", "operators": list(OPERATORS)}
    assert found["timestamp"] == {"field": "timestamp", "type": "time", "operators": ["gt", "gte", "lt", "lte"]}
    assert answer["operators"] == {
        **dict.fromkeys(OPERATORS, "one"), "set": "none", "not_set": "none", "one_of": "list",
    }  # fmt: skip


def test_the_commonest_come_first(store, minutes, suggest):
    properties = (
        [{"plan": "pro", "page": "/"}] * 3
        + [{"plan": "free", "page": "/"}] * 2
        + [{"page": "/a"}, {"zip": 20.0}, {"zip": 20}]
    )
    store({"timestamp": minutes(number), "properties": one} for number, one in enumerate(properties))
    assert suggest("fields") == ["property.page", "property.plan", "property.zip"]
    assert suggest("fields", limit=8) == ["property.page", "property.plan"]
    assert suggest("values", field="property.plan") == ["pro", "free"]
    assert suggest("values", field="property.page", limit=1) == ["/"]
    assert suggest("values", field="property.zip") == ["20"]
    assert suggest("values", field="property.none") == []
    assert suggest("values", field="timestamp") == []


def test_fields_of_events_have_values_too(store, minutes, suggest):
    store(
        {"timestamp": minutes(number), "user_id": user, "event_type": "view", "session_id": "s"}
        for number, user in enumerate("aab")
    )
    assert suggest("values", field="user_id") == ["a", "b"]
    assert suggest("values", field="event_type") == ["view"]
    assert suggest("values", field="session_id") == ["s"]
    assert suggest("values", field="source") == ["default"]


def test_members_of_objects_have_values(store, suggest):
    store([{"properties": {"cart": {"total": 12.50, "a.b": "x"}}}])
    assert suggest("values", field="property.cart.total") == ["12.5"]
    assert suggest("values", field=r"property.cart.a\.b") == ["x"]


def test_a_prefix_is_matched_in_upper_or_lower_case(store, suggest):
    store([{"properties": {"Plan": "Pro", "page": "100%_x", "ID": "ÄB"}}])
    assert suggest("fields", prefix="P") == ["property.Plan", "property.page"]
    assert suggest("fields", prefix="property.pl") == ["property.Plan"]
    assert suggest("fields", prefix="property.") == ["property.ID", "property.Plan", "property.page"]
    assert suggest("fields", prefix="q") == []
    assert suggest("values", field="property.Plan", prefix="pR") == ["Pro"]
    assert suggest("values", field="property.page", prefix="100%") == ["100%_x"]
    assert suggest("values", field="property.page", prefix="%") == []
    assert suggest("values", field="property.ID", prefix="äb") == ["ÄB"]


def test_odd_names_and_values_can_be_used_in_filters_as_they_are(store, minutes, suggest, get):
    store({"timestamp": minutes(number), "properties": {name: name}} for number, name in enumerate(ODD))
    fields = suggest("fields")
    assert len(fields) == len(ODD)
    values = [value for field in fields for value in suggest("values", field=field)]
    assert sorted(values) == sorted(ODD)
    for field, value in zip(fields, values, strict=True):
        answer = get("/stats/timeseries", **DAYS, interval="month", filter=f"{field}:is:{value}")
        assert answer.json()["series"][0]["total"] == 1, field


def test_what_no_filter_can_name_and_long_values_are_left_out(store, suggest):
    store([{"properties": {"": "x", "y" * 201: "x", "long": "z" * 201, "empty": "", "null": None}}])
    assert suggest("fields") == ["property.empty", "property.long", "property.null"]
    for name in ("long", "empty", "null"):
        assert suggest("values", field=f"property.{name}") == []


def test_only_events_of_the_range_count(store, minutes, suggest):
    store(
        [
            {"timestamp": minutes(0), "properties": {"in": "1"}},
            {"timestamp": minutes(60 * 24 * 10), "properties": {"out": "1"}},
        ]
    )
    assert suggest("fields") == ["property.in"]
    assert suggest("values", field="property.out") == []


@pytest.mark.parametrize(
    ("path", "parameter", "code"),
    [
        ("values", "field", "required"),
        ("values?field=page", "field", "unknown_field"),
        (r"values?field=property.a\b", "field", "unknown_field"),
        ("values?field=property.a.b.c.d.e.f", "field", "too_deep"),
        ("values?field=source&limit=1001", "limit", "limit_out_of_range"),
        ("values?field=source&prefix=" + "x" * 201, "prefix", "length"),
        ("fields?prefix=%00", "prefix", "nul_character"),
        ("fields?filter=source:set", "filter", "unknown_parameter"),
        ("fields?from=2026-03-02&to=2026-03-01", "from", "reversed_range"),
    ],
)
def test_what_is_wrong_is_told(get, path, parameter, code):
    answer = get(f"/stats/{path}")
    assert answer.status_code == 422
    assert [(error["parameter"], error["code"]) for error in answer.json()["errors"]] == [(parameter, code)]


@pytest.mark.parametrize("field", ["user_id", "session_id"])
def test_who_sees_numbers_alone_gets_no_ids(store, guarded, shared_owner, suggest, field):
    store([{"session_id": "s", "properties": {"plan": "pro"}}])
    key = make_key("rt")
    shared_owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{read_stats}')",
        [key.prefix, key.hash],
    )
    viewer = requests.Session()
    viewer.headers["Authorization"] = f"Bearer {key.key}"
    answer = viewer.get(f"{guarded.url}/stats/values", params={**DAYS, "field": field}, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_required")
    assert suggest("values", guarded.url, viewer, field="property.plan") == ["pro"]


def test_other_sources_suggest_nothing_to_who_is_restricted(store, guarded, who_sees, suggest):
    store({"source": source, "user_id": source, "properties": {f"of_{source}": source}} for source in ("shop", "club"))
    shop = who_sees("shop")
    assert suggest("fields", guarded.url, shop) == ["property.of_shop"]
    assert suggest("fields", guarded.url, shop, source="club") == []
    assert suggest("values", guarded.url, shop, field="property.of_club") == []
    assert suggest("values", guarded.url, shop, field="user_id") == ["shop"]
    assert suggest("values", guarded.url, shop, field="source") == ["shop"]


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


def test_from_blocks_and_rows_and_nothing_that_was_erased(world, suggest):
    """Of a day that is over there are blocks. What is erased isn't suggested any more from the next request on."""
    url, admin = world.query.url, requests.Session()
    admin.headers.update(world.admin())
    today = datetime.now(UTC).replace(microsecond=0).isoformat()
    keys = {name: world.make_source(name) for name in ("shop", "club")}
    for number in range(3):
        world.send(
            [an_event("ann", "2026-03-01T10:00:00Z", number, properties={"secret": "ann's", "plan": "pro"})],
            keys["shop"],
        )
        world.send([an_event("bob", "2026-03-02T10:00:00Z", number, properties={"plan": "free"})], keys["shop"])
        world.send([an_event("eve", "2026-03-02T10:00:00Z", number, properties={"club": "x"})], keys["club"])
    world.maintain()
    world.send([an_event("bob", today, 9, properties={"plan": "team", "new": "1"})], keys["shop"])
    until = {"to": "2999-01-01"}

    def fields(**more):
        return suggest("fields", url, admin, **until, **more)

    def values(field, **more):
        return suggest("values", url, admin, field=field, **until, **more)

    assert fields() == ["property.plan", "property.new", "property.club", "property.secret"]
    assert fields(source="shop") == ["property.plan", "property.new", "property.secret"]
    assert values("property.plan") == ["free", "pro", "team"]
    assert values("property.club", source="shop") == []
    assert values("property.secret") == ["ann's"]
    assert values("user_id", source="shop") == ["bob", "ann"]
    world.erase("ann").raise_for_status()
    assert fields() == ["property.plan", "property.new", "property.club"]
    assert values("property.secret") == []
    assert values("property.plan") == ["free", "team"]
    assert values("user_id", source="shop") == ["bob"]
