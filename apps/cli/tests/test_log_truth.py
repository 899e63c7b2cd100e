"""Events made of the requests of an invented site, against what its visitors did."""

import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta

import pytest
from log_site import LogSite
from log_truth import check_answers
from sent_files import VISITOR_SECRET

from event_tracker.cli.ingest.logs.events import EventMaker
from event_tracker.cli.ingest.logs.options import LogOptions

SEEDS = (1, 20, 300)
PAUSE = timedelta(minutes=30)


def make(requests_):
    """The events, and the kinds of the requests that became none."""
    made = list(map(EventMaker(LogOptions(secret=VISITOR_SECRET)).make, requests_))
    return [one.event for one in made if one.event], Counter(one.kind for one in made if not one.event)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_events_of_a_log_are_what_visitors_did(seed):
    site = LogSite(seed)
    truth = site.truth
    made, left_out = make(site.requests)
    events = [json.loads(event) for event in made]
    assert left_out == truth.left_out
    types = Counter(event["event_type"] for event in events)
    assert types == {"page_view": truth.page_views, "crawl": truth.crawls, "http_error": truth.errors}
    views = [event for event in events if event["event_type"] == "page_view"]
    by_visitor = defaultdict(list)
    for view in views:
        by_visitor[view["user_id"]].append((datetime.fromisoformat(view["timestamp"]), view["properties"]))
    assert len(by_visitor) == truth.visitors
    sessions = []
    for seen in by_visitor.values():
        last = None
        for time, properties in seen:
            if last is None or time - last > PAUSE:
                sessions.append([])
            sessions[-1].append(properties)
            last = time
    assert (len(sessions), sum(len(session) == 1 for session in sessions)) == (truth.sessions, truth.bounces)
    assert Counter(session[0]["page"] for session in sessions) == truth.landing_pages
    assert Counter(session[-1]["page"] for session in sessions) == truth.exit_pages
    found = Counter((session[0]["$source"], session[0]["$channel"]) for session in sessions)
    assert found == truth.landings_by_source
    assert {properties["$channel"] for session in sessions for properties in session[1:]} <= {"internal"}
    for name, counts in {
        "page": truth.pages,
        "$browser": truth.browsers,
        "$device_type": truth.devices,
        "$country": truth.countries,
    }.items():
        assert Counter(view["properties"][name] for view in views) == counts, name
    text = b"\n".join(made).decode()
    for secret in ("198.51.100", "2001:", "carol", "s3cret", "EAIaIQ", "Gecko", "AbC123"):
        assert secret not in text


def test_another_log_of_the_same_requests_has_the_same_identities():
    site = LogSite(SEEDS[0])
    (first, _), (second, _) = make(site.requests), make(site.as_another_log())
    identities = [
        {(event["user_id"], event["timestamp"], event["event_id"]) for event in map(json.loads, events)}
        for events in (first, second)
    ]
    assert identities[0] == identities[1]
    assert len(identities[0]) == len(first) == len(second)


def test_the_query_service_gives_the_truth_and_another_log_of_the_same_requests_stores_nothing(pair, store, tmp_path):
    site = LogSite(SEEDS[1])
    truth = site.truth
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    for file, log in ((first, site.requests), (second, site.as_another_log())):
        file.write_bytes(b"\n".join(make(log)[0]))
    events = truth.page_views + truth.crawls + truth.errors
    assert f"{events:,} lines: {events:,} stored, 0 duplicates, 0 rejected" in store.send(first).output
    assert f"{events:,} lines: 0 stored, {events:,} duplicates, 0 rejected" in store.send(second).output
    check_answers(pair.query.url, truth)
