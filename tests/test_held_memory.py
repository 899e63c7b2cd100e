"""What requests and unread answers hold in memory: bounded and counted until the answer has left, while others are served."""

import json
import re
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from select import select
from subprocess import run

import psutil
import pytest
import requests
from waiting import eventually, wait_until

from event_tracker.core.secrets.keys import make_key

JSON = {"Content-Type": "application/json"}
CONTAINER = 512 * 2**20
"""What a container of either service may take (k8s/base)."""


@pytest.fixture(scope="module")
def start(launcher, tmp_path_factory, postgres, shared_database):
    """A function that starts a service on the database of this module."""
    key = run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True, text=True).stdout
    control = {"CONTROL_DATABASE_URL": postgres.url(shared_database, "control"), "SIGNING_KEY": key}
    with launcher(tmp_path_factory.mktemp("held"), forked=False) as start:
        yield lambda name, **settings: start(
            name,
            DATABASE_URL=postgres.url(shared_database, name),
            **(control if name == "query" else {}),
            **settings,
        )


def worker_of(service):
    return psutil.Process(service.process.pid).children()[0]


ADDRESSES = [f"127.0.0.{number}" for number in range(2, 10)]
"""Of clients that are several; the others have 127.0.0.1."""


class From(requests.adapters.HTTPAdapter):
    """Makes a session of `requests` ask from an address."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, source_address=(self.address, 0), **options)


def ask_without_reading(opened, service, sent, address="127.0.0.1"):
    """A connection on which a request was sent, or as much of it as is taken; nothing of its answer is read."""
    connection = opened.enter_context(socket.socket())
    connection.bind((address, 0))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = service.url.removeprefix("http://").split(":")
    connection.settimeout(60)
    connection.connect((host, int(port)))
    with suppress(ConnectionError):  # refused before all of it was sent
        connection.sendall(sent)
    return connection


def post(path, body, content_type=b"application/json"):
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (path, content_type, len(body)) + body


def require_bounded(service, before, path, times):
    """Return if the process answers, and has kept within its container, when it has made so many answers."""
    start = f'route="{path}"'

    def answered():
        lines = requests.get(f"{service.url}/metrics", timeout=60).text.splitlines()
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith("http_requests_total") and start in line
        )

    wait_until(lambda: answered() >= times, seconds=120)
    assert requests.get(f"{service.url}/livez", timeout=60).status_code == 200
    assert worker_of(service).memory_info().rss < max(CONTAINER, before)


MEMBERS = json.dumps({str(number): 0 for number in range(97_999)}, separators=(",", ":")).encode()
"""0.97 MB of members that no body has."""


@pytest.mark.parametrize("path", ["/auth/sign-in", "/auth/refresh", "/auth/sign-out", "/auth/oidc", "/auth/password"])
def test_who_has_yet_to_sign_in_sends_a_few_kilobytes(start, path):
    service = start("query", AUTH="required")
    answer = requests.post(f"{service.url}{path}", MEMBERS, headers=JSON, timeout=60)
    assert answer.status_code in {401, 404, 413}
    assert len(answer.content) < 1000


@pytest.mark.parametrize("path", ["/auth/sign-in", "/stats/funnel"])
def test_unread_refusals_of_many_members_cost_bounded_memory(start, path):
    service = start("query")
    before = worker_of(service).memory_info().rss
    with ExitStack() as opened:
        for _ in range(40):
            ask_without_reading(opened, service, post(path.encode(), MEMBERS))
        require_bounded(service, before, path, 40)
        assert worker_of(service).memory_info().rss - before < 150_000_000


def test_of_many_mistakes_some_are_listed_and_the_others_counted(start):
    service = start("query")
    body = {"name": "ann", "password": "x", **{f"{number}" * 60: 0 for number in range(100)}}
    problem = requests.post(f"{service.url}/auth/sign-in", json=body, timeout=60).json()
    assert problem["code"] == "invalid_parameters"
    assert len(problem["errors"]) == 21
    assert problem["errors"][-1] == {
        "parameter": "more",
        "code": "more_errors",
        "detail": "And 80 more mistakes, which aren't listed.",
    }
    assert max(len(error["parameter"]) for error in problem["errors"]) == 101, "100 characters of it, and an ellipsis"
    assert "first 20" in problem["detail"]


def test_of_many_parameters_some_are_listed_and_the_others_counted(start):
    service = start("query")
    query = "&".join(f"{'x' * 20}{number}=1" for number in range(150)) + f"&{'y' * 3000}=1"
    problem = requests.get(f"{service.url}/events?{query}", timeout=60).json()
    assert [error["code"] for error in problem["errors"]] == ["unknown_parameter"] * 20 + ["more_errors"]
    problem = requests.get(f"{service.url}/events?{'y' * 3000}=1", timeout=60).json()
    assert [len(error["parameter"]) for error in problem["errors"]] == [101]


def test_unread_answers_to_many_errors_cost_bounded_memory(start, shared_owner):
    """A few bytes of an event make an error of more than a hundred."""
    service = start("collector", MAX_BODIES_BYTES=8 * 2**20)
    before = worker_of(service).memory_info().rss
    event = {f"{number}": 0 for number in range(6000)}
    body = json.dumps([event] * 5, separators=(",", ":")).encode()
    with ExitStack() as opened:
        for _ in range(20):
            ask_without_reading(opened, service, post(b"/events", body))
        require_bounded(service, before, "/events", 20)
        assert worker_of(service).memory_info().rss - before < 100_000_000
        small = requests.post(f"{service.url}/events", json={"user_id": "a", "event_type": "b"}, timeout=60)
        assert small.status_code == 201, "small requests are served in any case"
    assert eventually(lambda: requests.post(f"{service.url}/events", body, headers=JSON, timeout=60).status_code == 422)


def test_what_is_the_same_for_all_keeps_nobody_out(start, shared_owner):
    """The pages about the API are public, and large; who leaves them unread holds none of it."""
    fill(shared_owner, 1, 100, 60)
    service = start("query", MAX_BODIES_BYTES=8 * 2**20)
    with ExitStack() as opened:
        for path in (b"/docs/swagger-ui-bundle.js", b"/openapi.json"):
            for _ in range(40):
                ask_without_reading(opened, service, b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        page = requests.get(f"{service.url}/events?user_id=u1&limit=100", timeout=60)
        assert (page.status_code, len(page.json()["events"])) == (200, 100)


def fill(owner, users, events, kib):
    """Events of some KiB each for some users."""
    owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, properties)"
        " select 'u' || u, timestamptz '2026-03-01 10:00Z' + n * interval '1 s', gen_random_uuid(), 'x',"
        " jsonb_build_object('text', repeat('x', %s)) from generate_series(1, %s) u, generate_series(1, %s) n",
        [kib * 1024, users, events],
    )


def most_held_by(process):
    """The most memory, in bytes, that a process ever had."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1])


