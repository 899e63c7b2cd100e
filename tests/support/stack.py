"""The compose stack as a separate project, on free ports, with a Prometheus that scrapes every second."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from containers import compose_image
from ports import free_port
from tools import ROOT, run, tool

COMPOSE = ROOT / "infra" / "compose.yaml"
PORTS = ("COLLECTOR_PORT", "QUERY_PORT", "DASHBOARD_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "GRAFANA_PORT")
WAIT_SECONDS = 120


class Stack:
    """infra/compose.yaml, running."""

    def __init__(self, folder: Path) -> None:
        """Args: folder: where Prometheus' changed configuration goes; the containers read it."""
        folder.chmod(0o755)
        self.ports = {name: free_port() for name in PORTS}
        shutil.copytree(ROOT / "infra" / "prometheus", folder / "prometheus")
        config = folder / "prometheus" / "prometheus.yml"
        config.write_text(config.read_text().replace("_interval: 15s", "_interval: 1s"))
        override = folder / "override.yaml"
        override.write_text(f"services: {{prometheus: {{volumes: ['{folder}/prometheus:/etc/prometheus:ro']}}}}")
        project = f"event-tracker-test-{uuid.uuid4().hex[:8]}"
        self._command = [
            tool("docker"),
            "compose",
            "--project-name",
            project,
            "--file",
            str(COMPOSE),
            "--file",
            str(override),
        ]
        self._environment = os.environ | {name: str(port) for name, port in self.ports.items()}

    def compose(self, *arguments: str, ok: bool = True, given: str | None = None) -> str:
        """Its standard output; `given` is its standard input."""
        return run(*self._command, *arguments, env=self._environment, ok=ok, input=given).stdout

    def services(self) -> list[str]:
        """The services whose images are available here. Only Grafana's may be missing."""
        names = self.compose("config", "--services").split()
        images = {name: service["image"] for name, service in yaml.safe_load(COMPOSE.read_text())["services"].items()}
        for name in ("postgres", "prom/prometheus", "prom/alertmanager"):
            compose_image(name)
        if (
            subprocess.run(
                [tool("docker"), "image", "inspect", images["grafana"]], capture_output=True, check=False
            ).returncode
            != 0
        ):
            names.remove("grafana")
        return names

    def up(self) -> None:
        self.compose("up", "--detach", "--wait", "--wait-timeout", str(WAIT_SECONDS), *self.services())

    def down(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "5", ok=False)

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[f'{service.upper()}_PORT']}"

    def ask(self, expression: str) -> list[float]:
        """The values that Prometheus has for an expression now."""
        answer = requests.get(f"{self.url('prometheus')}/api/v1/query", params={"query": expression}, timeout=30).json()
        assert answer["status"] == "success", answer
        return [float(series["value"][1]) for series in answer["data"]["result"]]

    def secret(self, name: str) -> str:
        """What scripts/dev-secrets made."""
        return (ROOT / "infra" / "secrets" / name).read_text()

    def psql(self, role: str, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, made inside the database's container with the role's password."""
        password = self.secret(f"{role}-password")
        url = f"postgresql://{role}:{password}@127.0.0.1/events"
        wrapped = f"select coalesce(json_agg(answer), '[]') from ({sql}) as answer"
        rows: list[dict[str, Any]] = json.loads(
            self.compose(
                "exec",
                "--no-TTY",
                "postgres",
                "psql",
                url,
                "--no-psqlrc",
                "--tuples-only",
                "--no-align",
                "--command",
                wrapped,
            )
        )
        return rows


def eventually(holds: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Return once `holds()`; fail with `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:.0f} s still not so: {what}")
        time.sleep(0.5)
