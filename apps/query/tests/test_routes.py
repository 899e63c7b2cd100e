"""Wrong methods and unknown paths are answered like all errors."""

import pytest
import requests

CASES = [
    ("GET", "/", 302),
    ("GET", "/nothing", 404),
    ("GET", "/events/", 404),
    ("GET", "/events/x", 404),
    ("GET", "/stats", 404),
    ("POST", "/events", 405),
    ("DELETE", "/events", 405),
    ("POST", "/sources", 405),
    ("PUT", "/stats/top-types", 405),
    ("HEAD", "/stats/top-types", 200),
    ("PUT", "/livez", 405),
    ("GET", "/openapi.json", 200),
    ("GET", "/docs/", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), CASES)
def test_paths_and_methods(shared_query, method, path, status):
    answer = requests.request(method, shared_query.url + path, json={}, allow_redirects=False, timeout=30)
    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == {404: "not_found", 405: "method_not_allowed"}[status]
    assert ("GET" in answer.headers.get("Allow", "")) == (status == 405)


def test_the_questions_are_measured(shared_query, get, store, minutes):
    store({"timestamp": minutes(n)} for n in range(3))
    get("/events", user_id="ann")
    get("/stats/top-types")
    text = requests.get(f"{shared_query.url}/metrics", timeout=30).text
    for name in ("list_events", "top_types"):
        assert f'query_db_duration_seconds_count{{query="{name}"}}' in text
    assert 'query_rows_returned_bucket{le="5.0"}' in text
    assert 'http_requests_total{method="GET",route="/stats/top-types",status="200"}' in text


def test_other_origins_may_read_when_they_are_allowed(start_service, postgres, shared_database):
    url = postgres.url(shared_database, "query")
    service = start_service("query", DATABASE_URL=url, CORS_ORIGINS="https://shop.example")
    for origin, allowed in (("https://shop.example", "https://shop.example"), ("https://evil.example", None)):
        answer = requests.get(f"{service.url}/events", headers={"Origin": origin}, timeout=30)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
