"""The compose stack from end to end, in a real Docker engine: store, read, watch, and outlive a stop of the database."""

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from clients import Clients
from dashboards import all_panels, expanded
from manifest_checks import FREE_CONNECTIONS, STATEMENT_BYTES, amount
from stack import COMPOSE, Stack, eventually
from tools import ROOT, run, tool

from event_tracker.query.settings import QuerySettings

INFRA = ROOT / "infra"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return services


@pytest.fixture(scope="module")
def stack(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    run(ROOT / "scripts" / "dev-secrets", "compose")
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.up()
        yield stack
    finally:
        stack.down()


@pytest.mark.parametrize("name", ["compose.yaml", "compose.tls.yaml"])
def test_the_file_is_valid_compose(name: str) -> None:
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE.with_name(name))


def test_the_questions_that_are_asked_at_once_fit_into_the_memory_of_the_database(services: dict[str, Any]) -> None:
    questions = services["query"]["environment"].get("POOL_MAX", QuerySettings.pool_max) - FREE_CONNECTIONS
    buffers = 128 * 2**20  # PostgreSQL's default
    assert buffers + questions * STATEMENT_BYTES <= amount(services["postgres"]["mem_limit"].upper() + "i")


def test_every_service_is_hardened_and_listens_on_loopback_only(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "mem_limit" in service, name
        assert "pids_limit" in service, name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_no_password_stands_in_the_file(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            assert not re.search("://[^/]*@", str(value)), f"{name}: {variable}"
            if re.search("PASSWORD|DATABASE_URL|SIGNING_KEY|TOKEN|WRITE_KEY(?!_SOURCE)", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"


def test_the_lake_that_is_exported_is_the_one_that_questions_and_retention_can_read(services: dict[str, Any]) -> None:
    assert services["lake"]["profiles"] == ["lake"]
    assert "tracker lake export /lake;" in services["lake"]["entrypoint"][2]
    for name, volume in (("lake", "lake:/lake"), ("maintain", "lake:/lake"), ("query", "lake:/lake:ro")):
        assert volume in services[name]["volumes"], name
    assert services["query"]["environment"]["LAKE"] == "${LAKE:-}"


def test_upkeep_deletes_nothing_unless_it_is_given_options(services: dict[str, Any], tmp_path: Path) -> None:
    shell, option, script = services["maintain"]["entrypoint"]
    (tmp_path / "tracker").write_text('#!/bin/sh\nprintf "[%s]" "$@"\n')
    (tmp_path / "tracker").chmod(0o755)
    once = script.replace("$$", "$").replace("; sleep 3600", "; break").replace("/tmp/", f"{tmp_path}/")
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    for options, arguments in (
        ("", ["maintain"]),
        ("--keep 13months --archive-first /lake", ["maintain", "--keep", "13months", "--archive-first", "/lake"]),
    ):
        done = run(shell, option, once, env={**environment, "MAINTAIN_OPTIONS": options})
        assert done.stdout == "".join(f"[{one}]" for one in arguments)
    assert services["maintain"]["environment"]["MAINTAIN_OPTIONS"] == "${MAINTAIN_OPTIONS:-}"


def test_commands_are_those_of_the_command_line(services: dict[str, Any]) -> None:
    commands = [one["command"] for one in services.values() if "/tracker:" in one["image"] and "command" in one]
    assert ["outbox", "run"] in [command[:2] for command in commands]
    for command in commands:
        run(tool("tracker"), *command, "--help")


PERSON = {"name": "ann", "password": "correct horse battery"}


def sender(stack: Stack) -> dict[str, str]:
    return {"X-Write-Key": stack.secret("write-key")}


def reader(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_each_service_is_given_the_secrets_that_it_needs_and_no_others(services: dict[str, Any]) -> None:
    given = {name: set(service.get("secrets", [])) for name, service in services.items()}
    assert given["collector"] == {"collector-url"}
    assert given["query"] == {"query-url", "control-url", "signing-key"}
    assert given["dashboard"] == set()
    assert given["simulate"] == {"write-key"}
    assert given["s3"] == {"write-key", "visitor-secret", "aws-credentials"}
    assert given["outbox"] == {"outbox-url", "outbox-write-key"}
    assert given["storer"] == {"collector-url"}
    assert given["publisher"] == {"relay-url"}
    assert given["importer"] == {"write-key"}
    assert given["archive"] == set()
    assert given["cassandra-relay"] == {"relay-url"}
    assert given["cassandra"] == given["cassandra-keyspace"] == set()
    assert given["kafka"] == given["kafka-topics"] == given["kafka-console"] == set()


def test_without_the_profile_nothing_of_kafka_runs_and_the_collector_starts_without_it(
    services: dict[str, Any],
) -> None:
    by_profile = {
        profile: {name for name, service in services.items() if service.get("profiles") == [profile]}
        for profile in ("kafka", "kafka-archive", "kafka-import")
    }
    assert by_profile == {
        "kafka": {"kafka", "kafka-topics", "kafka-console", "storer", "publisher"},
        "kafka-archive": {"archive"},
        "kafka-import": {"importer"},
    }
    with_kafka = set().union(*by_profile.values())
    for name, service in services.items():
        waits_for = service.get("depends_on", {})
        needed = {other for other, how in waits_for.items() if how.get("required", True)}
        assert name in with_kafka or not needed & with_kafka, name
    assert services["collector"]["environment"]["KAFKA_BROKERS"] == "${KAFKA_BROKERS:-}"


def test_only_what_uses_kafka_is_on_its_network(services: dict[str, Any]) -> None:
    on_it = {name for name, service in services.items() if "kafka" in service["networks"]}
    assert on_it == {
        "collector",
        "kafka",
        "kafka-topics",
        "kafka-console",
        "storer",
        "publisher",
        "archive",
        "importer",
    }
    assert services["kafka"]["networks"] == ["kafka"]
    assert "ports" not in services["kafka"]


def test_without_its_profile_nothing_of_cassandra_runs_and_only_its_relay_reaches_it(services: dict[str, Any]) -> None:
    of_it = {"cassandra", "cassandra-keyspace", "cassandra-relay"}
    assert {name for name, service in services.items() if service.get("profiles") == ["cassandra"]} == of_it
    assert {name for name, service in services.items() if "cassandra" in service["networks"]} == of_it
    assert services["cassandra"]["networks"] == services["cassandra-keyspace"]["networks"] == ["cassandra"]
    assert not any("ports" in services[name] for name in of_it)
    for name, service in services.items():
        assert name in of_it or not of_it & service.get("depends_on", {}).keys(), name


def test_nobody_gets_in_without_and_the_first_admin_signs_in(stack: Stack) -> None:
    events, stats = f"{stack.url('collector')}/events", f"{stack.url('query')}/stats/top-types"
    nothing = {"user_id": "nobody", "event_type": "view"}
    assert requests.post(events, json=nothing, timeout=30).status_code == 401
    assert requests.get(stats, timeout=30).status_code == 401
    assert requests.get(stats, headers=reader(stack.secret("write-key")), timeout=30).status_code == 401
    assert (
        requests.get(
            f"{stack.url('query')}/admin/people", headers=reader(stack.secret("read-token")), timeout=10
        ).status_code
        == 403
    )

    made = stack.compose(
        "run", "--rm", "--no-TTY", "migrate", "admin", "create", "ann", given=f"{PERSON['password']}\n"
    )
    assert made.splitlines()[-1] == "made the admin ann"
    signed_in = requests.post(f"{stack.url('query')}/auth/sign-in", json=PERSON, timeout=30).json()
    for token in (signed_in["access_token"], stack.secret("admin-token")):
        people = requests.get(f"{stack.url('query')}/admin/people", headers=reader(token), timeout=30).json()
        assert [one["name"] for one in people["items"]] == ["ann"]


def test_events_are_stored_read_counted_and_shown(stack: Stack) -> None:
    events = [{"user_id": f"user-{number}", "event_type": "view"} for number in range(7)]
    sent = requests.post(f"{stack.url('collector')}/events", json=events, headers=sender(stack), timeout=30)
    assert sent.json() == {"received": 7, "stored": 7, "duplicates": 0, "rejected": 0}
    asked = {"headers": reader(stack.secret("read-token")), "timeout": 30}
    read = requests.get(f"{stack.url('query')}/events", params={"user_id": "user-3"}, **asked).json()
    assert [(event["event_type"], event["source"]) for event in read["events"]] == [("view", "internal")]

    stored = 'sum(collector_events_total{job="collector", outcome="stored"})'
    eventually(lambda: stack.ask(stored) == [7.0], f"{stored} is 7")
    eventually(lambda: stack.ask('up{job="query"}') == [1.0], "the query service is up")
    eventually(lambda: bool(stack.ask("slo:objective:ratio")), "the rules are evaluated")

    now = datetime.now().astimezone()
    board = json.loads((INFRA / "grafana" / "dashboards" / "product.json").read_text())
    queries = [target["rawSql"] for panel in all_panels(board) for target in panel.get("targets", [])]
    assert queries
    for query in queries:
        sql = expanded(query, now - timedelta(hours=1), now + timedelta(hours=1), "1h", None)
        assert stack.psql("grafana", sql), sql
    shown = stack.psql("grafana", "select sum(count) as events from product.event_counts where event_type = 'view'")
    assert shown == [{"events": 7}]


def test_a_person_signs_in_to_the_dashboard_and_gets_what_the_query_service_gives_them(stack: Stack) -> None:
    dashboard = stack.url("dashboard")
    download = {
        "url": f"{dashboard}/download/events",
        "params": {"format": "ndjson", "user_id": "user-3"},
        "timeout": 30,
    }
    assert requests.get(**download).status_code == 401
    with requests.Session() as browser:
        form = {"data": PERSON, "headers": {"Origin": dashboard}, "timeout": 30}
        browser.post(f"{dashboard}/sign-in", **form).raise_for_status()
        assert [json.loads(line)["user_id"] for line in browser.get(**download).text.splitlines()] == ["user-3"]


def test_prometheus_hands_its_alerts_to_alertmanager(stack: Stack) -> None:
    def received() -> bool:
        alerts = requests.get(f"{stack.url('alertmanager')}/api/v2/alerts", timeout=30).json()
        return "Watchdog" in {alert["labels"]["alertname"] for alert in alerts}

    eventually(received, "Alertmanager has the alert that always fires")


def test_a_stop_of_the_database_is_seen_and_loses_nothing(stack: Stack) -> None:
    rules = yaml.safe_load((INFRA / "prometheus" / "rules" / "database.yaml").read_text())["groups"]
    alert = next(rule for group in rules for rule in group["rules"] if rule.get("alert") == "DatabaseErrors")
    # The alert's own expression over a shorter time, so that it is over sooner, too.
    expression = alert["expr"].replace("[5m]", "[20s]")
    url = stack.url("collector")
    assert stack.ask(expression) == []

    with Clients([url], headers=sender(stack)) as clients:
        clients.wait_acknowledged(100)
        stack.compose("stop", "postgres")
        eventually(lambda: 503 in clients.statuses, "clients are told to come back")
        eventually(lambda: bool(stack.ask(expression)), "the alert's expression is true")
        assert requests.get(f"{url}/readyz", timeout=30).status_code == 200
        assert requests.get(f"{url}/healthz", timeout=30).status_code == 503
        stack.compose("start", "postgres")
        clients.wait_acknowledged(100, seconds=60)
        eventually(lambda: stack.ask(expression) == [], "the alert's expression is no longer true")
    assert clients.lost == []

    stored = {row["event_id"] for row in stack.psql("query", "select event_id from events where event_type = 'load'")}
    assert clients.acknowledged <= stored
    counted = stack.psql("query", "select sum(count) as events from event_counts where event_type = 'load'")
    assert counted == [{"events": len(stored)}]


def test_simulated_traffic_flows_when_it_is_asked_for(stack: Stack) -> None:
    before = stack.ask('sum(collector_events_total{outcome="stored"})')
    stack.compose("--profile", "traffic", "up", "--detach", "simulate")
    # Lists of one number; of none while there was no scrape for a while.
    eventually(lambda: stack.ask('sum(collector_events_total{outcome="stored"})') > before, "events arrive")
    stack.compose("--profile", "traffic", "stop", "--timeout", "5", "simulate")


def test_services_stop_within_their_grace_and_leave_with_0(stack: Stack) -> None:
    services = ("collector", "query", "dashboard")
    stack.compose("stop", *services)
    states = [json.loads(line) for line in stack.compose("ps", "--all", "--format", "json", *services).splitlines()]
    assert {state["Service"]: state["ExitCode"] for state in states} == dict.fromkeys(services, 0)
