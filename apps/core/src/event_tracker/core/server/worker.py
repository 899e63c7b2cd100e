"""The gunicorn worker: gevent's, with a drain that loses no accepted request and doesn't wait for idle connections.

gunicorn's own stops accepting at once, while load balancers still send, and then waits for idle keep-alive connections
until its grace period ends. Its request loop is also shortened to what these services use: no access log of its own,
no hooks, one write a response (docs/adr/0003-fast-path.md has the measurements).
"""

import gc
import os
import signal
import socket
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.http import errors, wsgi
from gunicorn.workers.ggevent import GeventWorker

from event_tracker.core.http.body_limit import CONNECTIONS
from event_tracker.core.http.connections import Connections
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.streams import SEND_SECONDS, BrokenOffError
from event_tracker.core.server.http1 import OneWriteResponse, linger

if TYPE_CHECKING:
    from event_tracker.core.http.middleware import Middleware

MALFORMED = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
"""The status for each error of gunicorn's parser; any other is a 400."""

FINISH_POLL_SECONDS = 0.02

POLL_SECONDS = 0.5
"""How often the worker reports to the arbiter."""

CROWDED_POLL_SECONDS = 0.02
"""How often the connections are checked while few are free: if none is, no new one comes that would have them checked."""

GC_THRESHOLD = 50_000
"""Objects that may be made before the garbage collector runs, instead of 700: some hundred requests' worth."""


class BoundName:
    """The name of a listener. gunicorn asks for it once a connection, when the listener may be closed already."""

    def __init__(self, listener: Any) -> None:
        self._name = listener.getsockname()

    def getsockname(self) -> Any:
        return self._name


class DrainingWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """On SIGTERM: tell the application, go on accepting for `drain_seconds`, then finish the running requests and exit.

    From SIGTERM on each answer closes its connection, so that clients find their way to another instance.
    """

    drain_seconds = 0.0
    wsgi: "Middleware"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = Connections(self.worker_connections)
        self._logged = 0  # how many of the closed connections were logged
        self._draining = False

    def init_process(self) -> None:
        self._stopping = Event()
        # gunicorn reads some twenty settings a request, each through two objects. Plain attributes are faster, and found first.
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

    def init_signals(self) -> None:
        super().init_signals()
        # event_tracker.core.server.run blocks it over the fork.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def load_wsgi(self) -> None:
        super().load_wsgi()
        # What is loaded by now stays: the garbage collector need not scan it again and again, and requests leave hardly
        # any cycles.
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
        connections = Pool(self._connections.most_accepted)
        servers = []
        for listener in self.sockets:
            listener.setblocking(1)
            server = StreamServer(listener, handle=partial(self.handle, BoundName(listener)), spawn=connections)
            server.start()
            servers.append(server)
        freeing = gevent.spawn(self._free_connections)
        while self.alive:
            self.notify()
            self._log_closed()
            self._stopping.wait(POLL_SECONDS)
        freeing.kill()
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
        """Close idle connections, answer the others. The arbiter kills this process if that takes too long."""
        while len(connections):
            self._connections.close_idle()
            self.notify()
            gevent.sleep(FINISH_POLL_SECONDS)

    def _free_connections(self) -> None:
        while self._connections.crowded.wait():
            self._connections.free_connections()
            gevent.sleep(CROWDED_POLL_SECONDS)

    def _log_closed(self) -> None:
        if closed := self._connections.closed - self._logged:
            self.log.warning("nearly all connections were taken; hung up on %d that waited for their client", closed)
            self._logged += closed

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        self._connections.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._connections.remove()

    def timeout_ctx(self) -> Any:
        """Entered by gunicorn each time it begins to wait for a request on a connection."""
        self._connections.wait_for_request()
        return super().timeout_ctx()

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> None:
        """Answer one request.

        Raises:
            StopIteration: gunicorn's sign to close the connection.
        """
        self._connections.begin_request()
        sock.settimeout(SEND_SECONDS)
        try:  # it sends 100 Continue where that is expected
            response, environ = wsgi.create(req, sock, addr, listener_name, self.cfg, response_class=OneWriteResponse)
        except TimeoutError:
            raise StopIteration from None
        # If all connections are taken, also those that are in use all the time must make room.
        if self._draining or self._connections.is_full():
            response.force_close()
        sock.settimeout(None)  # `read_body` has its own time-out
        environ[CONNECTIONS] = self._connections
        try:
            self._answer(environ, response, sock)
        finally:
            self._connections.turns.end()
        sock.settimeout(None)
        if response.should_close():
            if response.status_code >= HTTPStatus.BAD_REQUEST:  # its body may not have been read
                self._connections.wait_for_request()  # it may be closed earlier, too
                linger(sock)
            raise StopIteration

    def _answer(self, environ: dict[str, Any], response: OneWriteResponse, sock: socket.socket) -> None:
        response.connections = self._connections
        result = self.wsgi(environ, response.start_response)
        try:
            sock.settimeout(SEND_SECONDS)
            for part in result:
                response.write(part)
            response.close()
        except (BrokenOffError, TimeoutError):
            raise StopIteration from None
        finally:
            self._connections.end_answer()
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
