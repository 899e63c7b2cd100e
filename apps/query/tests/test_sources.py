"""Restriction to sources. A small cast on one database: clients of the shop, of the blog, and unrestricted ones.

A source that one may not see is answered like one that doesn't exist: to the byte.
"""

import json
import re
from datetime import timedelta
from itertools import pairwise

import pytest
import requests
from listener import listening
from waiting import wait_until

from event_tracker.query.events.store import QUERIES, _build_known
from event_tracker.query.stats.questions.top_types import build_counted

SHOP, BLOG, CLUB = "shop", "blog", "club"
RANGE = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}
DAYS = {"from": "2026-03-01", "to": "2026-03-02"}

ENDPOINTS = {
    "everybody's events": ("/events", RANGE),
    "a user's events": ("/events", {"user_id": "ann"}),
    "a foreign user's events": ("/events", {"user_id": "cem"}),
    "events of a type": ("/events", {**RANGE, "event_type": ["view", "only-club"]}),
    "events that a filter selects": ("/events", {**RANGE, "filter": ["source:one_of:shop,club", "property.at:set"]}),
    "a search": ("/events/search", RANGE),
    "an export": ("/events/export", RANGE),
    "an export as CSV": ("/events/export", {"user_id": "ann", "format": "csv"}),
    "a user's export, behind a foreign event": (
        "/events/export",
        {"after": "2026-03-01T10:02:00Z,00000000-0000-4000-8000-000000000002,ann", "user_id": "ann"},
    ),
    "top types": ("/stats/top-types", RANGE),
    "top types with edges": ("/stats/top-types", {"from": "2026-03-01T10:01:00Z", "to": "2026-03-01T12:03:00Z"}),
    "top types of all time": ("/stats/top-types", {}),
    "top types in a body": ("/stats/top-types", {"filter": {"field": "property.at", "operator": "set"}}),
    "events over time in a body": ("/stats/timeseries", {**DAYS, "breakdown": "property:at"}),
    "sessions in a body": ("/stats/sessions", {**DAYS, "by": "property:at"}),
    "events over time": ("/stats/timeseries", {**DAYS, "interval": "hour", "breakdown": "event_type"}),
    "events over half hours": ("/stats/timeseries", {**RANGE, "interval": "minute", "to": "2026-03-01T10:30:00Z", "from": "2026-03-01T10:01:00Z"}),
    "users over time": ("/stats/timeseries", {**DAYS, "metric": "users", "breakdown": "property:at"}),
    "sessions over time": ("/stats/timeseries", {**DAYS, "metric": "sessions"}),
    "users": ("/stats/users", DAYS),
    "sessions": ("/stats/sessions", DAYS),
    "sessions by a property": ("/stats/sessions", {**DAYS, "by": "property:at"}),
    "top properties": ("/stats/top-properties", {**DAYS, "key": "at"}),
    "top properties of a type": ("/stats/top-properties", {**DAYS, "key": "at", "event_type": "view"}),
    "fields": ("/stats/fields", DAYS),
    "values": ("/stats/values", {**DAYS, "field": "property.at"}),
    "values of a field": ("/stats/values", {**DAYS, "field": "user_id"}),
    "a web site": ("/stats/web", {**DAYS, "event_type": "view"}),
    "pages of a web site": ("/stats/web/top", {**DAYS, "by": "page", "event_type": "view"}),
    "retention": ("/stats/retention", {**DAYS, "period": "day"}),
    "retention of a type": ("/stats/retention", {**DAYS, "period": "day", "event_type": "view"}),
    "paths": ("/stats/paths", DAYS),
    "paths by a property": ("/stats/paths", {**DAYS, "by": "property:at", "gap": 86400}),
    "a funnel": ("/stats/funnel", {}),
    "users of events": ("/events/users", DAYS),
    "users of events of a type": ("/events/users", {**DAYS, "event_type": "view", "sort": "last"}),
    "all users": ("/users", {}),
    "a user": ("/users/ann", DAYS),
    "a user by a parameter": ("/user", {**DAYS, "user_id": "ann"}),
    "a foreign user by a parameter": ("/user", {**DAYS, "user_id": "cem"}),
    "a foreign user": ("/users/cem", DAYS),
}  # fmt: skip
"""Every question, and what it is asked with."""

FUNNEL = {**DAYS, "steps": [{"event_type": "view"}, {"event_type": "view", "properties": {"at": "blog"}}]}
BODIES = {"/stats/funnel": FUNNEL, "/events/search": {"filter": {"field": "event_type", "operator": "set"}}}


