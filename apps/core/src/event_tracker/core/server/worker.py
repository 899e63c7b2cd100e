"""The gunicorn worker: gevent's, with a drain that loses no accepted request and doesn't wait for idle connections.

gunicorn's own stops accepting at once, while load balancers still send, and then waits for idle keep-alive connections
until its grace period ends.
"""

import gc
import os
import signal
from functools import partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer

from event_tracker.core.background import BackgroundLoop
from event_tracker.core.http.streams import SEND_SECONDS, bound_kernel_memory
from event_tracker.core.server.health_port import Readiness
from event_tracker.core.server.http1 import BoundName, Http1Worker

FINISH_POLL_SECONDS = 0.02

POLL_SECONDS = 0.5
"""How often the worker reports to the arbiter."""

CROWDED_POLL_SECONDS = 0.02
"""How often the connections are checked while few are free: if none is, no new one comes that would have them checked."""

READINESS_SECONDS = 1.0
"""How often it is checked whether the application accepts work."""

GC_THRESHOLD = 50_000
"""Objects that may be made before the garbage collector runs, instead of 700: some hundred requests' worth."""


class DrainingWorker(Http1Worker):
    """On SIGTERM: tell the application, go on accepting for `drain_seconds`, then finish the running requests and exit.

    From SIGTERM on each answer closes its connection, so that clients find their way to another instance.
    """

    drain_seconds = 0.0
    readiness = Readiness()
    _logged = 0  # how many of the closed connections were logged

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
        self.draining = True
        self.wsgi.drain()
        self._report_readiness()
        gevent.sleep(self.drain_seconds)
        self.alive = False
        self._stopping.set()

    def run(self) -> None:
        connections = Pool(self.connections.most_accepted)
        servers = []
        for listener in self.sockets:
            listener.setblocking(1)
            bound_kernel_memory(listener, SEND_SECONDS)
            server = StreamServer(listener, handle=partial(self.handle, BoundName(listener)), spawn=connections)
            server.start()
            servers.append(server)
        freeing = gevent.spawn(self._free_connections)
        reporting = BackgroundLoop(self._report_readiness, READINESS_SECONDS, self._log_unknown)
        while self.alive:
            self.notify()
            self._log_closed()
            self._stopping.wait(POLL_SECONDS)
        freeing.kill()
        reporting.close()
        for server in servers:
            server.stop_accepting()
            self._accept_waiting(server)
            server.close()
        self._finish(connections)
        self.wsgi.close()

    def _report_readiness(self) -> None:
        self.readiness.set(self.wsgi.is_ready())

    def _log_unknown(self, error: Exception) -> None:
        self.log.error("can't find out whether this instance is ready", exc_info=error)

    def _accept_waiting(self, server: StreamServer) -> None:
        """Take over the connections that the kernel has accepted: it would reset them when the listener closes."""
        while accepted := server.do_read():
            server.do_handle(*accepted)

    def _finish(self, connections: Pool) -> None:
        """Close idle connections, answer the others. The arbiter kills this process if that takes too long."""
        while len(connections):
            self.connections.close_idle()
            self.notify()
            gevent.sleep(FINISH_POLL_SECONDS)

    def _free_connections(self) -> None:
        while self.connections.crowded.wait():
            self.connections.free_connections()
            gevent.sleep(CROWDED_POLL_SECONDS)

    def _log_closed(self) -> None:
        if closed := self.connections.closed - self._logged:
            self.log.warning("nearly all connections were taken; hung up on %d that waited for their client", closed)
            self._logged += closed
