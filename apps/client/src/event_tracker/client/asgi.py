"""Middleware for FastAPI and other ASGI applications."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from event_tracker.client.context import request_id, use_context

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[..., Awaitable[Any]], Callable[..., Awaitable[Any]]], Awaitable[None]]


class AsgiContext:
    """Events tracked while the application answers have the request's user and its `request_id`.

    Args:
        user: called with the scope when an event is tracked without a user.
    """

    def __init__(self, app: Application, user: Callable[[Scope], str | None] = lambda scope: None) -> None:
        self._app, self._user = app, user

    async def __call__(
        self, scope: Scope, receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]
    ) -> None:
        header = dict(scope.get("headers", ())).get(b"x-request-id", b"").decode("latin-1")
        with use_context(lambda: self._user(scope), request_id=request_id(header)):
            await self._app(scope, receive, send)
