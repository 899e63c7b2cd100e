"""Middleware for Flask and other WSGI applications."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from event_tracker.client.context import request_id, use_context

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class WsgiContext:
    """Events tracked while the application answers have the request's user and its `request_id`.

    Args:
        user: called with the environ when an event is tracked without a user.
    """

    def __init__(
        self, app: "WSGIApplication", user: "Callable[[WSGIEnvironment], str | None]" = lambda environ: None
    ) -> None:
        self._app, self._user = app, user

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with use_context(lambda: self._user(environ), request_id=request_id(environ.get("HTTP_X_REQUEST_ID"))):
            return self._app(environ, start_response)
