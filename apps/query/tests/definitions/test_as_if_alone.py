"""A client restricted to two of three sources gets, byte for byte, the answers of a database with these two sources only.

There are two databases, each with both services. `whole` has all events and is queried with a token for two sources. `part` has
only the events of these two sources and is queried without credentials. It has no restrictions, so it can't forget one.
"""

import base64
import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listener import listening
from waiting import wait_until

from event_tracker.core.secrets.keys import make_key

from .product import Question
from .question_strategies import anything
from .reference.events import of_sources
from .strategies import EXAMPLES, selections
from .test_after_maintenance import ANCHOR, DAYS, ZONE, many, missing_states

SEEN = ("blog", "shop")
FOREIGN = "default"

FROM, TO = ANCHOR - timedelta(days=DAYS + 2), ANCHOR + timedelta(days=DAYS + 2)
WEEK = {"from": (ANCHOR - timedelta(days=3)).isoformat(), "to": (ANCHOR + timedelta(days=4)).isoformat()}
SOURCES = st.sampled_from([None, None, None, ("shop",), ("blog", "default"), ("default",), ("nowhere", "shop")])


def spread(events):
    """Some days have events of the two sources alone, some of all, some, and the first, of the third alone: summaries are used
    or not, and people were there before. One of them never comes elsewhere."""
    first = min(event.at for event in many(160)).toordinal()
    by_day = {0: (FOREIGN,), 1: ("shop", "blog", FOREIGN), 2: ("shop", "blog")}

    def source(event):
        sources = by_day[(event.at.toordinal() - first) % 3] if event.user_id != "bob" else (FOREIGN,)
        return sources[event.event_id.bytes[0] % len(sources)]

    return [replace(event, source=source(event)) for event in events]


FIRST, LATE, LATER = spread(many(160)), spread(many(61)), spread(many(37))


class Pair:
    """Both databases. They differ only in the events that may not be seen."""

    def __init__(self, whole, part):
        self.whole, self.part = whole, part

    def both(self):
        return self.whole, self.part

    def store(self, events):
        self.whole.store(events, request=7)
        self.part.store(of_sources(events, SEEN), request=7)
        for product in self.both():
            # When it was received is the one thing that differs from one database to the other.
            product.owner.execute("update events set received_at = '2026-01-01'")

    def maintain(self):
        for product in self.both():
            product.maintain()

    def same(self, question):
        """The answer, which is the same from both."""
        answers = [product.get(question) for product in self.both()]
        assert [answer.status_code for answer in answers] in ([200, 200], [404, 404]), answers[0].text
        of_whole, of_part = map(comparable, answers)
        assert of_whole == of_part, question
        return answers[0]


@pytest.fixture(scope="module")
def pair(make_product):
    whole, part = make_product(AUTH="required"), make_product()
    key = make_key("rt")
    whole.owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes, sources) values (%s, 'x', %s, %s, %s)",
        [key.prefix, key.hash, ["read_stats", "read_events", "export"], list(SEEN)],
    )
    return Pair(replace(whole, credentials={"Authorization": f"Bearer {key.key}"}), part)


STATES = ["new", "summarised", "late events", "summarised again"]


@pytest.fixture(scope="module")
def reached():
    """The states that both databases have passed through."""
    return []


@pytest.fixture(scope="module", params=STATES)
def history(request, pair, reached):
    """The state that both databases are in: each follows from the one before."""
    for state in missing_states(STATES, request.param, reached):
        if state == "new":
            for product in pair.both():
                product.clear()
            pair.store(FIRST)
        elif state == "late events":
            pair.store(LATE)
        else:
            pair.maintain()


def comparable(answer):
    """An answer's bytes, without what differs from one moment to the next, and the digest of the filters in cursors."""
    body = re.sub(rb'"(as_of|request_id)":"[^"]+"', b"", answer.content)
    return re.sub(rb'"next_cursor":"([^"]+)"', lambda found: place(found[1]), body)


def place(cursor):
    _, *rest = json.loads(base64.urlsafe_b64decode(cursor + b"=="))
    return json.dumps(rest).encode()


def question(path, **parameters):
    pairs = [(name, value) for name, value in parameters.items() if not isinstance(value, list)]
    pairs += [(name, one) for name, value in parameters.items() if isinstance(value, list) for one in value]
    return Question(path, [(name, str(value)) for name, value in pairs], lambda events: None)


@settings(EXAMPLES, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=selections(FIRST + LATE, ZONE, ANCHOR, DAYS).flatmap(anything), sources=SOURCES)
def test_every_number_is_the_same(pair, history, asked, sources):
    pair.same(replace(asked, sources=sources))


FOREIGNS = sorted(event.at for event in FIRST if event.source == FOREIGN)
WITHIN_HOURS = {
    "from": (FOREIGNS[0] + timedelta(seconds=1)).isoformat(),
    "to": (FOREIGNS[-1] + timedelta(seconds=1)).isoformat(),
}
RANGES = [{}, WITHIN_HOURS, {"from": FROM.isoformat(), "to": TO.isoformat()}, WEEK, {"from": ANCHOR.isoformat()}]
FILTERS = [{}, {"event_type": ["view", "buy"]}, {"session_id": "s1"}, {"property.plan": "pro"}]
ASKED = [{}, {"source": ["shop"]}, {"source": ["shop", FOREIGN]}, {"source": [FOREIGN]}]


