"""Entity tags of statistics: an answer that the client has already isn't computed again, and none that has changed is kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import pytest
import requests

from event_tracker.core.postgres.named_sql import load_queries
from event_tracker.query.stats.columns.behaviours import SessionRule
from event_tracker.query.stats.columns.etags import make_etag

RANGE = "from=2026-03-01&to=2026-03-03"
QUESTIONS = {
    "users": f"/stats/users?{RANGE}",
    "sessions": f"/stats/sessions?{RANGE}",
    "retention": f"/stats/retention?period=day&{RANGE}",
    "paths": f"/stats/paths?{RANGE}",
    "top_properties": f"/stats/top-properties?key=page&{RANGE}",
    "timeseries": f"/stats/timeseries?metric=users&{RANGE}",
    "web": f"/stats/web?event_type=view&{RANGE}",
    "web_top": f"/stats/web/top?event_type=view&{RANGE}",
}
each_question = pytest.mark.parametrize("path", QUESTIONS.values(), ids=QUESTIONS)
"""Each question that the engine answers by GET."""


@pytest.fixture
def ask(shared_query, shared_owner):
    """ask(path, etag) asks as a client that has the answer with this entity tag; None is no answer."""

    def ask(path, etag=None, **headers):
        if etag is not None:
            headers["If-None-Match"] = etag
        return requests.get(shared_query.url + path, headers=headers, timeout=30)

    return ask


def without_time(response):
    return {name: value for name, value in response.json().items() if name != "as_of"}


def asked(query):
    """How many questions the engine has answered."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in requests.get(f"{query.url}/metrics", timeout=30).text.splitlines()
        if line.startswith("columns_question_seconds_count")
    )


@each_question
def test_an_answer_that_the_client_has_costs_no_question(ask, store, shared_query, path):
    store([{"user_id": "ann"}, {"user_id": "bob"}])
    answer = ask(path)
    assert answer.headers["ETag"].startswith('W/"')
    assert answer.headers["Cache-Control"] == "private, no-cache"
    before = asked(shared_query)
    again = ask(path, f'"other", {answer.headers["ETag"]}')
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    assert again.headers["Cache-Control"] == "private, no-cache"
    assert asked(shared_query) == before
    assert ask(path, '"other"').status_code == 200


@each_question
def test_an_event_more_and_an_event_less_change_the_answer(ask, store, shared_owner, path):
    """Also together, when there are as many events as before."""
    store([{"user_id": "ann"}, {"user_id": "bob"}])
    first = ask(path).headers["ETag"]
    store([{"user_id": "cem"}])
    second = ask(path, first)
    assert second.status_code == 200
    with shared_owner.transaction():
        shared_owner.execute("delete from events where user_id = 'ann'")
        shared_owner.execute("delete from users where user_id = 'ann'")
        shared_owner.execute("update event_counts set count = count - 1 where count > 0")
    third = ask(path, second.headers["ETag"])
    assert third.status_code == 200
    assert len({first, second.headers["ETag"], third.headers["ETag"]}) == 3
    assert ask(path, third.headers["ETag"]).status_code == 304


@pytest.mark.parametrize("path", [QUESTIONS["users"], QUESTIONS["retention"]])
@pytest.mark.parametrize("sources", ["", "&source=default"])
def test_an_event_before_the_range_changes_who_is_new(ask, store, minutes, path, sources):
    store([{"user_id": "ann"}])
    before = ask(path + sources)
    store([{"user_id": "ann", "timestamp": minutes(-60 * 24 * 20)}])
    after = ask(path + sources, before.headers["ETag"])
    assert after.status_code == 200
    assert without_time(after) != without_time(before)


@pytest.mark.parametrize("path", [QUESTIONS["users"], QUESTIONS["retention"]])
def test_a_user_who_is_deleted_or_added_after_their_events_changes_who_is_new(ask, store, shared_owner, path):
    """As retention deletes users, and `tracker maintain` adds those of an earlier release, when the counts have been moved already."""
    store([{"user_id": "ann"}, {"user_id": "bob"}])
    etags = [ask(path).headers["ETag"]]
    shared_owner.execute("delete from users where user_id = 'bob'")
    etags.append(ask(path).headers["ETag"])
    shared_owner.execute("update events set received_at = now()")
    etags.append(ask(path).headers["ETag"])
    shared_owner.execute(load_queries("event_tracker.cli.database", "maintain.sql")["refresh_users"])
    etags.append(ask(path).headers["ETag"])
    assert len(set(etags)) == len(etags)
    shared_owner.execute(load_queries("event_tracker.cli.database", "maintain.sql")["refresh_users"])
    assert ask(path, etags[-1]).status_code == 304


