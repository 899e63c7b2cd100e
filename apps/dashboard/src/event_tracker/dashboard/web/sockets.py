"""Bounds the WebSockets of readers who haven't signed in: each page that is open has one, which takes some 0.3 MiB."""

from collections import Counter

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from event_tracker.dashboard.auth import cookies
from event_tracker.dashboard.auth.browser_sign_ins import sign_ins

MOST = 200
"""WebSockets without a sign-in, at once. They take 60 MiB, of the 512 MiB that the container has."""

MAX_OF_ADDRESS = MOST // 2
"""Those of one address. Behind a proxy all readers have its address."""

REFUSAL = "Too many pages are open without a sign-in. Sign in at /sign-in, or try again later.\n"


class Socket:
    """A WebSocket that is open.

    Attributes:
        is_signed_in: whether it was seen with a sign-in. Its cookie is that of the handshake, and isn't valid for as long.
    """

    def __init__(self, scope: Scope) -> None:
        client = scope.get("client")
        self.address = client[0] if client else ""
        self.is_signed_in = False
        self._cookie = cookies.read(HTTPConnection(scope).cookies)

    def recognise(self) -> bool:
        """Look for its sign-in among those of this process. Returns whether it has one."""
        if not self.is_signed_in and self._cookie:
            self.is_signed_in = sign_ins.find_local(self._cookie) is not None
        return self.is_signed_in


class Sockets:
    """ASGI middleware that answers 503 to a WebSocket's handshake if there are too many without a sign-in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._anonymous: set[Socket] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        socket = Socket(scope)
        if not socket.recognise():
            if self._is_full(socket.address):
                await PlainTextResponse(REFUSAL, 503, {"Retry-After": "30"})(scope, receive, send)
                return
            self._anonymous.add(socket)

        async def receive_and_recognise() -> Message:
            message = await receive()
            if socket.recognise():
                self._anonymous.discard(socket)
            return message

        try:
            await self.app(scope, receive_and_recognise, send)
        finally:
            self._anonymous.discard(socket)

    def _is_full(self, address: str) -> bool:
        if len(self._anonymous) < MAX_OF_ADDRESS:
            return False
        # After a start of this process, a page's sign-in is found only when the page has said something.
        self._anonymous = {one for one in self._anonymous if not one.recognise()}
        by_address = Counter(one.address for one in self._anonymous)
        return len(self._anonymous) >= MOST or by_address[address] >= MAX_OF_ADDRESS
