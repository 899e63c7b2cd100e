"""HTTP/1.1 on the connections of a worker: reads requests, calls the application, sends its answers.

It replaces gunicorn's own code where that waits for too much input, writes too often or closes too early. Its request loop is
shortened to what these services use: no access log of its own, no hooks, one write a response (docs/adr/0003-fast-path.md).
"""

import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import gevent
from gunicorn import util
from gunicorn.http import errors, wsgi
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.ggevent import GeventWorker

from event_tracker.core.http.connections import CONNECTIONS, PIECE_BYTES, Connections
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.streams import SEND_SECONDS, SOCKET, BrokenOffError, discard_unread

if TYPE_CHECKING:
    from event_tracker.core.http.middleware import Middleware

HEAD_BYTES = 32 * 1024
"""Bytes of a request line and its headers together, or of trailers, that are held for one connection."""

LEAST_RATE = 8 * 1024
"""Bytes a second that a client must read of an answer, on average and after SEND_SECONDS. Otherwise a client that reads a byte
now and then would keep the answer in memory for days."""

LINGER_SECONDS = 1.0
"""How long a refused client may go on sending before its connection is closed."""


MALFORMED = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
"""The status for each error of gunicorn's parser; any other is a 400."""


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


class ChunkedInput:
    """A chunked body, as the application reads it."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            Problem: 400 if it isn't chunked right.
            OSError: if it breaks off.
        """
        try:
            return bytes(self._body.read(size))
        except errors.ParseException as error:
            detail = f"The body isn't chunked as HTTP/1.1 wants it: {error}."
            raise Problem(400, "malformed_body", detail) from None


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
            self._write_part(arg)
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

    def _write_part(self, part: bytes) -> None:
        """Send a part of a streamed body. This, too, may wait until the client reads."""
        self.connections.wait_for("reader")
        super().write(part)
        self.connections.stop_waiting()

    def _send_rest(self, rest: memoryview) -> None:
        """Send what the kernel didn't take at once.

        Raises:
            TimeoutError: if the client reads nothing for SEND_SECONDS, or more slowly than LEAST_RATE.
            OSError: if the connection was closed meanwhile, to free it for others.
        """
        began = time.monotonic()
        sent = 0
        self.connections.wait_for("reader")
        while sent < len(rest):
            left = began + SEND_SECONDS + sent / LEAST_RATE - time.monotonic()
            if left <= 0:
                raise TimeoutError
            # The time-out is for the next part; sendall's would be for the whole rest.
            self.sock.settimeout(min(SEND_SECONDS, left))
            sent += self.sock.send(rest[sent:])
            self.connections.scheduler.pause()


def linger(client: socket.socket) -> None:
    """Read on after a refusal until the client closes, LINGER_SECONDS at most (RFC 9112 section 9.6).

    If it were closed with unread input, the connection would be reset, and the client might lose the answer.
    """
    with suppress(OSError, gevent.Timeout), gevent.Timeout(LINGER_SECONDS):
        client.shutdown(socket.SHUT_WR)
        while client.recv(PIECE_BYTES):
            pass


class BoundName:
    """The name of a listener. gunicorn asks for it once a connection, when the listener may be closed already."""

    def __init__(self, listener: Any) -> None:
        self._name = listener.getsockname()

    def getsockname(self) -> Any:
        return self._name


class Http1Worker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves the requests of connections.

    Attributes:
        connections: the open ones.
        draining: whether each answer closes its connection, so that clients find their way to another instance.
    """

    wsgi: "Middleware"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections = Connections(self.worker_connections)
        self.draining = False

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        self.connections.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self.connections.remove()

    def timeout_ctx(self) -> Any:
        """Entered by gunicorn each time it begins to wait for a request on a connection."""
        self.connections.wait_for("request")
        return super().timeout_ctx()

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> None:
        """Answer one request.

        Raises:
            StopIteration: gunicorn's sign to close the connection.
        """
        self.connections.stop_waiting()
        sock.settimeout(SEND_SECONDS)
        try:  # it sends 100 Continue where that is expected
            response, environ = wsgi.create(req, sock, addr, listener_name, self.cfg, response_class=OneWriteResponse)
        except TimeoutError:
            raise StopIteration from None
        # If all connections are taken, also those that are in use all the time must make room.
        if self.draining or self.connections.is_full():
            response.force_close()
        sock.settimeout(None)  # `read_body` has its own time-out
        environ[CONNECTIONS], environ[SOCKET] = self.connections, sock
        if "HTTP_TRANSFER_ENCODING" in environ:
            environ["wsgi.input"] = ChunkedInput(req.body)
        try:
            self._answer(environ, response, sock)
        finally:
            self.connections.scheduler.end()
        sock.settimeout(None)
        if response.should_close():
            if response.status_code >= HTTPStatus.BAD_REQUEST:  # its body may not have been read
                self.connections.wait_for("request")  # it may be closed earlier, too
                linger(sock)
            raise StopIteration

    def _answer(self, environ: dict[str, Any], response: OneWriteResponse, sock: socket.socket) -> None:
        response.connections = self.connections
        result = self.wsgi(environ, response.start_response)
        try:
            sock.settimeout(SEND_SECONDS)
            for part in result:
                response.write(part)
            response.close()
        except BrokenOffError:
            raise StopIteration from None
        except TimeoutError:
            discard_unread(sock)
            raise StopIteration from None
        finally:
            self.connections.stop_waiting()
            if hasattr(result, "close"):
                result.close()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer input that gunicorn couldn't parse as a request, with problem details."""
        if not isinstance(exc, errors.ParseException):
            self.log.error("a connection failed", exc_info=exc)
            return
        status = MALFORMED.get(type(exc), HTTPStatus.BAD_REQUEST)
        problem = Problem(status, "malformed_request", f"Not a request as HTTP/1.1 wants it: {exc}")
        try:
            client.settimeout(SEND_SECONDS)
            client.sendall(self.wsgi.answer_malformed(problem))
        except OSError:
            self.log.debug("a client left before its request was refused")
        else:
            linger(client)
