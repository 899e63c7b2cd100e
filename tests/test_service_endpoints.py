"""What both services answer alike."""

import json
import re
import uuid
from contextlib import suppress

import pytest
import requests
from openapi_spec import operations
from waiting import eventually

pytestmark = pytest.mark.services

SERVICES = ["collector", "query"]


@pytest.fixture(params=SERVICES)
def service(request):
    return request.getfixturevalue(request.param)


def get(service, path, **options):
    return requests.get(service.url + path, timeout=30, **options)


def test_health_and_version(service):
    assert get(service, "/livez").json() == {"status": "ok"}
    assert get(service, "/readyz").json() == {"status": "ready"}
    report = get(service, "/healthz").json()
    assert report["status"] == "ok"
    assert report["parts"]["database"]["server_version"].startswith("18")
    version = get(service, "/version").json()
    assert version["service"] == service.name
    assert set(version) == {"service", "version", "revision", "python"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/livez", 405, "method_not_allowed"),
        ("DELETE", "/events", 405, "method_not_allowed"),
        ("GET", "/livez/", 404, "not_found"),
    ],
)
def test_every_error_is_a_problem(service, method, path, status, code):
    answer = requests.request(method, service.url + path, timeout=30)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["status"], problem["code"]) == ("about:blank", status, code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    if status == 405:
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    ("name", "status", "code"), [("collector", 405, "method_not_allowed"), ("query", 404, "not_found")]
)
def test_a_slash_too_many_is_the_same_path_to_the_collector_alone(request, name, status, code):
    service = request.getfixturevalue(name)
    answer = requests.get(f"{service.url}/events/", timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [("collector", "POST", "/events"), ("query", "GET", "/events?user_id=ann"), ("query", "GET", "/users")],
)
def test_a_crash_is_a_500_that_tells_nothing_but_its_request_id(request, owner, name, method, path):
    service = request.getfixturevalue(name)
    owner.execute("drop table events, event_counts, users cascade")
    answer = requests.request(method, service.url + path, json={"user_id": "ann", "event_type": "view"}, timeout=30)
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "relation" not in answer.text
    logged = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert any(
        line.get("request_id") == answer.headers["X-Request-ID"] and "relation" in line.get("exception", "")
        for line in logged
    )


def test_a_request_id_is_taken_over_if_it_is_safe(service):
    assert get(service, "/livez", headers={"X-Request-ID": "abc-123.X"}).headers["X-Request-ID"] == "abc-123.X"
    for unsafe in ('a"b', "x" * 200, "a b"):
        made = get(service, "/livez", headers={"X-Request-ID": unsafe}).headers["X-Request-ID"]
        assert re.fullmatch("[0-9a-f]{16}", made)


def test_logs_are_json_lines_without_content(start_service, postgres, database):
    secret = uuid.uuid4().hex
    service = start_service("collector", DATABASE_URL=postgres.url(database, "collector"), LOG_LEVEL="debug")
    requests.post(f"{service.url}/events", json={"user_id": secret, "event_type": "view"}, timeout=30)
    requests.post(f"{service.url}/events", json={"user_id": secret, "event_type": 7, secret: 1}, timeout=30)
    requests.get(f"{service.url}/nowhere?{secret}", timeout=30)
    service.stop()
    text = service.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["status"] for line in lines if line["event"] == "request"} >= {201, 422, 404}
    assert all({"event", "level", "timestamp", "service"} <= set(line) for line in lines)
    assert secret not in text


def test_cors_is_off_unless_origins_are_named(service):
    answer = get(service, "/livez", headers={"Origin": "https://shop.example"})
    assert not any(name.startswith("Access-Control") for name in answer.headers)


@pytest.mark.parametrize("name", SERVICES)
def test_cors_allows_the_origins_that_are_named(start_service, postgres, database, name):
    service = start_service(
        name, DATABASE_URL=postgres.url(database, name), CORS_ORIGINS="https://shop.example,https://app.example"
    )
    allowed, foreign = ({"Origin": origin} for origin in ("https://app.example", "https://evil.example"))
    assert get(service, "/livez", headers=allowed).headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Access-Control-Allow-Origin" not in get(service, "/livez", headers=foreign).headers
    assert get(service, "/nowhere", headers=allowed).headers["Access-Control-Allow-Origin"] == "https://app.example"
    preflight = requests.options(
        f"{service.url}/events", headers={**allowed, "Access-Control-Request-Method": "POST"}, timeout=30
    )
    assert preflight.status_code == 204
    assert "Content-Type" in preflight.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    ("asked", "added"),
    [
        ("x-datadog-origin, x-request-start", ["x-datadog-origin", "x-request-start"]),
        ("x-datadog-origin,x-request-start", ["x-datadog-origin", "x-request-start"]),
        ("x-good, bad name, x:bad, , x-é", ["x-good"]),
        (",".join(["x-long" * 10] * 100), []),
        ("x" * 65, []),
    ],
)
def test_a_preflight_allows_the_headers_that_agents_add(start_service, postgres, database, name, asked, added):
    service = start_service(name, DATABASE_URL=postgres.url(database, name), CORS_ORIGINS="https://app.example")
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked.encode(),
    }
    preflight = requests.options(f"{service.url}/events", headers=headers, timeout=30)
    allowed = preflight.headers["Access-Control-Allow-Headers"].split(", ")
    own = ["Authorization", "Content-Type", "Content-Encoding", "X-Request-ID", "X-Write-Key"]
    assert allowed == [*own, "baggage", "sentry-trace", "traceparent", "tracestate", *added]
    assert "Access-Control-Request-Headers" in preflight.headers["Vary"]


