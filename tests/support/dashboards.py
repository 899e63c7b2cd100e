"""Runs the queries of Grafana's dashboards: a Prometheus on our services, and Grafana's macros for SQL."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import requests
import yaml
from kafka_metrics import KafkaMetrics, kafka_metrics
from ports import free_port
from servers import Service
from tools import ROOT

RULES = ROOT / "infra" / "prometheus" / "rules"

WINDOWS = {"$__rate_interval": "10s", "$__range": "1m", "$__interval": "5s"}
"""What Grafana would fill in, short enough for a test."""

ROUNDS = 16


class Series(NamedTuple):
    labels: dict[str, str]
    values: list[float]


def all_panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """A dashboard's panels, without its rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


class Watched:
    """A Prometheus, and what it scrapes each second: the two services, and the metrics of Kafka's part."""

    def __init__(self, url: str, collector: Service, query: Service, kafka: KafkaMetrics) -> None:
        self.url, self.collector, self.query, self.kafka = url, collector, query, kafka
        self.end = 0.0

    def ask(self, target: dict[str, Any]) -> list[Series]:
        """The answer to a panel's query, as of the end of the traffic."""
        expr = target["expr"]
        for name, window in WINDOWS.items():
            expr = expr.replace(name, window)
        if target.get("range"):
            answer = self._get("query_range", query=expr, start=self.end - 15, end=self.end, step=1)
            return [Series(one["metric"], [float(value) for _, value in one["values"]]) for one in answer["result"]]
        answer = self._get("query", query=expr, time=self.end)
        return [Series(one["metric"], [float(one["value"][1])]) for one in answer["result"]]

    def names_in(self, expr: str) -> set[str]:
        """The metrics that an expression selects."""
        for name, window in WINDOWS.items():
            expr = expr.replace(name, window)
        tree = json.dumps(self._get("parse_query", query=expr))
        return set(re.findall(r'"name": "([^"]+)", "offset"', tree))

    def _get(self, path: str, **parameters: Any) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30).json()
        assert answer["status"] == "success", f"{answer.get('error')}: {parameters['query']}"
        return answer["data"]

    def make_traffic(self, owner_url: str) -> None:
        """Send requests of all kinds: stored, duplicate and refused events, other 4xx, queries that are slow or time out."""
        with psycopg.connect(owner_url, autocommit=True) as owner:
            for number in range(ROUNDS):
                self._ingest(number)
                self._question()
                self.kafka.record()
                self._ask_behind_a_lock(owner, is_too_slow=number % 4 == 1)
        deadline = time.monotonic() + 60
        while True:
            self.end = time.time()
            alerts = self.ask({"expr": "ALERTS"})
            if len(self.ask({"expr": "slo:error_ratio:rate1h"})) == 4 and any("slo" in one.labels for one in alerts):
                return
            assert time.monotonic() < deadline, f"the rules have no results, or the failures raised no alert: {alerts}"
            time.sleep(0.5)

    def _ingest(self, number: int) -> None:
        url = f"{self.collector.url}/events"
        good = {"user_id": f"user-{number % 3}", "event_type": "click"}
        known = {**good, "timestamp": "2026-03-01T10:00:00Z", "event_id": "0194fdc2-fa2f-4cc0-81d3-ff12045b73c8"}
        for body, statuses in [
            (good, {201}),
            (known, {200, 201}),
            ([good] * 50, {200}),
            ([good, {**good, "colour": "red"}], {207}),
            ({"user_id": ""}, {422}),
        ]:
            assert requests.post(url, json=body, timeout=30).status_code in statuses
        assert (
            requests.post(url, data=b"{", headers={"Content-Type": "application/json"}, timeout=30).status_code == 400
        )

    def _question(self) -> None:
        # Three of each: an alert on an objective asks for a rate of requests, too.
        questions = [
            ("/events?user_id=user-1", 200),
            ("/events", 200),
            ("/stats/users", 200),
            ("/events?colour=red", 422),
        ]
        for path, status in questions * 3:
            assert requests.get(self.query.url + path, timeout=30).status_code == status

    def _ask_behind_a_lock(self, owner: psycopg.Connection, *, is_too_slow: bool) -> None:
        """GET /stats/top-types takes as long as the lock, or until its statement is cancelled."""
        with ThreadPoolExecutor(1) as aside:
            with owner.transaction():
                owner.execute("lock table event_counts in access exclusive mode")
                asked = aside.submit(requests.get, f"{self.query.url}/stats/top-types", timeout=30)
                if is_too_slow:
                    assert asked.result().status_code == 504
                else:
                    time.sleep(0.3)
            # On a busy machine a query that should be slow may time out.
            assert asked.result().status_code in (200, 504)