@pytest.fixture
def stored(store, minutes):
    """Ann is at all three, Bob at the shop and the blog, Cem at the club alone; a type is the club's alone."""
    people = {"ann": (SHOP, BLOG, CLUB), "bob": (BLOG, SHOP), "cem": (CLUB,)}
    return store(
        {
            "user_id": user_id,
            "timestamp": minutes(20 * number + place),
            "event_id": f"00000000-0000-4000-8000-{100 * number + place:012}",
            "source": source,
            "event_type": "only-club" if source == CLUB and number == 1 else "view",
            "properties": {"at": source},
        }
        for number in range(8)
        for user_id, sources in people.items()
        for place, source in enumerate(sources)
    )


def body_of(answer):
    """The body, without what differs from request to request."""
    return re.sub(rb'"(as_of|request_id)":"[^"]+"', b"", answer.content)


def ask(service, session, endpoint, **more):
    path, parameters = ENDPOINTS[endpoint]
    url, asked = f"{service.url}{path}", {**parameters, **more}
    if endpoint.endswith("in a body"):
        sources = asked.pop("source", None)
        body = asked if sources is None else {**asked, "source": [sources] if isinstance(sources, str) else sources}
        answer = session.post(url, json=body, timeout=30)
    elif path in BODIES:
        answer = session.post(url, params=asked, json=BODIES[path], timeout=30)
    else:
        answer = session.get(url, params=asked, timeout=30)
    assert answer.status_code in (200, 404), answer.text
    return answer.status_code, body_of(answer)


WHOLE_USERS = {"erase_user", "export_user", "erase_any_user", "export_any_user"}
"""Whose data is handed over or erased: of all sources that one may see."""


def test_every_question_about_events_takes_sources(guarded):
    """And stands among the endpoints above; /events/live and /sql have tests of their own."""
    document = requests.get(f"{guarded.url}/openapi.json", timeout=30).json()
    tried = {path.replace("/users/ann", "/users/{user_id}") for path, _ in ENDPOINTS.values()} | {
        "/events/live",
        "/sql",
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if operation["operationId"] in WHOLE_USERS or path.startswith("/admin/"):
                continue
            names = [parameter["name"] for parameter in operation.get("parameters", [])]
            if operation["operationId"].startswith("post_") or path == "/sql":
                schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                names = document["components"]["schemas"][schema.rpartition("/")[2]].get("properties", {})
            about_events = bool({"events", "stats", "users", "sql"}.intersection(operation.get("tags", [])))
            assert ("source" in names) == about_events == (path in tried), path


def test_a_plan_is_not_told_to_who_is_restricted(start_guarded, who_sees, stored):
    """It has the numbers of rows that were read, of whatever source."""
    service = start_guarded(EXPLAIN="true")
    for path, parameters in [("/stats/users", {}), ("/stats/top-properties", {"key": "at"}), ("/users/ann", {})]:
        asked = {**DAYS, **parameters, "explain": "true"}
        assert "explain" in who_sees().get(f"{service.url}{path}", params={**asked, "source": SHOP}, timeout=30).json()
        answer = who_sees(SHOP).get(f"{service.url}{path}", params=asked, timeout=30)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "explain_not_allowed")


def test_the_sources_are_those_that_one_may_see_and_that_exist(guarded, who_sees, shared_owner):
    shared_owner.execute("insert into sources (name) values ('shop'), ('blog'), ('club')")

    def names(session, query=""):
        answer = session.get(f"{guarded.url}/sources{query}", timeout=30)
        return answer.json().get("sources", answer.status_code)

    assert names(who_sees()) == ["blog", "club", "default", "shop"]
    assert names(who_sees(SHOP, "nowhere", BLOG)) == ["blog", "shop"]
    assert names(who_sees("nowhere")) == []
    assert names(who_sees(), "?source=shop") == 422
    assert names(requests.Session()) == 401


@pytest.fixture(scope="module")
def explaining(postgres, shared_database, tmp_path_factory, launcher):
    with launcher(tmp_path_factory.mktemp("explaining")) as start:
        yield start("query", DATABASE_URL=postgres.url(shared_database, "query"), EXPLAIN="true")


@pytest.mark.parametrize("path", ["/stats/timeseries", "/users/ann"])
def test_who_is_not_restricted_pays_nothing(explaining, stored, path):
    """Statements say nothing of sources then."""

    def plan(**more):
        answer = requests.get(f"{explaining.url}{path}", params={**DAYS, "explain": "true", **more}, timeout=30)
        return json.dumps(answer.json()["explain"])

    assert "(source = " not in plan()
    assert "(source = " in plan(source=SHOP)


COLUMNS = [
    path
    for path, _ in ENDPOINTS.values()
    if path == "/events/users" or (path.startswith("/stats/") and path != "/stats/top-types")
]


