"""Whom Alertmanager tells, and what it keeps to itself."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from ports import free_port
from tools import ROOT, run, tool

CONFIG = ROOT / "infra" / "alertmanager" / "alertmanager.yml"


def test_alertmanager_accepts_the_configuration() -> None:
    run(tool("amtool"), "check-config", CONFIG)


@pytest.mark.parametrize(
    ("receiver", "labels"),
    [
        ("critical", ["alertname=ServiceDown", "service=collector", "severity=critical"]),
        ("critical", ["alertname=ErrorBudgetBurn", "service=query", "slo=query-latency", "severity=critical"]),
        ("warning", ["alertname=BackupTooOld", "service=database", "severity=warning"]),
        ("warning", ["alertname=SomebodyElses"]),
        ("watchdog", ["alertname=Watchdog", "service=platform", "severity=none"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0].partition("=")[2],
)
def test_an_alert_goes_to_the_receiver_of_its_severity(receiver: str, labels: list[str]) -> None:
    run(
        tool("amtool"), "config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver}", *labels
    )


START_SECONDS = 60


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """The URL of an Alertmanager that runs the committed configuration and is ready."""
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "config.file": CONFIG,
        "storage.path": tmp_path / "data",
        "web.listen-address": address,
        "cluster.listen-address": "",
    }
    log = tmp_path / "log"
    command = [
        tool("alertmanager", "prometheus-alertmanager"),
        *(f"--{name}={value}" for name, value in settings.items()),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _is_ready(f"http://{address}"):
            assert process.poll() is None, f"Alertmanager ended:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"Alertmanager doesn't get ready:\n{log.read_text()}"
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=30).ok
    except requests.RequestException:
        return False


ALERTS: dict[str, dict[str, str]] = {
    "down": {"alertname": "ServiceDown", "service": "collector", "severity": "critical"},
    "burn of what is down": {
        "alertname": "ErrorBudgetBurn",
        "service": "collector",
        "slo": "collector-availability",
        "severity": "critical",
    },
    "slow burn of what is down": {
        "alertname": "ErrorBudgetBurn",
        "service": "collector",
        "slo": "collector-latency",
        "severity": "warning",
    },
    "burn": {"alertname": "ErrorBudgetBurn", "service": "query", "slo": "query-availability", "severity": "critical"},
    "the same burn, slower": {
        "alertname": "ErrorBudgetBurn",
        "service": "query",
        "slo": "query-availability",
        "severity": "warning",
    },
    "another objective": {
        "alertname": "ErrorBudgetBurn",
        "service": "query",
        "slo": "query-latency",
        "severity": "warning",
    },
    "a cause": {"alertname": "DatabaseErrors", "service": "database", "severity": "warning"},
}


def test_alertmanager_keeps_quiet_what_follows_from_a_worse_alert(alertmanager: str) -> None:
    alerts = [{"labels": labels} for labels in ALERTS.values()]
    requests.post(f"{alertmanager}/api/v2/alerts", json=alerts, timeout=30).raise_for_status()
    deadline = time.monotonic() + 60
    expected = {"burn of what is down", "slow burn of what is down", "the same burn, slower"}
    while True:
        found = requests.get(f"{alertmanager}/api/v2/alerts", timeout=30).json()
        quiet = {
            name
            for name, labels in ALERTS.items()
            for alert in found
            if alert["labels"] == labels and alert["status"]["inhibitedBy"]
        }
        if len(found) == len(ALERTS) and quiet == expected:
            return
        assert time.monotonic() < deadline, quiet
        time.sleep(0.2)
