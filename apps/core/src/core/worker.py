"""The gunicorn worker: gevent's, with a drain in which nothing accepted is lost and idle connections don't hold it up."""

import socket
from functools import partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

from core.front import Front


class DrainingWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no types
    """On SIGTERM: tell the application, go on accepting for `drain_seconds`, then finish what is under way and leave.

    gunicorn's own worker stops accepting at once, while load balancers still send, and then waits for idle keep-alive
    connections until its grace period ends.
    """

    drain_seconds = 0.0
    wsgi: Front

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clients: dict[gevent.Greenlet, socket.socket] = {}
        self._idle: set[gevent.Greenlet] = set()

    def init_process(self) -> None:
        self._stopping = Event()
        super().init_process()

    def handle_exit(self, sig: int, frame: Any) -> None:
        gevent.spawn(self._drain)

    def _drain(self) -> None:
        self.wsgi.drain()
        gevent.sleep(self.drain_seconds)
        self.alive = False
        self._stopping.set()

    def run(self) -> None:
        servers = []
        for listener in self.sockets:
            listener.setblocking(1)
            server = StreamServer(listener, handle=partial(self.handle, listener), spawn=Pool(self.worker_connections))
            server.start()
            servers.append(server)
        while self.alive:
            self.notify()
            self._stopping.wait(1.0)
        for server in servers:
            server.close()
        self._finish(servers)
        self.wsgi.close()

    def _finish(self, servers: list[StreamServer]) -> None:
        """Hang up on idle connections, answer the others. The arbiter kills this process if it takes too long."""
        while any(len(server.pool) for server in servers):
            for greenlet in list(self._idle):
                try:
                    self._clients[greenlet].shutdown(socket.SHUT_RD)
                except (KeyError, OSError):
                    continue
            self.notify()
            gevent.sleep(0.02)

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        greenlet = gevent.getcurrent()
        self._clients[greenlet] = client
        try:
            super().handle(listener, client, addr)
        finally:
            self._idle.discard(greenlet)
            del self._clients[greenlet]

    def timeout_ctx(self) -> Any:
        """Entered by gunicorn each time it begins to wait for a request on a connection."""
        self._idle.add(gevent.getcurrent())
        return super().timeout_ctx()

    def handle_request(self, *args: Any) -> Any:
        self._idle.discard(gevent.getcurrent())
        return super().handle_request(*args)
