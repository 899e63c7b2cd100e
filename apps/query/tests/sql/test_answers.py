"""What POST /sql answers: limits, errors with their place, plans, and which events the views have."""

import json
import random

import pytest
import requests

from event_tracker.query.sql.runner import MAX_BYTES


def test_rows_are_limited(post_sql):
    answer = post_sql("select * from range(5) order by 1", limit=3).json()
    assert (answer["rows"], answer["row_count"], answer["truncated"]) == ([[0], [1], [2]], 3, True)
    answer = post_sql("select * from range(3)", limit=3).json()
    assert (answer["row_count"], answer["truncated"]) == (3, False)
    assert post_sql("select * from range(3)", limit=100_001).status_code == 422
    assert post_sql("select * from range(200000)", limit=100_000).json()["row_count"] == 100_000


def test_order_is_kept(rows):
    found = rows("select x from range(5000) t(x) order by hash(x)", limit=5000)
    assert found == rows("select x from (select x, hash(x) as h from range(5000) t(x)) order by h", limit=5000)
    assert found != sorted(found)


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_bytes_are_limited(post_sql, form):
    answer = post_sql("select repeat('x', 1000000) as x from range(40)", format=form)
    assert answer.status_code == 200
    assert MAX_BYTES * (0.5 if form == "arrow" else 0.9) < len(answer.content) < MAX_BYTES + 10_000
    truncated = answer.json()["truncated"] if form == "json" else json.loads(answer.headers["X-Truncated"])
    assert truncated is True


@pytest.mark.parametrize(
    ("sql", "code", "line", "column"),
    [
        ("selec 1", "invalid_sql", 1, 1),
        ("select\n  'é', nope\nfrom events", "invalid_sql", 2, 8),
        ("select user_id from events\ngroup by", "invalid_sql", None, None),
        ("select 'x'::int", "sql_failed", None, None),
        ("select * from nope", "sql_not_allowed", None, None),
    ],
)
def test_errors_have_their_place(post_sql, sql, code, line, column):
    answer = post_sql(sql)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, code)
    if line:
        assert (body["line"], body["column"]) == (line, column)
        assert f"(line {line}, column {column})" in body["detail"]
    assert "LINE" not in body["detail"]


def test_a_wrong_column_is_named(post_sql):
    assert '"usr_id"' in post_sql("select usr_id from events").json()["detail"]


def test_explain(post_sql, store):
    store([{}])
    plan = post_sql("explain select user_id from events")
    assert plan.json()["columns"][1] == {"name": "plan", "type": "VARCHAR"}
    assert "events" in plan.text
    assert "/" not in plan.json()["rows"][0][1]
    analyzed = post_sql("-- why\nEXPLAIN /* x */ ANALYZE select user_id, count(*) from events group by 1")
    assert analyzed.json()["rows"][0][0] == "analyzed_plan"
    assert post_sql("explain select 1", format="arrow").status_code == 422


def test_only_the_range(store, rows, minutes):
    store([{"timestamp": minutes(0)}, {"timestamp": minutes(60), "user_id": "bob"}])
    at = {"from": minutes(30).isoformat(), "to": minutes(60).isoformat()}
    assert rows("select user_id from events", **at) == []
    assert rows("select user_id from events", **{**at, "to": minutes(61).isoformat()}) == [["bob"]]


def test_only_the_sources(store, rows):
    store([{"source": "shop"}, {"source": "blog", "user_id": "bob"}])
    for view in ("events", "users", "sessions"):
        assert rows(f"select user_id from {view}", source=["shop"]) == [["ann"]]
    assert rows("select count(*) from events") == [[2]]
    assert rows("select user_id from events", source=["nope"]) == []


def test_persons(store, rows, shared_owner):
    store([{"user_id": "visitor"}, {"user_id": "ann"}])
    shared_owner.execute(
        "insert into links (source, alias, person, at, event_id) values ('default', 'visitor', 'ann', now(), gen_random_uuid())"
    )
    ids = "select user_id, sent_id from events order by all"
    assert rows(ids) == [["ann", "ann"], ["ann", "visitor"]]
    assert rows(ids, identity="raw") == [["ann", "ann"], ["visitor", "visitor"]]
    assert rows("select user_id, events from users") == [["ann", 2]]


@pytest.mark.parametrize(
    "sql",
    [
        "select properties->>'plan', properties->>'n' from events",
        "select properties->>'plan', properties->>'n' from (select * from events)",
        "select json_extract_string(properties, 'plan'), e.properties->>'n' from events e",
        "select json_extract_string(properties, '$.plan'), properties->>'$.n' from events",
        "select properties->>('pl' || 'an'), properties->>'n' from events",
        "select e.properties->>'plan', e.properties->>'n' from (select e.properties from events as e) as e",
        "with properties as (select * from events) select properties.properties->>'plan', properties->>'n' from properties",
    ],
)
def test_properties_in_any_way(store, rows, sql):
    store([{"properties": {"plan": "pro", "n": 1.50, "other": {"x": 1}}}])
    assert rows(sql) == [["pro", "1.5"]]


@pytest.mark.parametrize(
    ("sql", "counted"),
    [
        ("select count(properties.plan), count(properties.coupon) from events", [2, 1]),
        ("select count(e.properties.plan), count(e.properties->>'coupon') from events e", [2, 1]),
        ("select count(properties->'plan'), count(properties->'coupon') from events", [2, 1]),
        (
            "select count(json_extract(properties, 'plan')), count(json_extract(properties, 'coupon')) from events",
            [2, 1],
        ),
        ("select count(properties->>'plan'), count(properties->>'coupon') from events", [2, 1]),
    ],
)
def test_properties_that_an_event_does_not_have_are_null(store, rows, sql, counted):
    store([{"properties": {"plan": "pro"}}, {"properties": {"plan": "free", "coupon": "x"}}, {}])
    assert rows(sql) == [counted]


