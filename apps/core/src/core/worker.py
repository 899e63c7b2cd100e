"""The gunicorn worker: gevent's, with a drain that loses nothing accepted and isn't held up by idle connections.

gunicorn's own stops accepting at once, while load balancers still send, and then waits for idle keep-alive connections
until its grace period ends. Its request loop is also shortened to what these services use: no access log of its own,
no hooks, one write a response (docs/adr/0003-fast-path.md has the measurements).
"""

import gc
import os
import signal
import socket
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from greenlet import greenlet
from gunicorn import util
from gunicorn.http import errors, wsgi
from gunicorn.workers.ggevent import GeventWorker

from core.problems import CONTENT_TYPE, Problem
from core.request_ids import new_request_id
from core.streams import BrokenOffError

if TYPE_CHECKING:
    from core.front import Front

MALFORMED = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
"""What a request that isn't HTTP as agreed is answered; anything else that the parser refuses is a 400."""

FINISH_POLL_SECONDS = 0.02

IDLE_SECONDS = 0.5
"""A connection that has waited so long for a request may be hung up on; on a younger one, one is probably on its way."""

GC_THRESHOLD = 50_000
"""Objects that may be made before the garbage collector runs, instead of 700: some hundred requests' worth."""


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


class OneWriteResponse(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """Sends the head and a body that is there whole in one write: one system call and one packet instead of two."""

    headers_sent: bool

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
        head = "".join([*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"])
        self.headers_sent = True
        self.sent = len(arg)
        message = head.encode("latin-1") + arg
        # gevent's sendall asks the kernel for its buffer's size first; most answers fit, and then one call is enough.
        sent = self.sock.send(message)
        if sent < len(message):
            self.sock.sendall(message[sent:])


class BoundName:
    """Stands for a listener where gunicorn asks for its name, once for each connection: the listener may be closed by then."""

    def __init__(self, listener: Any) -> None:
        self._name = listener.getsockname()

    def getsockname(self) -> Any:
        return self._name


class DrainingWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """On SIGTERM: tell the application, go on accepting for `drain_seconds`, then finish what is under way and leave.

    From SIGTERM on each answer closes its connection, so that clients find their way to another instance.
    """

    drain_seconds = 0.0
    wsgi: "Front"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clients: dict[greenlet, socket.socket] = {}
        self._idle_since: dict[greenlet, float] = {}
        self._draining = False

    def init_process(self) -> None:
        self._stopping = Event()
        # gunicorn looks each setting up through two objects, some twenty times a request: plain attributes are found first.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        # core.server blocks it over the fork.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def load_wsgi(self) -> None:
        super().load_wsgi()
        # What is loaded by now stays: the collector of garbage needn't look through it again and again, and requests
        # leave hardly any cycles behind.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)

    def handle_exit(self, sig: int, frame: Any) -> None:
        if not self.booted:
            # Nothing was accepted yet. Not sys.exit: raised in a greenlet that happens to run, such as the pool's, it would be lost.
            os._exit(0)
        gevent.spawn(self._drain)

    def _drain(self) -> None:
        self._draining = True
        self.wsgi.drain()
        gevent.sleep(self.drain_seconds)
        self.alive = False
        self._stopping.set()

    def run(self) -> None:
        connections = Pool(self.worker_connections)
        servers = []
        for listener in self.sockets:
            listener.setblocking(1)
            server = StreamServer(listener, handle=partial(self.handle, BoundName(listener)), spawn=connections)
            server.start()
            servers.append(server)
        while self.alive:
            self.notify()
            self._stopping.wait(1.0)
        for server in servers:
            server.stop_accepting()
            self._accept_waiting(server)
            server.close()
        self._finish(connections)
        self.wsgi.close()

    def _accept_waiting(self, server: StreamServer) -> None:
        """Take over the connections that the kernel has accepted: it would reset them when the listener closes."""
        while accepted := server.do_read():
            server.do_handle(*accepted)

    def _finish(self, connections: Pool) -> None:
        """Hang up on idle connections, answer the others. The arbiter kills this process if it takes too long."""
        while len(connections):
            long_ago = time.monotonic() - IDLE_SECONDS
            for waiting, since in list(self._idle_since.items()):
                if since > long_ago:
                    continue
                try:
                    self._clients[waiting].shutdown(socket.SHUT_RD)
                except (KeyError, OSError):
                    continue
            self.notify()
            gevent.sleep(FINISH_POLL_SECONDS)

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        current = gevent.getcurrent()
        self._clients[current] = client
        try:
            super().handle(listener, client, addr)
        finally:
            self._idle_since.pop(current, None)
            del self._clients[current]

    def timeout_ctx(self) -> Any:
        """Entered by gunicorn each time it begins to wait for a request on a connection."""
        self._idle_since[gevent.getcurrent()] = time.monotonic()
        return super().timeout_ctx()

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> None:
        """Answer one request.

        Raises:
            StopIteration: gunicorn's sign to close the connection.
        """
        self._idle_since.pop(gevent.getcurrent(), None)
        response, environ = wsgi.create(req, sock, addr, listener_name, self.cfg, response_class=OneWriteResponse)
        if self._draining:
            response.force_close()
        result = self.wsgi(environ, response.start_response)
        try:
            for part in result:
                response.write(part)
            response.close()
        except (BrokenOffError, TimeoutError):
            raise StopIteration from None
        finally:
            if hasattr(result, "close"):
                result.close()
        # After a 408 the rest of the body may still be on its way; nothing behind it can be read.
        if response.should_close() or response.status_code == HTTPStatus.REQUEST_TIMEOUT:
            raise StopIteration

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer what gunicorn couldn't read as a request, in the one shape that errors have."""
        if not isinstance(exc, errors.ParseException):
            self.log.error("a connection failed", exc_info=exc)
            return
        status = MALFORMED.get(type(exc), HTTPStatus.BAD_REQUEST)
        body = Problem(status, "malformed_request", f"Not a request as HTTP/1.1 wants it: {exc}").body(new_request_id())
        status_line = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        headers = f"Connection: close\r\nContent-Length: {len(body)}\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n"
        try:
            client.sendall((status_line + headers).encode() + body)
        except OSError:
            self.log.debug("a client left before its request was refused")