@pytest.mark.parametrize("limit", [100, 1000])
def test_making_a_page_of_large_events_costs_bounded_memory(start, shared_owner, limit):
    """Events of 30 KB as they were sent have 1.5 MB as they are answered, where numbers are written out."""
    shared_owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, properties)"
        " select 'u1', timestamptz '2026-03-01 10:00Z' + n * interval '1 s', gen_random_uuid(), 'x',"
        " jsonb_build_object('numbers', array_fill(1e308::numeric, array[5000])) from generate_series(1, 150) n"
    )
    service = start("query")
    assert requests.get(f"{service.url}/events?user_id=nobody", timeout=60).status_code == 200
    before = most_held_by(worker_of(service))
    page = requests.get(f"{service.url}/events?user_id=u1&limit={limit}", timeout=120).json()
    assert page["events"]
    assert page["next_cursor"]
    assert most_held_by(worker_of(service)) - before < 150_000_000


def test_unread_large_answers_cost_bounded_memory(start, shared_owner):
    fill(shared_owner, 1, 1000, 60)
    service = start("query")
    before = worker_of(service).memory_info().rss
    asked = b"GET /events?user_id=u1&limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"
    page = f"{service.url}/events?user_id=u1&limit=1000"
    with ExitStack() as opened:
        for number in range(40):
            ask_without_reading(opened, service, asked, ADDRESSES[number % len(ADDRESSES)])
        require_bounded(service, before, "/events", 40)
        wait_until(lambda: requests.get(page, timeout=60).status_code == 503)
        refused = requests.get(page, timeout=60)
        assert (refused.status_code, refused.json()["code"]) == (503, "bodies_full")
        assert refused.headers["Retry-After"]
        assert requests.get(f"{service.url}/events?user_id=nobody", timeout=60).status_code == 200
        assert worker_of(service).memory_info().rss < CONTAINER
    assert eventually(lambda: requests.get(page, timeout=60).status_code == 200), "one finds room"


