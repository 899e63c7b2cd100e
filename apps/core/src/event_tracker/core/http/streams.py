"""Answers whose client may leave or stop reading in the middle."""

import socket
import struct
import sys
from wsgiref.types import WSGIEnvironment

from gevent.socket import wait_read

SOCKET = "core.socket"
"""environ key: the connection's socket, set by the server."""

SEND_SECONDS = 30.0
"""How long a client may take to read one part; the connection of a slower one is closed."""


SEND_BUFFER_BYTES = 64 * 1024
"""Bytes of answers that the kernel keeps for one connection until its client reads them. By itself it would take up to 4 MB, which
count towards a container's memory, and which the memory budget doesn't know of."""

DISCARD = struct.pack("ii", 1, 0)
"""SO_LINGER: what the client hasn't read is discarded when its connection is closed. The kernel would keep it."""


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


def bound_kernel_memory(listener: socket.socket, seconds: float) -> None:
    """Bound what the kernel keeps of answers that aren't read, for the connections of a listener: in bytes, and in time."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if sys.platform == "linux":  # it counts on when the connection was closed
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def discard_unread(client: socket.socket) -> None:
    """Have the kernel discard what the client hasn't read, when the connection is closed."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DISCARD)
