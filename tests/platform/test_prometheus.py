"""Prometheus' configuration, rules and alerts: by promtool, and by a real server that scrapes the real services."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import yaml
from ports import free_port
from servers import Service
from tools import ROOT, run, tool
from waiting import wait_until

PROMETHEUS = ROOT / "infra" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yaml"))
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yaml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
RUNBOOK_URL = "https://github.com/example/event-tracker/blob/main/docs/runbooks/"

TARGET_LABELS = {"job", "instance"}
PROCESS = ["process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"]
KUBERNETES = {
    "cnpg_collector_last_available_backup_timestamp": {"namespace"},
    "kube_cronjob_created": {"namespace", "cronjob"},
    "kube_cronjob_status_last_successful_time": {"namespace", "cronjob"},
    "kube_job_created": {"namespace", "job_name"},
    "kube_job_failed": {"namespace", "job_name", "condition"},
    "kubelet_volume_stats_available_bytes": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"namespace", "persistentvolumeclaim"},
}
"""Metrics of kube-state-metrics, the kubelet and CloudNativePG that the rules may use, and their labels."""


def rules() -> list[dict[str, Any]]:
    """Every rule of every file."""
    return [rule for file in RULES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def key(name: str, labels: dict[str, str]) -> tuple[str, ...]:
    """Tells the rules of one alert apart: severities, and windows of a burn rate."""
    return (name, labels["severity"], labels.get("long", ""))


# --- by promtool


def test_prometheus_accepts_the_configuration_and_every_rule() -> None:
    promtool = tool("promtool")
    run(promtool, "check", "config", PROMETHEUS / "prometheus.yml")
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *RULES)


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_are_silent_at_no_traffic_and_recover(file: Path) -> None:
    run(tool("promtool"), "test", "rules", file)


def test_every_alert_is_seen_to_fire_and_then_to_fall_silent() -> None:
    recovered = set()
    for file in UNIT_TESTS:
        for case in yaml.safe_load(file.read_text())["tests"]:
            fired: set[tuple[str, ...]] = set()
            for look in case.get("alert_rule_test", []):
                now = {key(look["alertname"], alert["exp_labels"]) for alert in look.get("exp_alerts", [])}
                recovered |= {one for one in fired if one[0] == look["alertname"]} - now
                fired |= now
    # What always fires can't fall silent.
    missing = {key(alert["alert"], alert["labels"]) for alert in alerts()} - recovered
    assert missing == {("Watchdog", "none", "")}


def test_every_file_of_rules_is_tested_without_traffic() -> None:
    for file in RULES:
        cases = yaml.safe_load((PROMETHEUS / "tests" / file.name).read_text())["tests"]
        assert any(
            "without a request" in case["name"]
            and any(expression["expr"].startswith("count_over_time(ALERTS") for expression in case["promql_expr_test"])
            and all("exp_samples" not in expression for expression in case["promql_expr_test"])
            for case in cases
        ), file.name


def test_every_alert_says_how_bad_it_is_whom_it_concerns_and_what_to_do() -> None:
    for alert in alerts():
        name, labels, annotations = alert["alert"], alert["labels"], alert["annotations"]
        assert labels["severity"] in ({"none"} if name == "Watchdog" else {"critical", "warning"}), name
        assert "service" in labels or "slo:" in alert["expr"], name
        assert set(annotations) == {"summary", "description", "runbook_url"}, name
        assert annotations["runbook_url"].endswith(f".md#{name.lower()}"), name


# --- runbooks


def headings(file: Path) -> set[str]:
    return set(re.findall(r"^## (\w+)$", file.read_text(), re.MULTILINE))


def runbooks_of(alert: dict[str, Any]) -> list[str]:
    """The files that an alert's runbook_url may lead to."""
    url = alert["annotations"]["runbook_url"]
    assert url.startswith(RUNBOOK_URL), url
    file = url.removeprefix(RUNBOOK_URL).partition("#")[0]
    return [file.replace("{{ $labels.service }}", service) for service in ("collector", "query")]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    wanted = {(file, alert["alert"]) for alert in alerts() for file in runbooks_of(alert)}
    written = {(file.name, heading) for file in RUNBOOKS.glob("*.md") for heading in headings(file)}
    assert wanted == written