@contextmanager
def watching(prometheus: str, folder: Path, collector: Service, query: Service) -> Iterator[Watched]:
    """A Prometheus that evaluates our rules each second. One of its targets is down, so that there is an alert."""
    for path in RULES.glob("*.yaml"):
        groups = yaml.safe_load(path.read_text())
        for group in groups["groups"]:
            group.pop("interval", None)
        (folder / f"{path.stem}.rules.yaml").write_text(yaml.safe_dump(groups))
    with kafka_metrics() as kafka:
        targets = {
            **{job: [address] for job, address in kafka.addresses.items()},
            "collector": [collector.url, f"http://127.0.0.1:{free_port()}", kafka.addresses["collector"]],
            "query": [query.url],
        }
        with _prometheus(prometheus, folder, targets) as url:
            yield Watched(url, collector, query, kafka)


@contextmanager
def _prometheus(prometheus: str, folder: Path, targets: dict[str, list[str]]) -> Iterator[str]:
    """Run one with the rules that are in the folder, and these targets by job. Gives its URL."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["*.rules.yaml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [url.removeprefix("http://") for url in urls]}]}
            for job, urls in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                prometheus,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def metric_names(documented: Path, rules: Path) -> set[str]:
    """The names of all metrics: those of docs/metrics.md (three series for a histogram), of recording rules, and Prometheus' own."""
    names = {"up", "ALERTS"}
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", documented.read_text(), re.MULTILINE):
        names |= {f"{name}_{part}" for part in ("bucket", "count", "sum")} if kind == "histogram" else {name}
    for path in rules.glob("*.yaml"):
        names |= {
            rule["record"]
            for group in yaml.safe_load(path.read_text())["groups"]
            for rule in group["rules"]
            if "record" in rule
        }
    return names


def expanded(
    sql: str, start: datetime, end: datetime, interval: str, chosen: list[str] | None, zone: str = "utc"
) -> str:
    """SQL as Grafana sends it: the variables event_type and __timezone, then $__interval_ms and $__interval, then macros.

    The macros follow pkg/tsdb/grafana-postgresql-datasource/macros.go. `chosen` None is All, whose value isn't quoted.
    """
    values = "event_type" if chosen is None else ",".join("'" + value.replace("'", "''") + "'" for value in chosen)
    seconds = {"1h": 3600, "6h": 21600, "1d": 86400, "7d": 604800}[interval]
    sql = sql.replace("${event_type:sqlstring}", values).replace("${__timezone}", zone)
    sql = sql.replace("$__interval_ms", str(seconds * 1000)).replace("$__interval", interval)
    begin, finish = (f"'{moment:%Y-%m-%dT%H:%M:%S.%fZ}'" for moment in (start, end))

    def macro(found: re.Match[str]) -> str:
        name, column = found[1], found[2].split(",")[0].strip()
        group = f"floor(extract(epoch from {column})/{seconds})*{seconds}"
        return {
            "__timeFilter": f"{column} BETWEEN {begin} AND {finish}",
            "__timeFrom": begin,
            "__timeTo": finish,
            "__timeGroup": group,
            "__timeGroupAlias": f'{group} AS "time"',
        }[name]

    return re.sub(r"\$(\w+)\(([^)]*)\)", macro, sql)
