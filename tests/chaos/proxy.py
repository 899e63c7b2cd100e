"""A TCP proxy in front of PostgreSQL, so that connections can be cut, answers lost and both be held up."""

import contextlib
import socket
import threading
from collections.abc import Callable

CHUNK = 65_536


class Proxy:
    """Listens on a port of loopback and forwards to a Unix socket.

    Args:
        target: the path of the socket; asked at each connection, since a restarted server may have another.
    """

    def __init__(self, port: int, target: Callable[[], str]) -> None:
        self.port = port
        self._target = target
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._lost_answers = 0
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Break every connection; how many there were."""
        with self._lock:
            pairs, self._open = self._open, set()
        for one in pairs:
            _close(one)
        return len(pairs) // 2

    def lose_answer(self) -> None:
        """Keep back the next thing that PostgreSQL says on any connection, and break that connection."""
        with self._lock:
            self._lost_answers = 1

    def hold(self) -> None:
        """Let nothing through until `release`."""
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

    def close(self) -> None:
        _close(self._listener)
        self.release()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._target())
        except OSError:  # PostgreSQL isn't there
            _close(client)
            _close(server)
            return
        with self._lock:
            self._open |= {client, server}
        threading.Thread(target=self._pump, args=[client, server, False], daemon=True).start()
        threading.Thread(target=self._pump, args=[server, client, True], daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                self._flowing.wait()
                if is_answer and self._loses():
                    break
                sink.sendall(data)
        with self._lock:
            self._open -= {source, sink}
        _close(source)
        _close(sink)

    def _loses(self) -> bool:
        with self._lock:
            lost, self._lost_answers = self._lost_answers, 0
        return bool(lost)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
