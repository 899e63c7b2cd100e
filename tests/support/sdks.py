"""Runs the SDKs that people already have against a collector, and compares what they say with what is stored."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from tools import ROOT, not_checked, tool

FOLDER = ROOT / "tests" / "platform" / "sdks"

SDKS = {
    "segment_node.mjs": "@segment/analytics-node",
    "analytics_node.mjs": "analytics-node",
    "rudder_node.mjs": "@rudderstack/rudder-sdk-node",
    "posthog_node.mjs": "posthog-node",
    "amplitude_node.mjs": "@amplitude/analytics-node",
    "snowplow_node.mjs": "@snowplow/node-tracker",
    "otlp_node.mjs": "@opentelemetry/exporter-logs-otlp-http",
    "segment_python.py": "segment-analytics-python",
    "rudder_python.py": "rudder-sdk-python",
    "posthog_python.py": "posthog",
    "amplitude_python.py": "amplitude-analytics",
    "snowplow_python.py": "snowplow-tracker",
    "mixpanel_python.py": "mixpanel",
    "otlp_python.py": "opentelemetry-exporter-otlp-proto-http",
}
"""The sender of each SDK, and its package."""

COUNT = 40
PAUSE_MS = 200


class Installed(NamedTuple):
    """Where the SDKs are: a folder with node_modules and the senders, and a Python that has the others."""

    folder: Path
    python: Path

    def command(self, sender: str) -> list[str]:
        program = str(self.python) if sender.endswith(".py") else tool("node")
        return [program, str(self.folder / "senders" / sender)]


@dataclass(frozen=True)
class Delivery:
    """What an SDK said of its events, and what became of them.

    Attributes:
        delivered: what it takes for delivered.
        given_up: what it gave up, with its reason.
        stored: how often each is stored.
    """

    delivered: frozenset[int]
    given_up: dict[int, str]
    stored: dict[int, int]

    @property
    def lost(self) -> set[int]:
        """Delivered, as the SDK says, and not stored: there must be none."""
        return set(self.delivered) - set(self.stored)

    @property
    def doubles(self) -> int:
        """Stored more than once: there must be none."""
        return sum(count - 1 for count in self.stored.values())


def install_sdks(folder: Path) -> Installed:
    """Install the SDKs by npm and pip, in the versions of package-lock.json and requirements.txt."""
    npm = tool("npm")
    tool("node")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    _install(command, folder)
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    python = folder / ".venv" / "bin" / "python"
    _install([str(python), "-m", "pip", "install", "-q", "-r", "requirements.txt"], folder)
    return Installed(folder, python)


def _install(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        not_checked(f"`{' '.join(command[:3])}` failed, perhaps without a network: {done.stderr[-500:]}")


class Sender:
    """An SDK that sends, as a process."""

    def __init__(self, installed: Installed, sender: str, url: str, write_key: str, user: str) -> None:
        self.name, self.user = sender, user
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `finish`
        environment = {
            **os.environ,
            "BASE_URL": url,
            "WRITE_KEY": write_key,
            "SENDER": user,
            "COUNT": str(COUNT),
            "PAUSE_MS": str(PAUSE_MS),
        }
        self._process = subprocess.Popen(
            installed.command(sender), env=environment, stdout=self._output, stderr=subprocess.STDOUT
        )

    def wait(self, seconds: float) -> None:
        """Wait for its end. One that isn't done by then has given up all events of which it has said nothing."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def find_delivery(self, owner: psycopg.Connection) -> Delivery:
        """What it said, and what is stored."""
        said = self._read_report()
        stored = owner.execute(
            "select (properties ->> 'n')::int, count(*) from events where user_id = %s and event_type = 'Sent' group by 1",
            [self.user],
        ).fetchall()
        given_up = {int(n): reason for n, reason in said["given_up"].items()}
        return Delivery(frozenset(said["delivered"]), given_up, dict(stored))

    def _read_report(self) -> dict[str, Any]:
        with self._output as output:
            output.seek(0)
            lines = output.read().decode().splitlines()
        reports = [line for line in lines if line.startswith('{"delivered"')]
        if reports:
            report: dict[str, Any] = json.loads(reports[-1])
            return report
        reason = lines[-1] if lines else "still trying"
        return {"delivered": [], "given_up": dict.fromkeys(map(str, range(COUNT)), reason)}


def tell(fault: str, deliveries: dict[str, Delivery]) -> str:
    """The rows of docs/clients' table for a fault."""
    rows = [f"\n| {fault} | delivered | stored | doubles | given up | why |", "| --- | --- | --- | --- | --- | --- |"]
    for name, one in deliveries.items():
        why = "; ".join(sorted(set(one.given_up.values())))[:160]
        rows.append(
            f"| {SDKS[name]} | {len(one.delivered)} | {len(one.stored)} | {one.doubles} | {len(one.given_up)} | {why} |"
        )
    return "\n".join(rows)