@pytest.mark.parametrize("name", SERVICES)
def test_metrics_say_how_much_is_in_the_default_partition(start_service, postgres, database, owner, name):
    owner.execute("""
        insert into events (user_id, "timestamp", event_id, event_type)
        select 'ann', timestamptz '1999-01-01 00:00:00Z' + number * interval '1 hour', gen_random_uuid(), 'view'
        from generate_series(1, 300) as number
    """)
    owner.execute("analyze events_default")
    service = start_service(name, DATABASE_URL=postgres.url(database, name))
    assert eventually(lambda: "db_default_partition_rows 300.0" in get(service, "/metrics").text)


@pytest.mark.parametrize("name", SERVICES)
def test_open_to_everyone_has_to_be_said_twice(start_service, postgres, database, name):
    told = {"DATABASE_URL": postgres.url(database, name), "HOST": "0.0.0.0", "AUTH": "open"}
    refused = start_service(name, wait=False, **told)
    assert refused.process.wait(30) == 1
    assert refused.log.read_text().startswith(
        f"{name}: these settings are wrong:\nAUTH: open would let whoever reaches HOST=0.0.0.0"
    )
    start_service(name, AUTH_OPEN_ANYWHERE="true", **told)


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/docs/", "/docs/start.js", "/events", "/metrics"])
def test_every_answer_keeps_browsers_from_guessing_running_and_framing(service, path):
    headers = get(service, path).headers
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    directives = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert (directives["default-src"], directives["frame-ancestors"]) == ("'none'", "'none'")
    assert directives.get("script-src") == ("'self'" if path == "/docs/" else None)


def test_the_documentation_works_under_its_policy_and_in_no_frame(service, browser):
    page = browser.new_page()
    page.set_default_timeout(60_000)
    complaints = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{service.url}/docs/")
    page.locator(".opblock-summary-path", has_text="/livez").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
    assert complaints == []
    page.route(
        "**/framing", lambda route: route.fulfill(content_type="text/html", body='<iframe src="docs/"></iframe>')
    )
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.goto(f"{service.url}/framing")
    page.close()


def test_the_documentation_needs_no_other_host(service):
    page = get(service, "/docs/")
    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert assets
    for asset in assets:
        assert not re.match("(https?:)?//", asset)
        assert get(service, asset if asset.startswith("/") else f"/docs/{asset}").status_code == 200


def test_the_openapi_document_names_every_operation(service):
    document = get(service, "/openapi.json").json()
    assert document["openapi"].startswith("3.")
    names = [operation["operationId"] for operation in operations(document)]
    assert len(names) == len(set(names))
    assert {"collector": "post_events", "query": "list_events"}[service.name] in names


def test_metrics_are_labelled_by_route_never_by_path(service):
    for path in ("/livez", "/nowhere/1", "/nowhere/2"):
        get(service, path)
    text = get(service, "/metrics").text
    assert 'http_requests_total{method="GET",route="/livez",status="200"}' in text
    assert 'http_requests_total{method="GET",route="<unmatched>",status="404"} 2.0' in text
    assert "nowhere" not in text
    assert f'app_build_info{{revision="unknown",service="{service.name}"' in text


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_not_ready_on_an_older_schema(start_service, postgres, name):
    database = f"old_{uuid.uuid4().hex}"
    postgres.execute(f"create database {database}")
    service = start_service(name, wait=False, DATABASE_URL=postgres.url(database, name))

    def refusal():
        with suppress(requests.ConnectionError):  # it doesn't listen yet
            answer = get(service, "/readyz")
            return answer.status_code, answer.json().get("code")

    # It listens before it has a connection to the database.
    assert eventually(lambda: refusal() not in (None, (503, "database_unavailable")))
    assert refusal() == (503, "schema_too_old")
    assert get(service, "/livez").status_code == 200
    service.stop()
    postgres.execute(f"drop database {database} with (force)")