@pytest.mark.parametrize("sources", ASKED, ids=str)
def test_every_count_by_type_is_the_same(pair, history, sources):
    for bounds in RANGES:
        for limit in (1, 10):
            pair.same(question("/stats/top-types", **bounds, **sources, limit=limit))


@pytest.mark.parametrize("sources", ASKED, ids=str)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_every_count_over_time_is_the_same(pair, history, zone, sources):
    """In the second zone every hour of ours belongs to two of theirs, so that none is taken from what is counted already."""
    for interval in ("hour", "day"):
        for breakdown in ({}, {"breakdown": "event_type"}):
            pair.same(question("/stats/timeseries", **WEEK, tz=zone, interval=interval, **breakdown, **sources))


FIXED = {
    "users by day": ("users", {"interval": "day"}),
    "users of a type": ("users", {"interval": "day", "event_type": "view"}),
    "users by week": ("users", {"interval": "week"}),
    "retention by day": ("retention", {"period": "day"}),
    "retention of a type": ("retention", {"period": "week", "event_type": "view"}),
    "sessions": ("sessions", {}),
    "sessions with long pauses": ("sessions", {"gap": 86_400}),
    "paths": ("paths", {}),
    "values": ("top-properties", {"key": "page"}),
    "values of a type": ("top-properties", {"key": "page", "event_type": "buy"}),
}


@pytest.mark.parametrize("sources", ASKED[:2], ids=str)
@pytest.mark.parametrize("asked", FIXED.values(), ids=FIXED)
def test_first_times_and_what_is_summed_up_are_the_same(pair, history, asked, sources):
    """Ranges of whole days, such as begin and end within one, and one that begins when people were seen elsewhere alone."""
    path, parameters = asked
    for start, days in [
        (FROM, 44),
        (FOREIGNS[0] + timedelta(hours=12), 30),
        (ANCHOR - timedelta(days=9, hours=3), 14),
        (ANCHOR, 1),
    ]:
        for tz in ("UTC", "Europe/Paris"):
            bounds = {"from": start.isoformat(), "to": (start + timedelta(days=days)).isoformat(), "tz": tz}
            pair.same(question(f"/stats/{path}", **bounds, **parameters, **sources))


def pages(pair, path, **parameters):
    """Every page, each the same from both; each database goes on with the cursor that it gave."""
    found, cursors = 0, [None, None]
    for _ in range(400):
        answers = []
        for product, cursor in zip(pair.both(), cursors, strict=True):
            asked = {**parameters, **({"cursor": cursor} if cursor else {})}
            answers.append(product.get(question(path, **asked)))
        assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
        of_whole, of_part = map(comparable, answers)
        assert of_whole == of_part
        body = answers[0].json()
        found += len(body.get("events") or body.get("users") or [])
        cursors = [answer.json()["next_cursor"] for answer in answers]
        if cursors == [None, None]:
            return found
    raise AssertionError("the pages don't end")


@pytest.mark.parametrize("sources", ASKED, ids=str)
@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_every_page_of_events_is_the_same(pair, history, sources, filters):
    found = sum(pages(pair, "/events", limit=limit, **WEEK, **filters, **sources) for limit in (1, 7, 1000))
    found += pages(pair, "/events", user_id="ann", limit=3, **filters, **sources)
    found += pages(pair, "/events", user_id="ann", limit=200, **filters, **sources)
    assert (found == 0) == (sources == {"source": [FOREIGN]})


@pytest.mark.parametrize("sources", ASKED, ids=str)
def test_every_page_of_users_is_the_same(pair, history, sources):
    for limit in (1, 2, 50):
        pages(pair, "/users", limit=limit, **sources)


@pytest.mark.parametrize("sources", ASKED, ids=str)
@pytest.mark.parametrize("name", ["ndjson", "csv", "parquet"])
def test_every_export_is_the_same(pair, history, name, sources):
    for bounds in RANGES:
        for more in ({}, {"limit": 5}, {"user_id": "bob"}, {"user_id": "ann"}, {"event_type": "view"}):
            pair.same(question("/events/export", format=name, **bounds, **more, **sources))
    # Behind an event that may not be seen.
    foreign = max((event for event in FIRST if event.source == FOREIGN), key=lambda event: event.key)
    after = f"{foreign.at.isoformat()},{foreign.event_id},{foreign.user_id}"
    assert len(pair.same(question("/events/export", after=after)).content) > 1000


def test_every_stream_tells_the_same(pair, history):
    """Of events whose ids are new each time."""
    number = pair.part.owner.execute("select count(*) from events").fetchone()[0]
    events = [replace(event, event_id=type(event.event_id)(int=event.event_id.int ^ number)) for event in LATER]
    with listening(pair.whole.query, pair.whole.credentials) as whole, listening(pair.part.query) as part:
        for product, its in ((pair.whole, events), (pair.part, of_sources(events, SEEN))):
            product.store(its, request=1)  # those of one request are told in the order of their keys
        seen = len(of_sources(events, SEEN))
        wait_until(lambda: len(whole.received) >= seen and len(part.received) >= seen)
    assert [without_reception(one) for one in whole.received] == [without_reception(one) for one in part.received]
    pair.store([])


def without_reception(told):
    kind, data, event_id = told
    return kind, {**data, "received_at": None}, event_id


def test_the_two_databases_differ(pair):
    """What the tests above compare would differ if restrictions were forgotten."""
    numbers = [
        product.owner.execute("select (select count(*) from events), (select count(*) from users)").fetchone()
        for product in pair.both()
    ]
    assert numbers[0][0] > 1.3 * numbers[1][0]
