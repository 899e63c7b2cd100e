"""Middleware for Django: add `event_tracker.client.django.EventContext` to MIDDLEWARE."""

from collections.abc import Callable
from typing import Any

from event_tracker.client.context import request_id, use_context


class EventContext:
    """Events tracked while a view answers have the request's user, if somebody is signed in, and its `request_id`."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response

    def __call__(self, request: Any) -> Any:
        def user() -> str | None:
            signed_in = getattr(request, "user", None)  # by AuthenticationMiddleware, wherever it stands in the list
            return str(signed_in.pk) if signed_in is not None and signed_in.is_authenticated else None

        with use_context(user, request_id=request_id(request.headers.get("X-Request-ID"))):
            return self._get_response(request)
