"""Clients that send slowly, too much, or what can be read in two ways: what they get, and that the others are served."""

import gzip
import json
import socket
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from subprocess import run

import psutil
import pytest
import requests
from attacks import crowd
from kernel import bytes_unread
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError
from waiting import eventually, wait_until

from event_tracker.core.http.streams import SEND_BUFFER_BYTES

PARSERS = ["C", "Python"]
"""gunicorn reads requests with its optional C parser where that is installed."""

ANN = b'{"user_id":"ann","event_type":"view"}'
JSON = {"Content-Type": "application/json"}
COLLECTOR = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
QUERY = COLLECTOR.replace(b"/events", b"/stats/funnel")
SIGN_IN = COLLECTOR.replace(b"/events", b"/auth/sign-in")


@pytest.fixture(scope="module")
def signing_key():
    return run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True, text=True).stdout


@pytest.fixture(scope="module")
def start(launcher, tmp_path_factory, postgres, shared_database, signing_key):
    """A function that starts a service on the database of this module. A test of its memory says `forked=False` (servers.launching)."""
    folder = tmp_path_factory.mktemp("limits")
    without_c = folder / "python"
    without_c.mkdir()
    (without_c / "gunicorn_h1c.py").write_text("raise ImportError\n")
    with launcher(folder) as start:

        def start_one(name, parser="C", *, forked=True, **settings):
            if parser == "Python":
                settings["PYTHONPATH"] = without_c
            if name == "query":
                settings["CONTROL_DATABASE_URL"] = postgres.url(shared_database, "control")
                settings["SIGNING_KEY"] = signing_key
            return start(name, forked=forked, DATABASE_URL=postgres.url(shared_database, name), **settings)

        yield start_one


@pytest.fixture(scope="module")
def services(start):
    """Both services, with either parser."""
    return {(name, parser): start(name, parser, forked=False) for name in ("collector", "query") for parser in PARSERS}


@pytest.fixture(params=PARSERS)
def parser(request):
    if request.param == "C":
        pytest.importorskip("gunicorn_h1c")
    return request.param


@pytest.fixture(params=["collector", "query"])
def service(request, services, parser):
    return services[request.param, parser]


def connect(service, seconds=60, address="127.0.0.1"):
    peer = service.url.removeprefix("http://").split(":")
    return socket.create_connection(peer, timeout=seconds, source_address=(address, 0))


def address_of(number):
    """That of one of twelve clients, who have a part of the memory each."""
    return f"127.0.0.{2 + number % 12}"


def read(connection):
    """What arrives until the service hangs up."""
    received = b""
    with suppress(ConnectionError):
        while part := connection.recv(65_536):
            received += part
    return received


def exchange(service, sent, *, half=False):
    """What arrives until the service hangs up; `half`: the client says first that it sends no more."""
    with connect(service) as connection:
        send(connection, sent)
        if half:
            with suppress(OSError):  # hung up on by now
                connection.shutdown(socket.SHUT_WR)
        return read(connection)


