"""Docs name the files whose code one event and one question run through, in their order; here real requests are traced."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from ports import free_port
from servers import Service
from signing_key import make_signing_key
from sites import make_source
from waiting import wait_until

from event_tracker.core.secrets.keys import make_key

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tests" / "support" / "traced_files.py"
REQUESTS = 4
"""How often a request is made: the first ones also fill caches."""

EVENT = {"user_id": "ann", "event_type": "view", "properties": {"page": "/"}}


def documented(heading: str) -> list[str]:
    """The files that a section of docs/architecture.md numbers."""
    _, _, text = (ROOT / "docs" / "architecture.md").read_text().partition(f"\n## {heading}\n")
    section = text.partition("\n## ")[0]
    return re.findall(r"^\d+\. `([\w/.]+)`", section, re.MULTILINE)


@pytest.fixture
def trace(tmp_path, postgres, database):
    """trace(service, method, path, settings, **options) makes a request some times: the files that each one ran."""
    started = []

    def run(name, method, path, settings, **options):
        output, log, port = tmp_path / "files", tmp_path / "log", free_port()
        common = {
            "DATABASE_URL": postgres.url(database, name),
            "PORT": str(port),
            "DRAIN_SECONDS": "0",
            "AUTH": "required",
        }
        with log.open("wb") as lines:
            process = subprocess.Popen(
                [sys.executable, SCRIPT, name, output],
                env={**os.environ, **common, **settings},
                stdout=lines,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        service = Service(name, f"http://127.0.0.1:{port}", process, log)
        started.append(service)
        service.wait_ready()
        for number in range(1, REQUESTS + 1):
            with requests.request(method, service.url + path, **options, timeout=60) as answer:
                assert answer.ok, answer.text
            # They are written when the connection has ended, after the answer.
            wait_until(lambda: len(recorded(output, path)) == number, "the files of a request are written")  # noqa: B023
        return set.intersection(*recorded(output, path))

    yield run
    for service in started:
        service.stop()


def recorded(output, path):
    """The files of each connection with one request for a path."""
    connections = [json.loads(line) for line in output.read_text().splitlines()]
    return [set(files) for *paths, files in connections if paths == [path.partition("?")[0]]]


@pytest.mark.services
def test_the_way_of_an_event_is_as_documented(trace, owner):
    key = make_source(owner, "shop", [])
    files = trace(
        "collector",
        "POST",
        "/events",
        {},
        json=EVENT,
        headers={"Authorization": f"Bearer {key}", "Connection": "close"},
    )
    named = documented("How an event is stored")
    assert files == set(named)
    assert len(named) == 10


@pytest.mark.services
def test_the_way_of_a_question_is_as_documented(trace, owner, postgres, database):
    owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, source, properties) "
        "values ('ann', now(), uuidv7(), 'view', 'shop', '{}')"
    )
    token = make_key("rt")
    owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'reports', %s, '{read_events}')",
        [token.prefix, token.hash],
    )
    settings = {"CONTROL_DATABASE_URL": postgres.url(database, "control"), "SIGNING_KEY": make_signing_key()}
    headers = {"Authorization": f"Bearer {token.key}", "Connection": "close"}
    files = trace("query", "GET", "/events?user_id=ann", settings, headers=headers)
    named = documented("How a question is answered")
    assert files == set(named)
    assert len(named) == 16
