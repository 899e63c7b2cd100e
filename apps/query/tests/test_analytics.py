"""HTTP behaviour of statistics: refused parameters, explained plans, timeouts. Their numbers are tested in tests/definitions."""

import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import requests
from commands import maintain

FUNNEL = {"steps": [{"event_type": "view"}, {"event_type": "buy"}]}
PATHS = [
    "/stats/timeseries", "/stats/users", "/stats/sessions", "/stats/top-properties?key=page", "/stats/retention",
    "/stats/paths", "/stats/fields", "/stats/values?field=property.page", "/events/users", "/users/ann",
]  # fmt: skip

REFUSED = [
    ("/stats/timeseries?interval=year", "interval", "invalid_choice"),
    ("/stats/timeseries?metric=clicks", "metric", "invalid_choice"),
    ("/stats/timeseries?breakdown=page", "breakdown", "invalid_choice"),
    ("/stats/timeseries?breakdown=property:", "breakdown", "invalid_choice"),
    ("/stats/timeseries?limit=51", "limit", "invalid_number"),
    ("/stats/timeseries?gap=0", "gap", "invalid_number"),
    ("/stats/timeseries?interval=minute", "from", "too_many_points"),
    ("/stats/timeseries?tz=Mars/Olympus", "tz", "unknown_time_zone"),
    ("/stats/timeseries?tz=+02:00", "tz", "unknown_time_zone"),
    ("/stats/timeseries?from=2026-02-30", "from", "invalid_timestamp"),
    ("/stats/timeseries?from=2026-03-02&to=2026-03-01", "from", "reversed_range"),
    ("/stats/timeseries?from=2026-03-01T10:00:00", "from", "invalid_timestamp"),
    ("/stats/timeseries?to=0001-12-31", "to", "timestamp_out_of_range"),
    ("/stats/timeseries?to=0001-01-30T11:47:37.5-21:38", "to", "timestamp_out_of_range"),
    ("/stats/timeseries?from=9998-01-01", "from", "timestamp_out_of_range"),
    ("/stats/timeseries?from=9997-12-31T23:00:00-02:00", "from", "timestamp_out_of_range"),
    ("/stats/timeseries?user_id=ann", "user_id", "unknown_parameter"),
    ("/stats/users?interval=hour", "interval", "invalid_choice"),
    ("/stats/users?event_type=", "event_type", "length"),
    ("/events/users?first_seen_from=yesterday", "first_seen_from", "invalid_timestamp"),
    ("/events/users?first_seen_to=9998-01-01", "first_seen_to", "timestamp_out_of_range"),
    ("/events/users?first_seen_from=2026-03-02&first_seen_to=2026-03-01", "first_seen_from", "reversed_range"),
    ("/stats/retention?first_seen_from=2026-03-01", "first_seen_from", "unknown_parameter"),
    ("/stats/sessions?gap=86401", "gap", "invalid_number"),
    ("/stats/sessions?longest=0", "longest", "invalid_number"),
    ("/stats/paths?longest=316224001", "longest", "invalid_number"),
    ("/stats/timeseries?longest=a", "longest", "invalid_integer"),
    ("/users/ann?longest=60", "longest", "unknown_parameter"),
    ("/stats/sessions?by=user_id", "by", "invalid_choice"),
    ("/stats/top-properties", "key", "required"),
    ("/stats/top-properties?key=", "key", "length"),
    ("/stats/top-properties?key=a&limit=1001", "limit", "limit_out_of_range"),
    ("/stats/retention?period=year", "period", "invalid_choice"),
    ("/stats/retention?period=day&from=2026-01-01&to=2026-06-01", "from", "too_many_points"),
    ("/stats/paths?depth=6", "depth", "invalid_number"),
    ("/stats/paths?direction=back", "direction", "invalid_choice"),
    ("/events/users?sort=name", "sort", "invalid_choice"),
    ("/events/users?limit=1001", "limit", "limit_out_of_range"),
    ("/events/users?offset=-1", "offset", "invalid_integer"),
    ("/events/users?offset=1000000001", "offset", "invalid_number"),
    ("/events/users?cursor=x", "cursor", "unknown_parameter"),
    ("/users?limit=0", "limit", "limit_out_of_range"),
    ("/users?cursor=x", "cursor", "invalid_cursor"),
    ("/users?from=2026-03-01", "from", "unknown_parameter"),
    ("/users/ann?from=1990-01-01&to=2020-01-01", "from", "too_many_points"),
    ("/users/ann?event_type=a", "event_type", "unknown_parameter"),
]

