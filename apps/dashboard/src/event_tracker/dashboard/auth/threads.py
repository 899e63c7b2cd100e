"""Threads that ask the query service. They are limited: files and downloads are read in other threads, which must not wait for these."""

from collections.abc import Callable
from functools import cache, partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

Given = ParamSpec("Given")
Result = TypeVar("Result")

AT_ONCE = 20
"""Requests to sign-in, and to its other routes, that ask at once. Anybody may send them, and they take long while passwords are guessed."""


@cache
def _limiter() -> CapacityLimiter:
    return CapacityLimiter(AT_ONCE)


async def run_in_thread(function: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
    """Call the function in a thread, when fewer than AT_ONCE do so."""
    return await to_thread.run_sync(partial(function, *given, **named), limiter=_limiter())
