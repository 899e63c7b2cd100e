"""The port for an orchestrator's probes: what it says, and that it says so at once, whatever the service is busy with."""

import gzip
import json
import signal
import socket
import uuid
from contextlib import ExitStack, contextmanager, suppress

import psutil
import pytest
import requests
from attacks import crowd
from ports import free_port
from signing_key import make_signing_key
from waiting import eventually

SERVICES = ["collector", "query"]
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def start(start_service, postgres, database):
    """A function that starts a service with a health port, which is its attribute `health`."""

    def start_one(name, **settings):
        if name == "query":
            settings = {
                "CONTROL_DATABASE_URL": postgres.url(database, "control"),
                "SIGNING_KEY": make_signing_key(),
                **settings,
            }
        port = free_port()
        service = start_service(name, **{"DATABASE_URL": postgres.url(database, name), "HEALTH_PORT": port, **settings})
        service.health = f"http://127.0.0.1:{port}"
        if settings.get("wait", True):
            # The worker reports every now and then: its own port may say so first.
            assert eventually(lambda: status(service, "/readyz") == 200)
        return service

    return start_one


def status(service, path):
    """The status at the health port; None before it listens."""
    with suppress(requests.ConnectionError):
        return requests.get(service.health + path, timeout=30).status_code
    return None


def worker_of(service):
    """None while there is none."""
    return next(iter(psutil.Process(service.process.pid).children()), None)


@contextmanager
def frozen(process):
    """Keep a process from running, as an endless computation would keep its event loop."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_that_the_worker_does_delays_an_answer(start, name):
    service = start(name)
    with frozen(worker_of(service)):
        for path in ("/livez", "/readyz"):
            assert [status(service, path) for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("name", SERVICES)
def test_an_instance_is_ready_once_it_has_reached_its_database(start, name):
    service = start(name, wait=False, DATABASE_URL=NO_DATABASE)
    assert eventually(lambda: status(service, "/livez") == 200)
    assert eventually(lambda: "service_ready 0.0" in metrics(service))
    assert status(service, "/readyz") == 503
    service = start(name)
    assert eventually(lambda: status(service, "/readyz") == 200)
    assert "service_ready 1.0" in metrics(service)


def metrics(service):
    with suppress(requests.ConnectionError):
        return requests.get(f"{service.url}/metrics", timeout=30).text
    return ""


def test_an_instance_that_stops_is_alive_but_not_ready(start):
    service = start("collector", DRAIN_SECONDS=10)
    assert eventually(lambda: status(service, "/readyz") == 200)
    service.process.send_signal(signal.SIGTERM)
    assert eventually(lambda: status(service, "/readyz") == 503)
    assert status(service, "/livez") == 200
    assert requests.get(f"{service.url}/livez", timeout=30).status_code == 200
    assert service.stop(signal.SIGTERM) == 0


def test_a_worker_that_was_killed_is_replaced_meanwhile_it_is_not_ready(start):
    service = start("collector")
    assert eventually(lambda: status(service, "/readyz") == 200)
    killed = worker_of(service)
    killed.kill()
    assert eventually(lambda: worker_of(service) != killed)
    assert status(service, "/livez") == 200
    assert eventually(lambda: status(service, "/readyz") == 200)
    assert worker_of(service) != killed


def test_a_port_that_is_taken_ends_it_with_the_setting_s_name(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = start("collector", wait=False, HEALTH_PORT=port)
        assert service.process.wait(60) == 1
    assert f"HEALTH_PORT: can't listen on 127.0.0.1:{port}: Address already in use" in service.log.read_text()


def test_it_is_another_port_than_that_of_clients(start):
    port = free_port()
    service = start("collector", wait=False, PORT=port, HEALTH_PORT=port)
    assert service.process.wait(60) == 1
    assert "HEALTH_PORT: It must be another port than PORT." in service.log.read_text()


def test_there_is_nothing_else_at_it(start):
    service = start("collector")
    event = {"user_id": "ann", "event_type": "view"}
    assert requests.post(f"{service.health}/events", json=event, timeout=30).status_code == 404
    for path in ("/", "/metrics", "/healthz", "/livez/x", "//livez"):
        assert status(service, path) == 404


def test_clients_that_send_nothing_keep_an_orchestrator_out_for_a_second_only(start):
    service = start("collector")
    address = ("127.0.0.1", int(service.health.rpartition(":")[2]))
    with ExitStack() as opened:
        for number in range(300):
            connection = opened.enter_context(socket.create_connection(address, timeout=30))
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n"[: number % 30])
        assert status(service, "/livez") == 200


EVENTS = json.dumps([{"user_id": "u", "event_type": "t", "properties": {"a": ["x" * 10] * 350}}] * 1000).encode()


def request(path, body, more=b""):
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n"
    return head % (path, more, len(body)) + body


def send_without_pause(make):
    """Send requests, and read each answer."""

    def act(connection, stopped):
        while not stopped.is_set():
            connection.sendall(make())
            if not connection.recv(65_536):
                return

    return act


def send_slowly(head):
    """Send a part of a request, and the rest a byte at a time."""

    def act(connection, stopped):
        connection.sendall(head)
        while not stopped.wait(0.1):
            connection.sendall(b"a")

    return act


def read_nothing(connection, stopped):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    stopped.wait(60)


def wrong_password():
    body = json.dumps({"name": uuid.uuid4().hex, "password": "not the one"}).encode()
    return request(b"/auth/sign-in", body)


GZIPPED = request(b"/events", gzip.compress(EVENTS), b"Content-Encoding: gzip\r\n")
EVENT = request(b"/events", b'{"user_id":"ann","event_type":"view"}')
ANSWERS = 20
ATTACKS = {
    "large gzip bodies": ("collector", send_without_pause(lambda: GZIPPED)),
    "small requests": ("collector", send_without_pause(lambda: EVENT)),
    "wrong passwords": ("query", send_without_pause(wrong_password)),
    "answers that nobody reads": ("query", read_nothing),
    "slow heads": ("query", send_slowly(b"GET /livez HTTP/1.1\r\nHost: x\r\nA: ")),
    "slow bodies": ("collector", send_slowly(EVENT[:-20])),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_answer_comes_within_a_second_under_attack(start, attack):
    """From clients who are more than twice as many as there may be connections."""
    name, act = ATTACKS[attack]
    service = start(name, CONNECTIONS=10)
    assert eventually(lambda: status(service, "/readyz") == 200)
    with crowd(service.url, act, 60):
        assert count_late(f"{service.health}/livez") + count_late(f"{service.health}/readyz") == 0


def count_late(url):
    """How many of some answers take longer than a second."""
    late = 0
    for _ in range(ANSWERS):
        try:
            assert requests.get(url, timeout=1).status_code == 200
        except requests.Timeout:
            late += 1
    return late