REFUSED_FUNNELS = [
    ({}, "steps", "required"),
    ({"steps": []}, "steps", "invalid_value"),
    ({"steps": [{"event_type": "view"}]}, "steps", "invalid_value"),
    ({"steps": [{"event_type": "view"}] * 11}, "steps", "invalid_value"),
    ({"steps": [{"event_type": "view"}, {}]}, "steps.1.event_type", "required"),
    ({"steps": [{"event_type": "view"}, {"event_type": ""}]}, "steps.1.event_type", "length"),
    (
        {"steps": [{"event_type": "view", "properties": {"n": 1}}, {"event_type": "b"}]},
        "steps.0.properties.n",
        "invalid_value",
    ),
    ({**FUNNEL, "window": 0}, "window", "invalid_number"),
    ({**FUNNEL, "window": True}, "window", "invalid_integer"),
    ({**FUNNEL, "from": 5}, "from", "invalid_timestamp"),
    ({**FUNNEL, "tz": ["UTC"]}, "tz", "unknown_time_zone"),
    ({**FUNNEL, "limit": 5}, "limit", "unknown_parameter"),
    ([], "body", "invalid_value"),
]


@pytest.fixture
def run_maintain(postgres, database):
    """A function that runs `tracker maintain` on this test's database."""

    return lambda: maintain(postgres.url(database))


def refused(answer: requests.Response) -> set[tuple[str, str]]:
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters"), answer.text
    return {(error["parameter"], error["code"]) for error in answer.json()["errors"]}


@pytest.mark.parametrize(("path", "parameter", "code"), REFUSED)
def test_a_wrong_parameter_is_named(shared_query, path, parameter, code):
    assert refused(requests.get(shared_query.url + path, timeout=30)) == {(parameter, code)}


@pytest.mark.parametrize(("body", "parameter", "code"), REFUSED_FUNNELS)
def test_a_wrong_part_of_a_funnel_is_named(shared_query, body, parameter, code):
    answer = requests.post(f"{shared_query.url}/stats/funnel", json=body, timeout=30)
    assert (parameter, code) in refused(answer)