def test_a_query_of_with_may_have_the_name_of_a_view_that_it_reads(store, rows):
    store([{"event_type": "buy"}, {"event_type": "view"}])
    bought = "with events as (select * from events where event_type = 'buy')"
    assert rows(f"{bought} select event_type, count(*) from events group by all") == [["buy", 1]]
    assert rows("with recursive Events as (select event_type from events) select count(*) from events") == [[2]]


@pytest.mark.parametrize("end", ["; -- note", ";;", " ; /* ; */ ;\n"])
def test_what_follows_the_statement(rows, end):
    assert rows(f"select ';' as x{end}") == [[";"]]
    assert rows(f"explain select 1{end}")[0][0] == "physical_plan"


def test_sessions_and_users_are_those_of_the_api(store, rows, sql_query, minutes):
    """With and without session_id, with gaps, and of more than a day."""
    store(
        {"user_id": user, "session_id": session, "timestamp": minutes(minute), "event_type": kind}
        for user in ("ann", "bob", "cid")
        for session in (None, f"{user}-1")
        for minute in (0, 10, 29, 70, 100, 700, 1500, 1501, 2900, 3100)
        for kind in ("view", "buy")
        if user != "cid" or minute > 1400
    )
    store([{"user_id": "bob", "timestamp": minutes(-100_000)}])
    asked = {"from": "2026-03-01", "to": "2026-04-01"}
    expected = requests.get(f"{sql_query.url}/stats/sessions", params=asked, timeout=60).json()
    (counted,) = rows(
        "select count(*), count(distinct user_id), sum(events), count(*) filter (is_bounce), avg(seconds), max(seconds) from sessions"
    )
    names = ("sessions", "users", "events", "bounces")
    assert counted[:4] == [expected[name] for name in names]
    assert counted[4:] == pytest.approx([expected["duration"]["mean"], expected["duration"]["max"]])
    assert expected["sessions"] > 10
    (new,) = rows("select count(*) filter (is_new), count(*) filter (not is_new), count(first_seen) from users")
    assert new == [2, 1, 2]


def test_events_are_joined_by_all_properties(store, rows):
    store([{"properties": {"plan": "pro"}}, {"properties": {"plan": "free"}}])
    assert rows("select count(*) from events as a join events as b using (Properties)") == [[2]]


@pytest.mark.parametrize(
    "sql",
    [
        "from events",
        "select events from events",
        "select e from events e",
        "select columns('.*') from events",
        "select #1, #2 from events",
        "select a from events as e(a, b, c)",
        "select count(*) from events natural join pages",
        "select * from events positional join users",
        "select e.user_id from events e join sessions using (user_id, session_id)",
        "select User_ID, EVENTS.Source from Events",
        "select distinct on (source) source from events order by source, timestamp",
        "select count(*) over w from events window w as (partition by user_id)",
        "select (select max(timestamp) from events) > min(timestamp) from events",
        "table events",
        "values (1)",
        "select user_id from events union all select user_id from users order by all",
        "with a as (select user_id from events), b as (from a) select * from b",
        "with events as (select 1 as x) select x from events",
        "select unnest(json_keys(properties)) from events",
        "select key, value from events, json_each(properties)",
    ],
)
def test_statements_of_all_kinds(store, post_sql, sql):
    store([{"event_type": "page_view", "session_id": "s", "properties": {"page": "/"}}])
    answer = post_sql(sql)
    assert answer.status_code == 200, answer.text
    assert answer.json()["row_count"] >= 1 or "natural" in sql


def test_an_answer_has_what_was_just_stored(store, rows):
    for number in range(1, 4):
        store([{}])
        assert rows("select count(*) from events") == [[number]]


@pytest.mark.parametrize(
    "given", [{"sql": 1}, {"sql": ""}, {"sql": "x" * 20_001}, {}, {"sql": "select 1", "format": "xml"}]
)
def test_bad_bodies(sql_query, given):
    assert requests.post(f"{sql_query.url}/sql", json=given, timeout=30).status_code == 422


def test_nothing_is_left_behind(store, start_sql, tmp_path):
    """No copy stays on the disk, whatever became of the statement."""
    url = start_sql(CACHE_FOLDER=str(tmp_path), SQL_SECONDS="5", SQL_COPY_BYTES=str(2**20)).url
    store([{}])
    failing = [
        "select 'x'::int from events",
        "select list(x) from range(1000000000) t(x), events",
        f"{ENDLESS}, events",
    ]
    for sql in ("select * from events", *failing):
        answer = requests.post(f"{url}/sql", json={"sql": sql, "from": "2026-03-01", "to": "2026-04-01"}, timeout=60)
        assert answer.status_code == (200 if sql == "select * from events" else answer.status_code)
        assert [path.name for path in tmp_path.rglob("*.duckdb*")] == []
    assert list(tmp_path.rglob("*.parquet"))
    large = random.Random(1)
    store({"properties": {"text": large.randbytes(2000).hex()}} for _ in range(1000))
    for sql, status in (("select count(*) from events", 200), ("select max(properties::varchar) from events", 422)):
        answer = requests.post(f"{url}/sql", json={"sql": sql, "from": "2026-03-01", "to": "2026-04-01"}, timeout=60)
        assert (answer.status_code, answer.json().get("code")) == (status, None if status == 200 else "too_large")
        assert status == 200 or "SQL_COPY_BYTES" in answer.text
        assert [path.name for path in tmp_path.rglob("*.duckdb*")] == []


ENDLESS = "with recursive a(n) as (select 1 union all select n + 1 from a) select count(*) from a"
