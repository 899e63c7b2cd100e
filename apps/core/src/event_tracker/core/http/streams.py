"""Answers that are written part by part, to a client who may leave or stop reading in the middle."""

import socket
from typing import TYPE_CHECKING

from gevent.socket import wait_read

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SEND_SECONDS = 30.0
"""How long a client may take to read one part; a client that takes longer is hung up on."""


class BrokenOffError(Exception):
    """Raised by a body that can't be finished: the connection ends without the end of the body, so that the client knows."""


class Peer:
    """The client's end of the connection that a streamed answer is written to. Call `close` at the end of the answer."""

    def __init__(self, environ: "WSGIEnvironment") -> None:
        self._socket: socket.socket = environ["gunicorn.socket"]
        self._socket.settimeout(SEND_SECONDS)

    def has_left(self) -> bool:
        """True if the client hung up. What else it may have sent stays unread."""
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
        """Wait until the client hangs up or sends something."""
        wait_read(self._socket.fileno())

    def close(self) -> None:
        """Leave the connection as it was."""
        self._socket.settimeout(None)
