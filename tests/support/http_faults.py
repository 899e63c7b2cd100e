"""An HTTP proxy in front of a collector that can be told to behave badly."""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

NOT_COPIED = {"connection", "transfer-encoding", "keep-alive", "date", "server", "content-length"}

FAULTS = ("none", "answers_lost", "slow", "refused")
"""What the proxy does: pass on; pass on, and close without the answer; wait before passing on; answer 503 itself."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is nothing to tell of."""


class FaultyProxy:
    """Forwards requests from a port of loopback to a collector.

    Args:
        choose: tells what to do with a request, by its number from 1 on; else `fault` does.
        retry_after: seconds, in the answer 503.

    Attributes:
        fault: one of FAULTS.
        seconds: how long `slow` waits.
        happened: how many requests had which fault.
    """

    def __init__(self, collector: str, choose: Callable[[int], str] | None = None, *, retry_after: int = 15) -> None:
        self.collector = urlsplit(collector)
        self.fault = "none"
        self.seconds = 6.0
        self.retry_after = retry_after
        self.happened: Counter[str] = Counter()
        self._choose = choose
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def begin(self) -> str:
        """Count a request. Returns its fault."""
        with self._lock:
            fault = self._choose(self.happened.total() + 1) if self._choose else self.fault
            self.happened[fault] += 1
            return fault

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultyProxy

    def do_POST(self) -> None:
        """Forward it, or not."""
        owner = self.owner
        fault = owner.begin()
        body = self._read_body()
        if fault == "refused":
            self._answer(
                503, [("Retry-After", str(owner.retry_after))], b'{"code":"unavailable","message":"unavailable"}'
            )
            return
        if fault == "slow":
            time.sleep(owner.seconds)
        try:
            status, headers, answer = self._forward(body)
        except (OSError, http.client.HTTPException):
            self._hang_up()
            return
        if fault == "answers_lost":
            self._hang_up()
            return
        self._answer(status, headers, answer)

    do_GET = do_OPTIONS = do_POST  # noqa: N815 - names that http.server wants

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return b"".join(self._read_chunks())

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        owner = self.owner
        connection = http.client.HTTPConnection(owner.collector.hostname or "", owner.collector.port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_COPIED}
        headers["Content-Length"] = str(len(body))
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        with suppress(OSError):  # the client may have given up
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in NOT_COPIED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def faulty_proxy(collector: str) -> Iterator[FaultyProxy]:
    """A proxy for the time of the context."""
    proxy = FaultyProxy(collector)
    try:
        yield proxy
    finally:
        proxy.close()