@pytest.mark.parametrize("path", dict.fromkeys(COLUMNS))
def test_statements_of_columns_say_nothing_of_sources(explaining, stored, path):
    """The engine restricts what they read."""
    url, asked = f"{explaining.url}{path}", {"source": SHOP, "explain": "true"}
    if path == "/stats/funnel":
        answer = requests.post(url, params=asked, json=FUNNEL, timeout=30)
    else:
        needed = {
            "/stats/top-properties": {"key": "at"},
            "/stats/values": {"field": "property.at"},
            "/stats/timeseries": {"metric": "users"},
        }
        more = needed.get(path, {})
        answer = requests.get(url, params={**DAYS, **asked, **more}, timeout=30)
    explain = answer.json()["explain"]
    assert explain["engine"] == "duckdb"
    assert SHOP not in json.dumps(explain["plan"])


def test_pages_and_counts_of_all_sources_say_nothing_of_them():
    # But for the place of a cursor of the release before, which is looked up by its key.
    assert b" source =" not in _build_known("list_events", "user_id", "event_types") + build_counted(
        False, "whole_hours", "head", "tail"
    )
    assert b" source =" in _build_known("list_events", "user_id", "sources")
    assert build_counted(True, "whole_hours", "head", "tail").count(b"source =") == 3
    assert "source" not in QUERIES["list_events.grouped"].partition("from unnest")[2].partition("where")[2]


def sources_in(answer):
    return {event["source"] for event in answer.json()["events"]}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_asking_for_what_one_may_see_is_asking_for_nothing(guarded, who_sees, stored, endpoint):
    """Who may see the shop and the blog gets the answer that anyone gets who asks for them."""
    restricted, everyone = who_sees(SHOP, BLOG), who_sees()
    answer = ask(guarded, restricted, endpoint)
    assert answer == ask(guarded, everyone, endpoint, source=[BLOG, SHOP])
    assert answer == ask(guarded, restricted, endpoint, source=[SHOP, BLOG, SHOP])
    assert answer == ask(guarded, restricted, endpoint, source=[SHOP, BLOG, CLUB])
    assert b"club" not in answer[1]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_foreign_source_is_answered_like_one_that_does_not_exist(guarded, who_sees, stored, endpoint):
    shop = who_sees(SHOP)
    missing = ask(guarded, shop, endpoint, source="nowhere")
    assert ask(guarded, shop, endpoint, source=CLUB) == missing
    assert ask(guarded, who_sees(), endpoint, source="nowhere") == missing
    assert ask(guarded, who_sees("nowhere"), endpoint) == missing
    assert ask(guarded, who_sees("nowhere"), endpoint, source=CLUB) == missing
    assert ask(guarded, shop, endpoint, source=[CLUB, SHOP]) == ask(guarded, shop, endpoint, source=["nowhere", SHOP])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_without_a_restriction_all_sources_are_one(guarded, who_sees, stored, endpoint):
    everyone = who_sees()
    assert ask(guarded, everyone, endpoint) == ask(guarded, everyone, endpoint, source=[SHOP, BLOG, CLUB])


def test_events_are_of_the_sources_that_are_asked_for(get, stored):
    assert sources_in(get("/events", user_id="ann")) == {SHOP, BLOG, CLUB}
    assert sources_in(get("/events", user_id="ann", source=CLUB)) == {CLUB}
    assert sources_in(get("/events", source=[SHOP, CLUB], from_=RANGE["from"], to=RANGE["to"])) == {SHOP, CLUB}
    assert sources_in(get("/events", user_id="bob", source=CLUB)) == set()
    lines = get("/events/export", source=BLOG).text.splitlines()
    assert {json.loads(line)["source"] for line in lines} == {BLOG}
    assert len(lines) == 16
    items = get("/stats/top-types", source=CLUB).json()["items"]
    assert {item["event_type"]: item["count"] for item in items} == {"view": 14, "only-club": 2}


def test_pages_hold_what_may_be_seen_and_leave_nothing_out(guarded, who_sees, stored):
    shop = who_sees(SHOP)
    for parameters in ({"user_id": "ann"}, RANGE):
        found, cursor = [], {}
        while cursor is not None:
            asked = {**parameters, **cursor, "limit": 3}
            body = shop.get(f"{guarded.url}/events", params=asked, timeout=30).json()
            assert len(body["events"]) == 3 or not body["next_cursor"]
            found += body["events"]
            cursor = {"cursor": body["next_cursor"]} if body["next_cursor"] else None
        users = {"ann"} if "user_id" in parameters else {"ann", "bob"}
        wanted = {str(row["event_id"]) for row in stored if row["source"] == SHOP and row["user_id"] in users}
        assert {event["event_id"] for event in found} == wanted
        assert len(found) == len(wanted)
        assert all(newer["timestamp"] >= older["timestamp"] for newer, older in pairwise(found))