def answers(received):
    """Each answer in what was received: (status, headers, problem or None)."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body, received = received[: (length := int(headers.get("Content-Length", 0)))], received[length:]
        is_problem = headers.get("Content-Type") == "application/problem+json"
        found.append((int(status.split()[1]), headers, json.loads(body) if is_problem else None))
    return found


def statuses(received):
    return [status for status, _, _ in answers(received)]


def send(connection, sent):
    """Send as much of it as the service takes: it may have refused it, and hung up, before that is all."""
    with suppress(ConnectionError):
        connection.sendall(sent)


def require_served(service, seconds=30):
    """Return if another client is served."""
    assert requests.get(f"{service.url}/livez", timeout=seconds).status_code == 200
    if service.name == "collector":
        assert requests.post(f"{service.url}/events", ANN, headers=JSON, timeout=seconds).status_code == 201
    else:
        assert requests.get(f"{service.url}/events?user_id=bob", timeout=seconds).status_code == 200


def require_no_failures(service):
    """Return if the service took none of it for a failure of its own."""
    failures = [line for line in service.log.read_text().splitlines() if '"level": "error"' in line]
    assert failures == []


def require_no_crash(service):
    """Return if the service was full at most."""
    assert "crashed" not in service.log.read_text()


AMBIGUOUS = {
    "a length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
    "two lengths": b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n",
    "the same length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n\r\n",
    "a length with a sign": b"Content-Length: +5\r\n\r\n",
    "a negative length": b"Content-Length: -5\r\n\r\n",
    "a length in hexadecimal": b"Content-Length: 0x5\r\n\r\n",
    "a length of another script": b"Content-Length: \xb2\r\n\r\n",
    "a length of thousands of digits": b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "a length with a space before the colon": b"Content-Length : 5\r\n\r\n",
    "chunks twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks and then something else": b"Transfer-Encoding: chunked, identity\r\n\r\n",
    "something like chunks": b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunks behind a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    "chunks on a folded line": b"Transfer-Encoding:\r\n chunked\r\n\r\n",
    "a folded line": b"X-Note: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a line that ends without CR": b"X-Note: a\nContent-Length: 0\r\n\r\n",
    "a head that ends without CR": b"X-Note: a\nContent-Length: 0\n\n",
    "a CR within a line": b"X-Note: a\rb\r\nContent-Length: 0\r\n\r\n",
    "U+0000": b"X-Note: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a line without a colon": b"Content-Length 5\r\n\r\n",
    "two hosts": b"Host: another\r\nContent-Length: 0\r\n\r\n",
}
SMUGGLED = b"0\r\n\r\nGET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(service, what):
    ((status, headers, problem),) = answers(exchange(service, COLLECTOR + AMBIGUOUS[what] + SMUGGLED))
    assert (status, problem["status"], problem["code"]) == (400, 400, "malformed_request")
    assert headers["Connection"] == "close"


def test_http_1_1_without_a_host_is_refused(service):
    ((status, headers, problem),) = answers(exchange(service, b"GET /livez HTTP/1.1\r\n\r\n" + SMUGGLED[5:]))
    assert (status, problem["code"], headers["Connection"]) == (400, "malformed_request", "close")
    assert statuses(exchange(service, b"GET /livez HTTP/1.0\r\n\r\n")) == [200]


def test_chunks_of_http_1_0_are_refused(service):
    old = COLLECTOR.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n"
    assert statuses(exchange(service, old + SMUGGLED)) == [400]


CHUNKS = {
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size in C": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size behind a space": b" 5\r\nhello\r\n0\r\n\r\n",
    "a line that ends without CR": b"5\nhello\r\n0\r\n\r\n",
    "a longer chunk than said": b"4\r\nhello\r\n0\r\n\r\n",
    "an extension without an end": b"5;" + b"a" * 100_000,
    "a length in the trailers": b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
    "trailers without an end": b"5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 20_000,
}


@pytest.mark.parametrize("what", CHUNKS)
def test_a_body_that_is_not_chunked_right_is_refused_and_nothing_behind_it_is_read(service, what):
    head = COLLECTOR if service.name == "collector" else SIGN_IN
    sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS[what] + SMUGGLED
    ((status, _, problem),) = answers(exchange(service, sent))
    assert (status, problem["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(
    ("rest", "sent"),
    [
        (b"Content-Length: 32\r\n\r\n", ANN[:5]),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"25\r\n" + ANN[:5]),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"2"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"25\r\n" + ANN + b"\r\n"),
    ],
)
def test_a_body_that_breaks_off_is_no_failure_of_the_service(service, rest, sent):
    head = COLLECTOR if service.name == "collector" else SIGN_IN
    ((status, _, problem),) = answers(exchange(service, head + rest + sent, half=True))
    assert (status, problem["code"]) == (400, "incomplete_body")
    require_no_failures(service)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {414}),
        (b"GET /" + b"a" * 500_000, {414}),
        (b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {414}),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", {431}),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 500_000, {431}),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 60 + b"\r\n", {431}),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100_000, {400, 431}),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 20 + b"\r\n", {431}),
    ],
    ids=[
        "line",
        "endless line",
        "very long line",
        "header",
        "endless header",
        "61 headers",
        "endless headers",
        "160 KB of headers",
    ],
)
def test_a_head_that_is_too_long_is_refused(service, sent, expected):
    (status,) = statuses(exchange(service, sent))
    assert status in expected
    require_served(service)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(189) + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\xff\xfe\x00" * 100 + b"\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n",
    ],
    ids=["TLS", "HTTP/2", "HTTP/9.9", "garbage", "a space in the path", "an expectation"],
)
def test_what_is_no_request_is_answered_like_every_refusal(service, sent):
    ((status, headers, problem),) = answers(exchange(service, sent))
    assert status in {400, 417}
    assert problem["request_id"] == headers["X-Request-ID"]
    usual = requests.get(f"{service.url}/nowhere", timeout=30).headers
    assert set(headers) == set(usual) - {"Date"}
    assert {name: headers[name] for name in headers if name.startswith(("X-Content", "Referrer"))} == {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    logged = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert any(line.get("request_id") == problem["request_id"] and line["status"] == status for line in logged)
    text = requests.get(f"{service.url}/metrics", timeout=30).text
    assert f'http_requests_total{{method="OTHER",route="<malformed>",status="{status}"}}' in text


def test_a_connection_stays_http_1(service):
    """Neither HTTP/2 without TLS nor a proxy's word on who asks."""
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    sent = (
        b"GET /livez HTTP/1.1\r\nHost: x\r\n"
        + upgrade
        + b"\r\nGET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert statuses(exchange(service, sent)) == [200, 200]
    for sent in (
        b"CONNECT inside:5432 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET /livez HTTP/1.1\r\n\r\n",
    ):
        (status,) = statuses(exchange(service, sent))
        assert status in {400, 404}


@pytest.mark.parametrize(
    "path",
    [
        "/docs/../../../../etc/passwd",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/docs//etc/passwd",
        "//evil.example/docs/",
        "/docs/..%5c..%5cetc%5cpasswd",
        "/docs/%00",
        "/users/%00",
        "/users/%ff%fe",
        "/users/..%2f..%2flivez",
    ],
)
def test_paths_lead_nowhere_else(service, path):
    sent = f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode()
    received = exchange(service, sent)
    assert statuses(received) == [404]
    assert b"evil.example" not in received


def test_no_answer_repeats_a_host_that_a_client_made_up(service):
    for path in (b"/", b"/docs", b"/docs/", b"/openapi.json"):
        assert b"evil.example" not in exchange(
            service, b"GET %s HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n" % path
        )


@pytest.mark.parametrize("unsafe", ["a\tb", "a, b", "<script>", "a%0d%0aSet-Cookie: x=y", "\xff", "x" * 129])
def test_an_unsafe_request_id_is_not_repeated(service, unsafe):
    sent = f"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-ID: {unsafe}\r\nConnection: close\r\n\r\n".encode("latin-1")
    ((status, headers, _),) = answers(exchange(service, sent))
    assert status == 200
    assert len(headers["X-Request-ID"]) == 16
    assert unsafe not in headers["X-Request-ID"]


BOMBS = {
    "gzip": lambda: gzip.compress(bytes(200_000_000), 1),
    "gzip in gzip": lambda: gzip.compress(gzip.compress(bytes(200_000_000), 1), 1),
    "many members": lambda: gzip.compress(bytes(1000)) * 100_000,
    "JSON in gzip": lambda: gzip.compress(b"[" * 100_000_000, 1),
    "ever more zeros behind the end": lambda: gzip.compress(ANN) + bytes(4_000_000),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_costs_bounded_memory(services, what):
    service = services["collector", "C"]
    worker = psutil.Process(service.process.pid).children()[0]
    require_served(service)
    before = worker.memory_info().rss
    headers = {**JSON, "Content-Encoding": "gzip"}
    answer = requests.post(f"{service.url}/events", BOMBS[what](), headers=headers, timeout=30)
    assert answer.status_code in {201, 400, 413}
    assert worker.memory_info().rss - before < 40_000_000
    require_served(service)


LARGE = json.dumps([{"user_id": "ann", "event_type": "view", "properties": {"text": "x" * 5000}}] * 1000).encode()


def post_large(service, address="127.0.0.1"):
    """Status and, of a problem, its code. The answer is lost to a client that takes a second to send on once it is refused."""
    with suppress(HTTPError), PoolManager(source_address=(address, 0), retries=False, timeout=60) as pool:
        answer = pool.request("POST", f"{service.url}/events", body=LARGE, headers=JSON)
        return answer.status, answer.json().get("code")
    return None, None


def require_room(service):
    """Return once a large body is taken: what was refused before it may be on its way to the database yet."""
    assert eventually(lambda: post_large(service)[0] == 200)


def test_many_large_bodies_that_never_end_cost_bounded_memory(start):
    service = start("collector", forked=False, KEEPALIVE_SECONDS=2)
    worker = psutil.Process(service.process.pid).children()[0]
    before = worker.memory_info().rss
    with ExitStack() as opened:
        slow = []
        for number in range(60):
            slow.append(opened.enter_context(connect(service, address=address_of(number))))
            send(slow[-1], COLLECTOR + b"Content-Length: 5200000\r\n\r\n" + bytes(4_900_000))
        require_served(service)
        assert worker.memory_info().rss - before < 150_000_000
        assert {status for connection in slow for status in statuses(read(connection))} == {408, 503}
    require_room(service)
    require_no_crash(service)


def test_many_large_bodies_that_wait_for_the_database_cost_bounded_memory(start, shared_owner):
    service = start("collector", forked=False, STORE_SECONDS=5, STATEMENT_SECONDS=4)
    worker = psutil.Process(service.process.pid).children()[0]
    before = worker.memory_info().rss
    with shared_owner.transaction(), ThreadPoolExecutor(40) as clients:
        shared_owner.execute("lock table events")
        waiting = [clients.submit(post_large, service, address_of(number)) for number in range(40)]
        answers_had = [answer for one in waiting if (answer := one.result()) != (None, None)]
        assert {status for status, _ in answers_had} == {503}
        assert "bodies_full" in {code for _, code in answers_had}
        assert worker.memory_info().rss - before < 400_000_000
    require_room(service)
    require_no_crash(service)


def test_bodies_of_those_who_have_yet_to_sign_in_cost_bounded_memory(start):
    service = start("query", forked=False)
    worker = psutil.Process(service.process.pid).children()[0]
    before = worker.memory_info().rss
    with ExitStack() as opened:
        for _ in range(100):
            connection = opened.enter_context(connect(service))
            send(connection, SIGN_IN + b"Content-Length: 1000000\r\n\r\n" + bytes(950_000))
        require_served(service)
        assert worker.memory_info().rss - before < 100_000_000


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "gzip;q=1"])
def test_another_encoding_is_not_even_tried(services, encoding):
    service = services["collector", "C"]
    headers = {**JSON, "Content-Encoding": encoding}
    answer = requests.post(f"{service.url}/events", zlib.compress(bytes(100_000_000), 1), headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


def dribble(connection, head, stopped):
    """Send a byte now and then, until the service hangs up."""
    with suppress(OSError):
        for number in range(len(head)):
            connection.sendall(head[number : number + 1])
            if stopped.wait(0.1):
                return


@pytest.mark.parametrize("name", ["collector", "query"])
def test_clients_that_dribble_their_head_keep_nobody_out(start, name):
    """Twice as many as there are connections, and they connect again when they are hung up on."""
    service = start(name, CONNECTIONS=20)
    stopped = threading.Event()

    def attack():
        while not stopped.is_set():
            with suppress(OSError), connect(service) as connection:
                dribble(connection, b"GET /livez HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 2000, stopped)

    attackers = [threading.Thread(target=attack) for _ in range(40)]
    for attacker in attackers:
        attacker.start()
    try:
        assert eventually(lambda: "all connections were taken" in service.log.read_text())
        for _ in range(3):
            require_served(service)
    finally:
        stopped.set()
        for attacker in attackers:
            attacker.join()
    require_no_failures(service)


@pytest.mark.parametrize("name", ["collector", "query"])
def test_clients_whose_bodies_never_come_keep_nobody_out(start, name):
    """Twice as many as there are connections; who is hung up on is told that it is no fault of theirs, and comes again."""
    service = start(name, CONNECTIONS=20)
    head = (COLLECTOR if name == "collector" else SIGN_IN) + b"Content-Length: 50\r\n\r\n{"
    stopped, told = threading.Event(), []

    def attack():
        while not stopped.is_set():
            with suppress(OSError), connect(service) as connection:
                connection.sendall(head)
                told.extend((status, problem["code"]) for status, _, problem in answers(read(connection)))

    attackers = [threading.Thread(target=attack) for _ in range(40)]
    for attacker in attackers:
        attacker.start()
    try:
        assert eventually(lambda: (503, "bodies_full") in told)
        for _ in range(3):
            require_served(service)
    finally:
        stopped.set()
        for attacker in attackers:
            attacker.join()
    assert set(told) <= {(503, "bodies_full"), (408, "slow_body")}


CLIENTS = 30
"""Three times as many as may be served at once, where CONNECTIONS is 10."""


def require_alive(service):
    """Return if a new connection is answered, again and again."""
    for _ in range(5):
        assert requests.get(f"{service.url}/livez", timeout=30).status_code == 200


@pytest.mark.parametrize("name", ["collector", "query"])
@pytest.mark.parametrize("auth", ["open", "required"])
def test_connections_that_are_in_use_all_the_time_make_room(start, name, auth):
    """Whose requests are refused need no credentials."""
    service = start(name, CONNECTIONS=10, AUTH=auth)
    used = []

    def ask_without_pause(connection, stopped):
        request = COLLECTOR + b"Content-Length: %d\r\n\r\n%s" % (len(ANN), ANN)
        if name == "query":
            request = b"GET /events?user_id=bob HTTP/1.1\r\nHost: localhost\r\n\r\n"
        while not stopped.is_set():
            connection.sendall(request)
            if not connection.recv(65_536):
                return
            used.append(connection)

    with crowd(service.url, ask_without_pause, CLIENTS):
        assert eventually(lambda: len(used) > 100)
        require_alive(service)


def test_answers_that_nobody_reads_keep_nobody_out(start):
    service = start("query", CONNECTIONS=10)
    asked = []

    def ask_and_read_nothing(connection, stopped):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        asked.append(connection)
        stopped.wait(60)

    with crowd(service.url, ask_and_read_nothing, CLIENTS):
        assert eventually(lambda: len(asked) >= 20)
        require_alive(service)


SCRIPT = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""Its answer has 1.7 MB."""


def ask_and_keep(opened, service, clients):
    """Ask for a large answer on so many connections, and read nothing."""
    for _ in range(clients):
        connection = opened.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", int(service.url.rpartition(":")[2])))
        connection.sendall(SCRIPT)


def test_answers_that_nobody_reads_cost_bounded_memory_of_the_kernel_and_only_for_a_while(start):
    """A container has its memory in common with the kernel's buffers, which aren't in the memory budget."""
    service = start("collector")
    with ExitStack() as opened:
        ask_and_keep(opened, service, 50)
        for _ in range(5):
            require_served(service)
            assert bytes_unread(service.url) < 50 * 4 * SEND_BUFFER_BYTES
            time.sleep(1)
        wait_until(lambda: bytes_unread(service.url) == 0, "all discarded")


def test_what_was_not_read_is_discarded_with_connections_that_make_room(start):
    service = start("collector", CONNECTIONS=10)
    with ExitStack() as opened:
        ask_and_keep(opened, service, 100)
        for _ in range(50):
            # The kernel itself would keep it for 30 s more.
            assert bytes_unread(service.url) < 20 * 4 * SEND_BUFFER_BYTES
            time.sleep(0.1)
        require_alive(service)


def test_requests_that_wait_for_the_database_keep_nobody_from_asking_whether_it_is_alive(start, shared_owner):
    """As when all senders send while the database is slow: an orchestrator would end the instance."""
    service = start("collector", CONNECTIONS=10)
    sent = []

    def store(connection, stopped):
        while not stopped.is_set():
            connection.sendall(COLLECTOR + b"Content-Length: %d\r\n\r\n%s" % (len(ANN), ANN))
            sent.append(connection)
            connection.settimeout(60)
            if not connection.recv(65_536):
                return

    with shared_owner.transaction():
        shared_owner.execute("lock table events")
        with crowd(service.url, store, CLIENTS):
            assert eventually(lambda: len(sent) >= 20)
            require_alive(service)


def test_connections_that_are_kept_but_not_used_make_room(start):
    service = start("collector", CONNECTIONS=10)
    with ExitStack() as kept:
        sessions = [kept.enter_context(requests.Session()) for _ in range(30)]
        for session in sessions:
            assert session.get(f"{service.url}/livez", timeout=30).status_code == 200
    require_no_failures(service)


def test_a_head_may_take_only_so_long(start, parser):
    service = start("query", parser, KEEPALIVE_SECONDS=1)
    with connect(service) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        assert read(connection) == b""
    require_no_failures(service)


def test_clients_that_dribble_their_body_are_hung_up_on(services):
    """Also where nobody has signed in yet."""
    doors = [
        (services["collector", "C"], COLLECTOR),
        (services["query", "C"], QUERY),
        (services["query", "C"], SIGN_IN),
    ]
    with ExitStack() as opened:
        slow = [(opened.enter_context(connect(service)), head) for service, head in doors for _ in range(20)]
        for connection, head in slow:
            connection.sendall(head + b"Content-Length: 50\r\n\r\n{")
        for service, _ in doors:
            require_served(service)
        for connection, _ in slow:
            ((status, headers, problem),) = answers(read(connection))
            assert (status, problem["code"], headers["Connection"]) == (408, "slow_body", "close")
    for service, _ in doors:
        require_no_failures(service)


def test_a_client_that_takes_nothing_is_hung_up_on(start):
    """It asks again and again, and reads nothing, so that answers can't be sent."""
    service = start("query")
    with connect(service, seconds=2) as connection:
        with suppress(TimeoutError):
            while True:
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        require_served(service)
        worker = psutil.Process(service.process.pid).children()[0]
        deadline = time.monotonic() + 60
        while any(
            taken.raddr and taken.raddr.port == connection.getsockname()[1] for taken in worker.net_connections()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    require_no_failures(service)