def make_token(owner):
    """The Authorization header of a program that may read all events."""
    new = make_key("rt")
    owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{read_events}')",
        [new.prefix, new.hash],
    )
    return {"Authorization": f"Bearer {new.key}"}


def make_write_key(owner):
    """The same for one that sends events."""
    new = make_key("wk")
    owner.execute("insert into write_keys (prefix, source, hash) values (%s, 'default', %s)", [new.prefix, new.hash])
    return {"Authorization": f"Bearer {new.key}"}


def lines(headers):
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


def is_refused(answer):
    """Whether it is refused since its client has as much as one may; it has to say so in full."""
    if answer.status_code != 429:
        return False
    assert answer.json()["code"] == "too_many_open"
    assert answer.headers["Retry-After"]
    return True


@pytest.mark.parametrize("auth", ["required", "open"])
def test_who_leaves_answers_unread_keeps_others_from_no_memory(start, shared_owner, auth):
    fill(shared_owner, 1, 100, 60)
    service = start("query", AUTH=auth, MAX_BODIES_BYTES=32 * 2**20)
    greedy, modest = ({}, {}) if auth == "open" else (make_token(shared_owner), make_token(shared_owner))
    address = ADDRESSES[0] if auth == "open" else "127.0.0.1"
    page = f"{service.url}/events?user_id=u1&limit=100"
    asked = b"GET /events?user_id=u1&limit=100 HTTP/1.1\r\nHost: x\r\n%b\r\n" % lines(greedy)
    with ExitStack() as opened:
        held = [ask_without_reading(opened, service, asked, address) for _ in range(8)]
        with requests.Session() as session:
            session.mount("http://", From(address))

            def is_full():
                # One more each time: those that nobody has read for a while are given up.
                held.append(ask_without_reading(opened, service, asked, address))
                return is_refused(session.get(page, headers=greedy, timeout=60))

            wait_until(is_full)
            small = f"{service.url}/events?user_id=nobody"
            assert session.get(small, headers=greedy, timeout=60).status_code == 200, (
                "small ones are served in any case"
            )
        assert requests.get(page, headers=modest, timeout=60).status_code == 200
        for connection in held:
            connection.close()
    assert eventually(lambda: requests.get(page, headers=greedy, timeout=60).status_code == 200)


@pytest.mark.parametrize("auth", ["required", "open"])
def test_who_sends_bodies_slowly_keeps_others_from_no_memory(start, shared_owner, auth):
    service = start("collector", AUTH=auth, MAX_BODIES_BYTES=8 * 2**20)
    greedy, modest = ({}, {}) if auth == "open" else (make_write_key(shared_owner), make_write_key(shared_owner))
    address = ADDRESSES[0] if auth == "open" else "127.0.0.1"
    body = json.dumps([{"user_id": "a", "event_type": "b", "properties": {"text": "x" * 60_000}}] * 20).encode()
    sent = post(b"/events", body).replace(b"Host: x\r\n", b"Host: x\r\n" + lines(greedy))[:-1]
    with ExitStack() as opened:
        slow = [ask_without_reading(opened, service, sent, address) for _ in range(8)]
        # Three bodies fit into a client's half. Until all have arrived, a request could take the place of one of these.
        wait_until(lambda: len(select(slow, [], [], 0)[0]) == 5)
        with requests.Session() as session:
            session.mount("http://", From(address))
            url = f"{service.url}/events"
            wait_until(lambda: is_refused(session.post(url, body, headers={**JSON, **greedy}, timeout=60)))
        answer = requests.post(url, body, headers={**JSON, **modest}, timeout=60)
        assert answer.status_code == 200