def fenced(language: str) -> list[str]:
    """The runbooks' blocks in one language."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [block for file in sorted(RUNBOOKS.glob("*.md")) for block in pattern.findall(file.read_text())]


def test_the_sql_of_the_runbooks_runs(owner: psycopg.Connection) -> None:
    blocks = fenced("sql")
    assert blocks
    for block in blocks:
        owner.execute(block.encode())


# --- by a real server


class Server:
    """A Prometheus that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def api(self, path: str, **parameters: str) -> Any:
        """The `data` of one answer of the HTTP API."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, str]]:
        """The labels of each sample of an instant query."""
        return [sample["metric"] for sample in self.api("query", query=expression)["result"]]


@contextmanager
def prometheus(folder: Path, targets: dict[str, str]) -> Iterator[Server]:
    """Run the committed configuration with other targets, every second instead of every 15."""
    address = f"127.0.0.1:{free_port()}"
    text = (PROMETHEUS / "prometheus.yml").read_text()
    for old, new in {**targets, "localhost:9090": address, "alertmanager:9093": "127.0.0.1:9", "15s": "1s"}.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "prometheus.yml").write_text(text)
    shutil.copytree(PROMETHEUS / "rules", folder / "rules")
    settings = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": address,
    }
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [tool("prometheus"), *(f"--{name}={value}" for name, value in settings.items())], stdout=log, stderr=log
        )
    try:
        server = Server(f"http://{address}")
        wait_until(lambda: process.poll() is not None or _ready(server))
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _ready(server: Server) -> bool:
    try:
        return requests.get(f"{server.url}/-/ready", timeout=30).ok
    except requests.RequestException:
        return False


def _address(service: Service) -> str:
    return service.url.removeprefix("http://")


def _send_traffic(collector: Service, query: Service) -> None:
    requests.post(
        f"{collector.url}/events", json={"user_id": "ann", "event_type": "login"}, timeout=10
    ).raise_for_status()
    assert requests.post(f"{collector.url}/events", json={"user_id": "ann"}, timeout=30).status_code == 422
    for path in ("/events?user_id=ann", "/stats/top-types"):
        requests.get(f"{query.url}{path}", timeout=30).raise_for_status()


def test_a_real_prometheus_scrapes_the_services_records_the_objectives_and_notices_a_stopped_one(
    collector: Service, query: Service, tmp_path: Path
) -> None:
    with prometheus(tmp_path, {"collector:8000": _address(collector), "query:8001": _address(query)}) as server:
        wait_until(lambda: {sample["job"] for sample in server.query("up == 1")} >= {"collector", "query"})

        def recorded() -> bool:
            _send_traffic(collector, query)
            return (
                len(server.query("slo:requests:rate1h > 0")) == 4
                and len(server.query("slo:error_ratio:rate3d >= 0")) == 4
            )

        def evaluated() -> list[dict[str, Any]]:
            return [rule for group in server.api("rules")["groups"] for rule in group["rules"]]

        wait_until(recorded)
        # Each group has its own second.
        wait_until(lambda: all(rule["health"] != "unknown" for rule in evaluated()))
        for name in {rule["record"] for rule in rules() if "record" in rule}:
            wait_until(lambda name=name: bool(server.query(name)), name)
        assert len(evaluated()) == len(rules())
        assert [rule for rule in evaluated() if rule["health"] != "ok"] == []
        alerts = server.api("alerts")["alerts"]
        assert {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"} == {"Watchdog"}

        query.stop()
        wait_until(lambda: bool(server.query('ALERTS{alertname="ServiceDown", service="query"}')))


def test_the_metrics_pages_of_both_services_follow_the_conventions(collector: Service, query: Service) -> None:
    promtool = tool("promtool")
    _send_traffic(collector, query)
    for service in (collector, query):
        run(promtool, "check", "metrics", input=requests.get(f"{service.url}/metrics", timeout=30).text)


OTHER_TAGS = {"service", "access", "admin", "sql", "saved queries"}
"""What the query service answers besides questions of ours about events: probes, sign-ins, management, and people's own statements,
which take as long as they are written."""


def test_the_query_objectives_count_every_question_and_no_other_path(query: Service) -> None:
    (routes,) = {route for rule in rules() for route in re.findall(r'job="query", route=~"([^"]+)"', rule["expr"])}
    for path, operations in requests.get(f"{query.url}/openapi.json", timeout=30).json()["paths"].items():
        is_question = not any(OTHER_TAGS.intersection(operation.get("tags", [])) for operation in operations.values())
        assert bool(re.fullmatch(routes, path)) == is_question, path
    assert not re.fullmatch(routes, "<unmatched>")


def documented_metrics() -> dict[str, set[str]]:
    """Name → labels of every metric that docs/metrics.md lists; of histograms, of each of their series."""
    found: dict[str, set[str]] = {}
    for name, kind, labels in re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([^|]+) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    ):
        own = TARGET_LABELS | (set() if labels == "none" else set(labels.split(", ")))
        if kind == "histogram":
            found |= {f"{name}_bucket": own | {"le"}, f"{name}_count": own, f"{name}_sum": own}
        else:
            found[name] = own
    return found


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _nodes(child)


def test_every_metric_and_label_that_rules_and_runbooks_use_exists(tmp_path: Path) -> None:
    recorded = {rule["record"]: {"slo", "service"} for rule in rules() if "record" in rule}
    scraped = dict.fromkeys(["up", *PROCESS], TARGET_LABELS)
    known = {**documented_metrics(), **KUBERNETES, **recorded, **scraped}
    expressions = [rule["expr"] for rule in rules()] + fenced("promql")
    with prometheus(tmp_path, {}) as server:
        for expression in expressions:
            nodes = list(_nodes(server.api("parse_query", query=expression)))
            available: set[str] = set()
            for node in nodes:
                if node.get("type") in ("vectorSelector", "matrixSelector"):
                    assert node["name"] in known, f"{node['name']} in: {expression}"
                    used = {matcher["name"] for matcher in node["matchers"]} - {"__name__"}
                    assert used <= known[node["name"]], (
                        f"{used - known[node['name']]} of {node['name']} in: {expression}"
                    )
                    available |= known[node["name"]]
            for node in nodes:
                named = set(node.get("grouping") or []) | set((node.get("matching") or {}).get("labels") or [])
                assert named <= available, f"{named - available} in: {expression}"
