"""Streamed answers: their client may leave or stop reading in the middle."""

import socket
from wsgiref.types import WSGIEnvironment

from gevent.socket import wait_read

SOCKET = "core.socket"
"""environ key: the connection's socket, set by the server."""

SEND_SECONDS = 30.0
"""How long a client may take to read one part; the connection of a slower one is closed."""


class BrokenOffError(Exception):
    """Raised by a body that can't be finished. The connection is closed before the body's end, so that the client notices."""


class Peer:
    """The client's end of the connection that a streamed answer is written to. Call `close` at the end of the answer."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._socket: socket.socket = environ[SOCKET]
        self._socket.settimeout(SEND_SECONDS)

    def has_left(self) -> bool:
        """True if the client closed the connection. Input that it may have sent stays unread."""
        self._socket.settimeout(0.0)
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self._socket.settimeout(SEND_SECONDS)

    def wait(self) -> None:
        """Wait until the client closes the connection or sends something."""
        wait_read(self._socket.fileno())

    def close(self) -> None:
        """Restore the connection's settings."""
        self._socket.settimeout(None)