def test_users_are_those_of_the_sources_in_the_order_of_what_they_did_there(guarded, who_sees, store, minutes):
    """Who was seen there long ago comes late, however lately they were seen elsewhere."""
    days = {"ann": 0, "bob": -2, "cem": -40, "dan": -400, "eve": -1}
    rows = [{"user_id": name, "timestamp": minutes(60 * 24 * day), "source": SHOP} for name, day in days.items()]
    store([*rows, *({"user_id": name, "timestamp": minutes(1), "source": CLUB} for name in ("dan", "cem", "fay"))])
    for limit in (1, 2, 3, 5, 50):
        found, cursor = [], {}
        while cursor is not None:
            asked = {**cursor, "limit": limit}
            body = who_sees(SHOP).get(f"{guarded.url}/users", params=asked, timeout=30).json()
            found += [
                (user["user_id"], user["events"], user["first_seen"] == user["last_seen"]) for user in body["users"]
            ]
            cursor = {"cursor": body["next_cursor"]} if body["next_cursor"] else None
        assert found == [(name, 1, True) for name in ("ann", "eve", "bob", "cem", "dan")]


def test_a_cursor_of_users_belongs_to_whom_it_was_given(guarded, who_sees, stored):
    everyone, shop = who_sees(), who_sees(SHOP)
    cursor = everyone.get(f"{guarded.url}/users", params={"limit": 1}, timeout=30).json()["next_cursor"]
    answer = shop.get(f"{guarded.url}/users", params={"cursor": cursor}, timeout=30)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "other_filters")


@pytest.mark.parametrize("path", ["/events", "/events/export"])
def test_a_cursor_belongs_to_whom_it_was_given(guarded, who_sees, stored, path):
    """Others may see other events: theirs begin elsewhere."""
    everyone, shop = who_sees(), who_sees(SHOP)
    asked = {"user_id": "ann", "limit": 2}
    cursors = {
        "everyone's": everyone.get(f"{guarded.url}/events", params=asked, timeout=30).json()["next_cursor"],
        "shop's": shop.get(f"{guarded.url}/events", params=asked, timeout=30).json()["next_cursor"],
    }

    def go_on(session, whose, **more):
        answer = session.get(f"{guarded.url}{path}", params={**asked, "cursor": cursors[whose], **more}, timeout=30)
        return answer.status_code, answer.json()["errors"][0]["code"] if answer.status_code == 422 else ""

    assert go_on(everyone, "everyone's") == (200, "")
    assert go_on(shop, "shop's") == (200, "")
    assert go_on(who_sees(SHOP), "shop's") == (200, "")
    for session, whose, more in [
        (shop, "everyone's", {}),
        (everyone, "shop's", {}),
        (who_sees(BLOG), "shop's", {}),
        (who_sees(SHOP, BLOG), "shop's", {}),
        (everyone, "everyone's", {"source": SHOP}),
    ]:
        assert go_on(session, whose, **more) == (422, "other_filters")


def test_a_stream_tells_what_may_be_seen(guarded, who_sees, store, minutes):
    def sources_of(listener):
        return [data["source"] for kind, data, _ in listener.received if kind == "event"]

    with (
        listening(guarded, who_sees(SHOP).headers) as shop,
        listening(guarded, who_sees(SHOP, BLOG).headers, source=[BLOG, CLUB]) as blog,
        listening(guarded, who_sees(SHOP).headers, source=CLUB) as foreign,
        listening(guarded, who_sees().headers) as everyone,
    ):
        store({"timestamp": minutes(n), "source": (SHOP, BLOG, CLUB)[n % 3]} for n in range(9))
        wait_until(lambda: len(everyone.received) == 9)
        wait_until(lambda: len(shop.received) == len(blog.received) == 3)
        assert (set(sources_of(shop)), set(sources_of(blog)), sources_of(foreign)) == ({SHOP}, {BLOG}, [])
        assert sorted(sources_of(everyone)) == sorted([SHOP, BLOG, CLUB] * 3)


def test_a_page_is_full_though_foreign_events_lie_between(guarded, who_sees, store, minutes):
    """The last hour is read first; what it holds for others counts for nothing."""
    store({"timestamp": minutes(-n / 100), "source": CLUB} for n in range(300))
    store({"timestamp": minutes(-60 * 24 + n), "source": SHOP} for n in range(5))
    until = (minutes(0) + timedelta(seconds=1)).isoformat()
    asked = {"from": minutes(-60 * 30).isoformat(), "to": until, "limit": 4}
    body = who_sees(SHOP).get(f"{guarded.url}/events", params=asked, timeout=30).json()
    assert [event["source"] for event in body["events"]] == [SHOP] * 4
    assert body["next_cursor"]
