"""HTTP/1.1, where gunicorn's own code waits for too much input, writes too often or closes too early."""

import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import gevent
from gunicorn import util
from gunicorn.http import errors, wsgi
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

from event_tracker.core.http.body_limit import PIECE_BYTES
from event_tracker.core.http.connections import Connections
from event_tracker.core.http.streams import SEND_SECONDS

HEAD_BYTES = 32 * 1024
"""Bytes of a request line and its headers together, or of trailers, that are held for one connection."""

LEAST_RATE = 8 * 1024
"""Bytes a second that a client must read of an answer, on average and after SEND_SECONDS. Otherwise a client that reads a byte
now and then would keep the answer in memory for days."""

LINGER_SECONDS = 1.0
"""How long a refused client may go on sending before its connection is closed."""


class Clock:
    """The Date header's value, formatted once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def http_date(self) -> str:
        """The time as RFC 9110 section 5.6.7 writes it."""
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, util.http_date(second)
        return self._text


clock = Clock()


class BoundedRequest(Request):  # type: ignore[misc]  # gunicorn has no types
    """Refuses a long head early. gunicorn would wait for as many bytes as all headers together may have."""

    def parse(self, unreader: Any) -> bytes:
        self.max_buffer_headers = HEAD_BYTES
        rest: bytes = super().parse(unreader)
        # RFC 9112 section 3.2. gunicorn itself refuses more than one.
        if self.version >= (1, 1) and all(name != "HOST" for name, _ in self.headers):
            raise errors.InvalidHeader("Host is missing")
        return rest

    def read_into(self, unreader: Any, buf: bytearray, stop: bool = False) -> None:
        super().read_into(unreader, buf, stop)
        # The C parser checks the request line's length only when the head is whole; the error would then be about headers.
        if len(buf) > self.limit_request_line and buf.find(b"\n", 0, self.limit_request_line + 2) < 0:
            raise errors.LimitRequestLine(len(buf), self.limit_request_line)


RequestParser.mesg_class = BoundedRequest
SocketUnreader.max_body_chunk = PIECE_BYTES  # gunicorn reads this much ahead, and the memory budget doesn't count it


class OneWriteResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """Sends the head and a complete body in one write: one system call and one packet instead of two."""

    headers_sent: bool
    connections: Connections

    def should_close(self) -> bool:
        # After a 408 the rest of the body may still be on its way; nothing behind it can be read.
        if self.status_code == HTTPStatus.REQUEST_TIMEOUT or self.connections.was_closed_here():
            return True
        return bool(super().should_close())

    def default_headers(self) -> list[str]:
        lines = [f"HTTP/1.1 {self.status}\r\nDate: {clock.http_date()}\r\n"]
        lines.append("Connection: close\r\n" if self.should_close() else "Connection: keep-alive\r\n")
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines

    def write(self, arg: bytes) -> None:
        if self.headers_sent or self.chunked or self._omits_body or len(arg) != self.response_length:
            super().write(arg)
            return
        lines = "".join([*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"])
        self.headers_sent = True
        self.sent = len(arg)
        head = lines.encode("latin-1")
        # gevent's sendall asks for the size of the kernel's buffer first. Most answers fit into it, so that one call is enough.
        # A large body isn't copied behind its head: a client may take long to read it, or never read it.
        if len(arg) <= PIECE_BYTES:
            message = head + arg
            sent = self.sock.send(message)
        else:
            message = arg
            sent = self.sock.sendmsg([head, arg]) - len(head)
            if sent < 0:  # hardly ever: the buffer is empty but for answers before
                self.sock.sendall(head[sent:])
                sent = 0
        if sent < len(message):
            self._send_rest(memoryview(message)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        """Send what the kernel didn't take at once.

        Raises:
            TimeoutError: if the client reads nothing for SEND_SECONDS, or more slowly than LEAST_RATE.
            OSError: if the connection was closed meanwhile, to free it for others.
        """
        began = time.monotonic()
        sent = 0
        self.connections.wait_for_reader()
        while sent < len(rest):
            left = began + SEND_SECONDS + sent / LEAST_RATE - time.monotonic()
            if left <= 0:
                raise TimeoutError
            # The time-out is for the next part; sendall's would be for the whole rest.
            self.sock.settimeout(min(SEND_SECONDS, left))
            sent += self.sock.send(rest[sent:])
            self.connections.turns.pause()


def linger(client: socket.socket) -> None:
    """Read on after a refusal until the client closes, LINGER_SECONDS at most (RFC 9112 section 9.6).

    If it were closed with unread input, the connection would be reset, and the client might lose the answer.
    """
    with suppress(OSError, gevent.Timeout), gevent.Timeout(LINGER_SECONDS):
        client.shutdown(socket.SHUT_WR)
        while client.recv(PIECE_BYTES):
            pass
