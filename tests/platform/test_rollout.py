"""scripts/rollout-under-load on plain processes: what a cluster does to a pod in a rollout, done here by a small proxy.

Like kube-proxy it balances connections, not requests: a connection that is kept stays with its pod until that pod hangs up.
"""

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
import requests
from servers import Postgres, Service
from signing_key import make_signing_key
from tools import ROOT, run
from waiting import eventually

from event_tracker.cli.database.bootstrap import SCOPES, register_token, register_write_key
from event_tracker.core.secrets.keys import make_key

SCRIPT = ROOT / "scripts" / "rollout-under-load"


class Balancer:
    """Gives each new connection to the next of `ports`; what is taken off the list keeps the connections that it has."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        turn = 0
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            turn += 1
            threading.Thread(target=self._serve, args=[client, self.ports[turn % len(self.ports)]], daemon=True).start()

    def _serve(self, client: socket.socket, port: int) -> None:
        try:
            with client, socket.create_connection(("127.0.0.1", port)) as server:
                peer = {client: server, server: client}
                while True:
                    for side in select.select([client, server], [], [])[0]:
                        data = side.recv(65536)
                        if not data:
                            return
                        peer[side].sendall(data)
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def balancers() -> Iterator[tuple[Balancer, Balancer]]:
    """One for the collectors, one for the query services."""
    pair = Balancer(), Balancer()
    yield pair
    for balancer in pair:
        balancer.close()


Start = Callable[[str], Service]

SIGNING_KEY = make_signing_key()


@pytest.fixture(autouse=True)
def access(owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key and the token that the script sends with and reads with."""
    key, token = make_key("wk").key, make_key("rt").key
    register_write_key(owner, "internal", key)
    register_token(owner, "READ_TOKEN", token, SCOPES["READ_TOKEN"])
    monkeypatch.setenv("WRITE_KEY", key)
    monkeypatch.setenv("API_TOKEN", token)


@pytest.fixture
def start(start_service: Callable[..., Service], postgres: Postgres, database: str) -> Start:
    """Starts one more process of the service named."""

    def start_one(name: str) -> Service:
        told = {"AUTH": "required", "DATABASE_URL": postgres.url(database, name), "DRAIN_SECONDS": 2}
        if name == "query":
            told |= {"CONTROL_DATABASE_URL": postgres.url(database, "control"), "SIGNING_KEY": SIGNING_KEY}
        service = start_service(name, wait=False, **told)
        # Beside the load, a start may take longer than wait_ready gives one request.
        for _ in range(10):
            with contextlib.suppress(requests.ReadTimeout):
                service.wait_ready()
                return service
        raise AssertionError(f"{name} isn't ready")

    return start_one


def port(service: Service) -> int:
    return int(service.url.rsplit(":", 1)[1])


def load(balancers: tuple[Balancer, Balancer], owner: psycopg.Connection) -> subprocess.Popen[str]:
    """The script, its load under way; `cat` ends once its input does, which is when `communicate` is called."""
    collector, query = balancers
    rate = ["--clients", "4", "--pause", "0.1", "--margin", "1"]
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "--collector", collector.url, "--query", query.url, *rate, "--", "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert eventually(lambda: owner.execute("select count(*) > 20 from events").fetchone() == (True,))
    return process


def roll(balancer: Balancer, start: Start, name: str, old: list[Service]) -> None:
    """Replace each of `old` as a Deployment does: start the new one, take the old one off the list, then SIGTERM."""
    for service in old:
        balancer.ports.append(port(start(name)))
        balancer.ports.remove(port(service))
        assert service.stop() == 0


def test_a_rolling_restart_of_collector_and_query_under_load_is_noticed_by_nobody(balancers, start, owner):
    old = [[start(name) for _ in range(2)] for name in ("collector", "query")]
    for balancer, services in zip(balancers, old, strict=True):
        balancer.ports = [port(service) for service in services]
    process = load(balancers, owner)
    for balancer, name, services in zip(balancers, ("collector", "query"), old, strict=True):
        roll(balancer, start, name, services)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert ": 0 failed" in output


def test_a_killed_collector_is_noticed(balancers, start, owner):
    for balancer, name in zip(balancers, ("collector", "query"), strict=True):
        balancer.ports = [port(start(name))]
    doomed = start("collector")
    balancers[0].ports.append(port(doomed))
    process = load(balancers, owner)
    doomed.kill()
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 1, output
    assert "POST /events" in output


def test_what_is_lost_or_counted_wrongly_is_noticed(balancers, start, owner):
    for balancer, name in zip(balancers, ("collector", "query"), strict=True):
        balancer.ports = [port(start(name))]
    process = load(balancers, owner)
    owner.execute("delete from events where event_id in (select event_id from events limit 1)")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 1, output
    assert "1 acknowledged events are LOST" in output
    assert "are counted" in output


def test_services_that_are_not_there_and_a_command_that_fails_are_noticed():
    nowhere = "http://127.0.0.1:9"
    done = run(SCRIPT, "--collector", nowhere, "--query", nowhere, "--clients", "1", "--margin", "0", "false", ok=False)
    assert done.returncode == 1
    assert "not one event was acknowledged" in done.stdout
    assert "exit code 1" in done.stdout


KUBECTL = """\
#!{python}
import os, sys
verb, rest = sys.argv[3], sys.argv[4:]
assert sys.argv[1:3] == ["--namespace", "event-tracker"]
if verb == "exec":
    assert rest[:3] == ["--stdin", "pod/load", "--"]
    inside = [os.environ.get(word, word) for word in rest[3:]]
    os.execvp(inside[0], inside)
print(verb, *rest)
sys.exit(rest[0] == "status" and "{fails}" in rest[-1])
"""
"""Stands in for kubectl: runs inside the pod what is to run there, with the addresses of services that are here."""


@pytest.mark.parametrize(("fails", "code"), [("nothing", 0), ("query", 1)])
def test_the_step_of_the_end_to_end_workflow_fails_if_the_rollout_does(balancers, start, tmp_path, fails, code):
    for balancer, name in zip(balancers, ("collector", "query"), strict=True):
        balancer.ports = [port(start(name))]
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.format(python=sys.executable, fails=fails))
    kubectl.chmod(0o755)
    here = {"http://collector:8000": balancers[0].url, "http://query:8001": balancers[1].url}
    environment = {**os.environ, **here, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = run(ROOT / "scripts" / "kind-e2e", "rollout", ok=False, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "rollout restart deployment/collector" in done.stdout
    assert ": 0 failed" in done.stdout
