"""What we have in place of gunicorn's own code is what gunicorn calls: each symbol in a real process, by one exchange with it.

gunicorn promises nothing about most of these symbols. If one is renamed, ours isn't called any more, and nothing else says so.
"""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ports import free_port
from waiting import wait_until

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "support" / "traced_service.py"

REPLACED = [
    "BoundedRequest.parse",
    "BoundedRequest.read_into",
    "DrainingWorker.handle_exit",
    "DrainingWorker.init_process",
    "DrainingWorker.init_signals",
    "DrainingWorker.load_wsgi",
    "DrainingWorker.run",
    "Http1Worker.handle",
    "Http1Worker.handle_error",
    "Http1Worker.handle_request",
    "Http1Worker.timeout_ctx",
    "OneWriteResponse.default_headers",
    "OneWriteResponse.should_close",
    "OneWriteResponse.write",
    "PropagatingLogger.setup",
    "Server.load",
    "Server.load_config",
]

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
BODY = b"a" * 50_000
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
MALFORMED = b"not a request\r\n\r\n"


def exchange(port: int, *sent: bytes) -> bytes:
    """Everything that is answered on one connection."""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(b"".join(sent))
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """What was answered, and the names of our methods that were called, from the start of a process to its end by SIGTERM."""
    port = free_port()
    output = tmp_path_factory.mktemp("traced") / "output"
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, SCRIPT, str(port)], stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, "listening")
        answers = exchange(port, WHOLE, CHUNKED, MALFORMED)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()
    return answers, output.read_text()


@pytest.mark.services
@pytest.mark.parametrize("symbol", REPLACED)
def test_gunicorn_calls_ours(traced, symbol):
    _, output = traced
    assert symbol in output.splitlines()


@pytest.mark.services
def test_the_exchange_was_answered_as_it_should_be(traced):
    """Each answer in one write, with our head; the malformed request as problem details."""
    answers, output = traced
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"200", b"400"], output
    assert answers.count(BODY) == 2
    assert b"malformed_request" in answers


def test_every_symbol_is_in_the_list():
    code = "import traced_service; print(*sorted(traced_service.replaced()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPT.parent, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == REPLACED


def test_gunicorn_makes_our_requests_and_reads_no_further_than_we_count():
    """`RequestParser.mesg_class` and `SocketUnreader.max_body_chunk` are attributes that we set."""
    code = """
from event_tracker.core.server import http1
from event_tracker.core.http.connections import PIECE_BYTES
from gunicorn.config import Config
from gunicorn.http import get_parser

class Connection:
    def __init__(self, sent): self.sent, self.asked = sent, []
    def recv(self, size):
        self.asked.append(size)
        part, self.sent = self.sent[:min(size, 8192)], self.sent[min(size, 8192):]
        return part

connection = Connection(b"POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 5000000\\r\\n\\r\\n" + bytes(5000000))
request = next(get_parser(Config(), connection, ("127.0.0.1", 1)))
assert type(request) is http1.BoundedRequest, type(request)
assert len(request.body.read(5000000)) == 5000000
assert max(connection.asked) == PIECE_BYTES, max(connection.asked)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