@pytest.mark.parametrize("path", [QUESTIONS["users"], QUESTIONS["retention"]])
def test_an_erasure_after_which_a_user_was_first_seen_later_changes_who_is_new(ask, store, shared_owner, path):
    """As of a user whose first event retention has deleted, by somebody who may erase no event of theirs."""
    store([{"user_id": "ann"}])
    shared_owner.execute("update users set first_seen = first_seen - interval '20 days'")
    before = ask(path)
    shared_owner.execute(load_queries("event_tracker.query.users")["erase_users"], {"user_ids": ["ann"]})
    after = ask(path, before.headers["ETag"])
    assert after.status_code == 200
    assert without_time(after) != without_time(before)


def test_other_events_change_nothing(ask, store, minutes):
    store([{"user_id": "ann"}])
    etag = ask(QUESTIONS["sessions"]).headers["ETag"]
    store([{"user_id": "ann", "timestamp": minutes(60 * 24 * 20)}])
    assert ask(QUESTIONS["sessions"], etag).status_code == 304
    only_shop = ask(QUESTIONS["sessions"] + "&source=shop").headers["ETag"]
    store([{"user_id": "ann"}])
    assert ask(QUESTIONS["sessions"] + "&source=shop", only_shop).status_code == 304


def test_each_question_has_its_own(ask, store):
    store([{"user_id": "ann"}])
    paths = [
        path + more for path in QUESTIONS.values() for more in ("", "&event_type=buy", "&tz=Asia/Tokyo", "&source=shop")
    ]
    assert len({ask(path).headers["ETag"] for path in paths}) == len(paths)


LINK = """
insert into links (source, alias, person, at, event_id) values ('default', %s, %s, '2026-01-01', gen_random_uuid())
"""


@each_question
def test_a_link_changes_what_is_about_persons(ask, store, shared_owner, path):
    """Each one does: that is removed, restored or deleted. Values of properties have no user."""
    store([{"user_id": "ann"}, {"user_id": "anon"}, {"user_id": "guest-1"}])
    linked, raw = [ask(path).headers["ETag"]], ask(f"{path}&identity=raw").headers["ETag"]
    changes = [
        (LINK, ["anon", "ann"]),
        (LINK, ["guest-1", "ann"]),
        ("update links set removed_at = now(), changed = pg_current_xact_id() where alias = %s", ["anon"]),
        ("update links set removed_at = null, changed = pg_current_xact_id() where alias = %s", ["anon"]),
        ("delete from links where alias = %s", ["anon"]),
    ]
    for statement, given in changes:
        shared_owner.execute(statement, given)
        linked.append(ask(path).headers["ETag"])
        assert ask(path, linked[-1]).status_code == 304
    expected = 1 if path == QUESTIONS["top_properties"] else len(linked)
    assert len(set(linked)) == expected
    assert ask(f"{path}&identity=raw", raw).status_code == 304


@dataclass
class Periods:
    """As much of a question as its entity tag depends on."""

    name: ClassVar = "retention"
    starts: tuple[datetime, ...]
    end: datetime


def test_an_interval_that_ends_changes_the_answer(minutes):
    """Retention says of each period whether it is over."""
    asked = Periods((minutes(0), minutes(60), minutes(120)), minutes(180))
    etags = [make_etag(asked, SessionRule(1800, 86400), minutes(10 + 20 * number), b"version") for number in range(12)]
    assert len(set(etags)) == 4


SESSION_FILTER = 'filter={"session": {"entry": {"field": "event_type", "operator": "is", "value": "view"}}}'


@pytest.mark.parametrize(
    "path", [QUESTIONS[name] for name in ("users", "retention", "top_properties")] + [f"/events/users?{RANGE}"]
)
def test_another_longest_session_changes_the_answer(ask, store, start_service, postgres, shared_database, path):
    """A filter of sessions goes by it, in questions that have no parameter for it."""
    store([{"user_id": "ann"}])
    service = start_service(
        "query", DATABASE_URL=postgres.url(shared_database, "query"), LONGEST_SESSION_SECONDS="3600"
    )
    path += f"&{SESSION_FILTER}"
    etag = ask(path).headers["ETag"]
    answer = requests.get(service.url + path, headers={"If-None-Match": etag}, timeout=30)
    assert (answer.status_code, answer.headers["ETag"] == etag) == (200, False)


def test_what_is_explained_or_posted_has_none(ask, store, shared_query):
    store([{"user_id": "ann"}])
    body = {"steps": [{"event_type": "view"}, {"event_type": "view"}], "from": "2026-03-01", "to": "2026-03-03"}
    funnel = requests.post(f"{shared_query.url}/stats/funnel", json=body, headers={"If-None-Match": "*"}, timeout=30)
    assert funnel.status_code == 200
    assert "ETag" not in funnel.headers


def test_pages_of_other_origins_may_read_it(start_service, postgres, shared_database, shared_owner, store):
    store([{"user_id": "ann"}])
    service = start_service(
        "query", DATABASE_URL=postgres.url(shared_database, "query"), CORS_ORIGINS="https://shop.example"
    )
    answer = requests.get(service.url + QUESTIONS["users"], headers={"Origin": "https://shop.example"}, timeout=30)
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"].split(", ")
