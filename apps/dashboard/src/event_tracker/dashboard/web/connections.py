"""Bounds the connections that wait for their client, in number and in time. uvicorn keeps each for as long as its client likes.

It waits for a whole request, or until its client reads more of an answer. Neither needs a sign-in.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_WAITING = 500
"""Connections that wait for their client. If there are more, those that have waited longest are closed: browsers open another."""

CLIENT_SECONDS = 20.0
"""How long a client may take to send a whole request, or to read what is in memory of an answer: a piece of PIECE_BYTES at most."""

PIECE_BYTES = 64 * 1024
"""Bytes of an answer that are passed to a connection at once. It keeps in memory what its client doesn't read; the kernel does so
with as much again. By itself the kernel would take up to 4 MB for each connection, which count towards a container's memory."""

DISCARD = struct.pack("ii", 1, 0)
"""SO_LINGER: what the client hasn't read is discarded when the connection is closed. The kernel would keep it for minutes."""


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 on a connection, as uvicorn's.

    Attributes:
        waiting: the connections that wait for their client, the longest-waiting first, and the timers that close them.
    """

    waiting: ClassVar[dict["BoundedProtocol", asyncio.TimerHandle]] = {}
    _is_served = False  # here, and not as a WebSocket

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE_BYTES)
        # uvicorn is told then as soon as anything isn't read.
        transport.set_write_buffer_limits(high=0)
        self._is_served = True
        self._update()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._is_served = False
        self._update()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._is_served = False
        self.transport.set_write_buffer_limits()
        super().handle_websocket_upgrade(event)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._update()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._update()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._update()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._update()

    def _update(self) -> None:
        """Note whether it waits for its client now. A client that sends a byte now and then isn't given more time."""
        if not self._is_waiting():
            self._stop_waiting()
        elif self not in self.waiting:
            self.waiting[self] = self.loop.call_later(CLIENT_SECONDS, self._break_off)
            if len(self.waiting) > MAX_WAITING:
                next(iter(self.waiting))._break_off()

    def _break_off(self) -> None:
        self._stop_waiting()
        with suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DISCARD)
        self.transport.abort()

    def _is_waiting(self) -> bool:
        wants_request = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        return self._is_served and (wants_request or self.flow.write_paused)

    def _stop_waiting(self) -> None:
        if timer := self.waiting.pop(self, None):
            timer.cancel()
