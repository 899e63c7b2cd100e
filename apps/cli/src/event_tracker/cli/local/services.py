"""The collector, the query service and the dashboard as processes: their settings, and how to wait until they are ready."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import click
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from event_tracker.cli.local.process import Process
from event_tracker.core.postgres.database_parts import part_names

HOST = "127.0.0.1"
READY_SECONDS = 60
POLL_SECONDS = 0.05


def service(name: str, logs: Path, port: int, settings: Mapping[str, str]) -> Process:
    """The process of one service, not yet started. Settings that aren't given come from the environment."""
    given = {**settings, "HOST": HOST, "PORT": str(port), "DRAIN_SECONDS": "0"}
    command = [sys.executable, "-m", f"event_tracker.{name}"]
    people_say = {"collector": "the collector", "query": "the query service"}[name]
    return Process(people_say, command, logs / f"{name}.log", environment=inherited_settings(given) | given)


def inherited_settings(given: Mapping[str, str]) -> dict[str, str]:
    """The environment without what is given, and without the files and parts that would stand for it."""
    parts = {part for key in given if key.endswith("DATABASE_URL") for part in part_names(key)}
    return {key: value for key, value in os.environ.items() if key.removesuffix("_FILE") not in given.keys() | parts}


def dashboard(logs: Path, query: str, collector: str, port: int) -> Process:
    """The process of the dashboard, not yet started. It queries the query service, and shows the collector's URL."""
    given = {"QUERY_URL": query, "COLLECTOR_URL": collector, "HOST": HOST, "PORT": str(port)}
    return Process(
        "the dashboard",
        [sys.executable, "-m", "event_tracker.dashboard"],
        logs / "dashboard.log",
        environment=os.environ | given,
    )


def url_in_role(owner_url: str, role: str) -> str:
    """The owner's URL, changed so that its connections have only the rights of a role."""
    options = conninfo_to_dict(owner_url).get("options") or ""
    return make_conninfo(owner_url, options=f"{options} -c role={role}".strip())


def wait_until_ready(port: int, processes: Sequence[Process], path: str) -> None:
    """Wait until the service on this port is ready.

    Raises:
        ClickException: if one of the processes ends, or after READY_SECONDS.
    """
    deadline = time.monotonic() + READY_SECONDS
    while (reason := _not_ready(port, path)) is not None:
        for process in processes:
            process.require_running()
        if time.monotonic() > deadline:
            raise click.ClickException(f"http://{HOST}:{port}{path} doesn't say ready: {reason}")
        time.sleep(POLL_SECONDS)


def _not_ready(port: int, path: str) -> str | None:
    """Why a service isn't ready; None if it is. (Clients that respect http_proxy would ask a proxy, this one doesn't.)"""
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        return str(error)
    finally:
        connection.close()
    return None if answer.status == 200 else body