def test_of_too_many_steps_none_is_looked_at(shared_query):
    answer = requests.post(f"{shared_query.url}/stats/funnel", json={"steps": [{}] * 11}, timeout=30)
    assert refused(answer) == {("steps", "invalid_value")}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_body"),
        (b"\xff", "application/json", 400, "malformed_body"),
        (b'{"\xff": 1}', "application/json", 400, "malformed_body"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b'"' + b"x" * 2**20 + b'"', "application/json", 413, "body_too_large"),
    ],
)
def test_a_body_that_is_no_funnel_is_refused(shared_query, body, content_type, status, code):
    url = f"{shared_query.url}/stats/funnel"
    answer = requests.post(url, data=body, headers={"Content-Type": content_type}, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_every_mistake_is_told_at_once(shared_query):
    url = f"{shared_query.url}/stats/timeseries?interval=year&tz=x&nothing=1&limit=a"
    assert {parameter for parameter, _ in refused(requests.get(url, timeout=30))} == {
        "interval",
        "tz",
        "nothing",
        "limit",
    }


def test_the_range_is_the_last_thirty_days_with_today_by_default(get):
    before = datetime.now(UTC)
    body = get("/stats/users", tz="Asia/Tokyo").json()
    start, end = datetime.fromisoformat(body["from"]), datetime.fromisoformat(body["to"])
    assert end - start == timedelta(days=30)
    assert before < end <= datetime.now(UTC) + timedelta(days=1)
    assert (end.hour, end.utcoffset(), len(body["points"])) == (0, timedelta(hours=9), 30)


@pytest.mark.parametrize("interval", ["hour", "day", "week", "month"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
@pytest.mark.parametrize(("start", "end"), [("0002-01-01", "0002-01-03"), ("9997-12-28", "9997-12-31T23:59:59Z")])
def test_the_first_and_the_last_years_are_answered(get, interval, zone, start, end):
    answer = get("/stats/timeseries", interval=interval, tz=zone, from_=start, to=end)
    assert answer.status_code == 200
    assert get("/stats/sessions", tz=zone, to="0002-01-01").status_code == 200


def test_nothing_stored_is_an_answer(get):
    assert [get(path).status_code for path in PATHS[:-1]] == [200] * len(PATHS[:-1])
    assert get("/users").json() == {"identity": "linked", "users": [], "next_cursor": None}
    missing = get("/users/ann")
    assert (missing.status_code, missing.json()["code"]) == (404, "user_not_found")


def test_a_user_whom_an_older_collector_stored_is_active(get, store):
    store([{"user_id": "ann"}, {"user_id": "bob"}])  # into events and event_counts alone, as that one does
    body = get("/stats/users", from_="2026-03-01", to="2026-03-02").json()
    assert (body["active"], body["points"][0]["active"]) == (2, 2)


def test_plans_are_told_only_where_the_setting_allows_it(get, shared_query):
    assert refused(get("/stats/users", explain="true")) == {("explain", "explain_not_allowed")}
    answer = requests.post(f"{shared_query.url}/stats/funnel?explain=true", json=FUNNEL, timeout=30)
    assert refused(answer) == {("explain", "explain_not_allowed")}


def test_an_explanation_says_what_was_read(start_service, collector, postgres, database, owner):
    owner.execute("create table events_2026_03 partition of events for values from ('2026-03-01') to ('2026-04-01')")
    events = [
        {
            "user_id": f"u{n}",
            "event_type": "view",
            "timestamp": f"2026-03-0{1 + n % 5}T10:00:00Z",
            "properties": {"page": "/"},
        }
        for n in range(50)
    ]
    requests.post(f"{collector.url}/events", json=events, timeout=30).raise_for_status()
    query = start_service("query", DATABASE_URL=postgres.url(database, "query"), EXPLAIN="true")
    url = f"{query.url}/stats/timeseries?from=2026-03-01&to=2026-03-04"
    plain = requests.get(url, timeout=30).json()
    counted = requests.get(f"{url}&explain=true", timeout=30).json()
    explained = counted.pop("explain")
    assert {**counted, "as_of": 0} == {**plain, "as_of": 0}
    assert explained["statement"] == "timeseries"
    assert explained["indexes"] == ["event_counts_pkey"]
    assert explained["partitions"]["read"] == 0  # whole hours are counted already
    parts_of_hours = f"{query.url}/stats/timeseries?from=2026-03-01T09:30:00Z&to=2026-03-03T10:30:00Z&explain=true"
    read = requests.get(parts_of_hours, timeout=30).json()["explain"]
    ((partitions,),) = owner.execute("select count(*) from pg_inherits where inhparent = 'events'::regclass").fetchall()
    assert read["partitions"]["read"] >= 1
    assert sum(read["partitions"].values()) == partitions
    assert read["rows_read"] >= 10
    assert re.fullmatch("[A-Z].*", read["plan"]["Node Type"])
    columns = requests.get(f"{url}&explain=true&property.page=/", timeout=30).json()["explain"]
    assert (columns["engine"], columns["statement"]) == ("duckdb", "timeseries")
    assert sum(map(rows_scanned, columns["plan"]["operator"])) >= 30


def rows_scanned(operator: dict) -> int:
    """The rows that an operator of DuckDB's plan reads, and those below it."""
    return operator.get("rows_scanned", 0) + sum(map(rows_scanned, operator.get("children", [])))


def test_upkeep_changes_no_answer_and_a_late_event_is_counted(
    start_service, collector, postgres, database, owner, run_maintain
):
    events = [
        {
            "user_id": f"u{n % 9}",
            "event_type": "view",
            "timestamp": f"2026-03-0{1 + n % 3}T1{n % 10}:00:00Z",
            "properties": {"page": f"/{n % 4}"},
        }
        for n in range(600)
    ]
    requests.post(f"{collector.url}/events", json=events, timeout=30).raise_for_status()
    query = start_service("query", DATABASE_URL=postgres.url(database, "query"))
    questions = ["/stats/top-properties?key=page", "/stats/sessions?", "/stats/paths?"]

    def ask() -> list[dict]:
        bodies = [
            requests.get(f"{query.url}{question}&from=2026-03-01&to=2026-03-04", timeout=30).json()
            for question in questions
        ]
        return [{**body, "as_of": 0} for body in bodies]

    before = ask()
    run_maintain()
    assert ask() == before
    late = {"user_id": "u1", "event_type": "view", "timestamp": "2026-03-02T23:00:00Z", "properties": {"page": "/late"}}
    requests.post(f"{collector.url}/events", json=late, timeout=30).raise_for_status()
    assert {"value": "/late", "count": 1, "share": 1 / 601} in ask()[0]["items"]


def test_a_question_that_takes_too_long_says_what_to_narrow(start_service, postgres, database, owner):
    query = start_service("query", DATABASE_URL=postgres.url(database, "query"), STATEMENT_SECONDS="0.5")
    with psycopg.connect(postgres.url(database)) as other:
        other.execute("lock table events, users, event_counts in access exclusive mode")
        answer = requests.get(f"{query.url}/stats/users", timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (504, "statement_timeout")
    assert "Narrow `from` and `to`" in answer.json()["detail"]


def test_questions_are_measured_by_name(get, shared_query):
    for path in PATHS[:-1]:
        get(path)
    text = requests.get(f"{shared_query.url}/metrics", timeout=30).text
    for name in ("timeseries", "users", "sessions", "top_properties", "retention", "paths", "event_users"):
        assert f'query_db_duration_seconds_count{{query="{name}"}}' in text
    assert 'http_requests_total{method="GET",route="/stats/timeseries",status="200"}' in text
