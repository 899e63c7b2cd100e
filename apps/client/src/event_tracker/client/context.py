"""The user and the properties that events of one request share.

They are context variables: each thread, task and greenlet has its own. What starts in it, such as a task, begins with a copy.
"""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

User = str | Callable[[], str | None] | None
"""A user id, or a function that is asked for it when an event is tracked: sign-in may come later in the request."""

_user: ContextVar[User] = ContextVar("event_tracker_user", default=None)
_properties: ContextVar[dict[str, Any] | None] = ContextVar("event_tracker_properties", default=None)


@contextlib.contextmanager
def use_context(user: User = None, **properties: Any) -> Iterator[None]:
    """Within the block, `track(None, …)` is about this user, and every event has these properties, unless `track` is given others
    of the same name. Inner blocks add to outer ones."""
    user_token = _user.set(user if user is not None else _user.get())
    token = _properties.set({**(_properties.get() or {}), **properties})
    try:
        yield
    finally:
        _properties.reset(token)
        _user.reset(user_token)


def context_user() -> str | None:
    """The user of the context, if there is one."""
    user = _user.get()
    return user() if callable(user) else user


def context_properties() -> dict[str, Any]:
    """The properties of the context."""
    return _properties.get() or {}


MAX_REQUEST_ID_LENGTH = 200


def request_id(header: str | None) -> str:
    """The id in an X-Request-ID header, which the client of a request may have written, or a new one."""
    return header[:MAX_REQUEST_ID_LENGTH] if header else uuid.uuid4().hex
