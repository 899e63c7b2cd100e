"""Requests to the query service, whose answers are cached for a few seconds.

An answer is cached for one sign-in only: other people may see other events, and a sign-in that has ended sees nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import requests
import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from event_tracker.dashboard.auth import current
from event_tracker.dashboard.auth.browser_sign_ins import BrowserSignIn
from event_tracker.dashboard.client import service

Answer = dict[str, Any]
Lines = list[Answer]
T = TypeVar("T")
Later = Callable[..., Callable[[], T]]

CONCURRENCY = 4
"""The number of requests at a time for one page."""

FRESH_SECONDS = 4
"""How long an answer is cached. It is shorter than the five seconds after which the live tiles ask again."""


def ask(path: str, **parameters: Any) -> Answer:
    """GET `path` and return the answer. Parameters that are None or empty are left out. Raises as `current.request` does."""
    with st.spinner("Counting …"):
        return _get(path, **parameters)


@contextmanager
def ask_concurrently() -> Iterator[Later[Answer]]:
    """Yield a function `later(path, **parameters)` that calls `ask` in another thread.

    It returns a function that waits for the answer, or raises what `ask` raised.
    """
    with run_concurrently(_get) as later:
        yield later


@contextmanager
def run_concurrently(function: Callable[..., T]) -> Iterator[Later[T]]:
    """Yield a function that calls the given one in one of CONCURRENCY threads.

    It returns a function that waits for the result, or raises what the given one raised.
    """
    # Streamlit's state, and so the reader, belongs to the page's thread. The other threads get its context.
    context = get_script_run_ctx()
    pool = ThreadPoolExecutor(CONCURRENCY, "ask", lambda: add_script_run_ctx(ctx=context))
    try:
        yield lambda *given, **named: pool.submit(function, *given, **named).result
    finally:
        # A page that was left, or is drawn again, doesn't wait for answers that it won't show.
        pool.shutdown(wait=False, cancel_futures=True)


def _get(path: str, **parameters: Any) -> Answer:
    return _ask_cached("GET", path, params=_without_empty(parameters))


def ask_with_body(path: str, body: Answer, **parameters: Any) -> Answer:
    """POST a JSON body to `path` and return the answer. Raises as `current.request` does."""
    with st.spinner("Counting …"):
        return _ask_cached("POST", path, json=body, params=_without_empty(parameters))


def _without_empty(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value not in (None, "", [])}


def _ask_cached(method: str, path: str, **how: Any) -> Answer:
    signed_in = current.sign_in()
    return _fetch(current.key(signed_in), method, path, json.dumps(how, sort_keys=True), signed_in)


def read_lines(path: str, parameters: Mapping[str, Any]) -> Lines:
    """GET `path` and return the answer, which has one JSON object a line. Raises as `current.request` does."""
    signed_in = current.sign_in()
    return _fetch_lines(current.key(signed_in), path, json.dumps(parameters, sort_keys=True), signed_in)


@st.cache_data(ttl=FRESH_SECONDS, max_entries=500, show_spinner=False)
def _fetch(key: str | None, method: str, path: str, how: str, _signed_in: BrowserSignIn | None) -> Answer:
    with _closing(current.request(_signed_in, method, path, **json.loads(how))) as response:
        answer: Answer = response.json()
        return answer


@st.cache_data(ttl=FRESH_SECONDS, max_entries=50, show_spinner=False)
def _fetch_lines(key: str | None, path: str, given: str, _signed_in: BrowserSignIn | None) -> Lines:
    with _closing(current.request(_signed_in, "GET", path, params=json.loads(given))) as response:
        return [json.loads(line) for line in response.iter_lines()]


@contextmanager
def _closing(response: requests.Response) -> Iterator[requests.Response]:
    """Close the response at the end. An answer that breaks off counts as none: UnavailableError."""
    try:
        with response:
            yield response
    except requests.RequestException as error:
        raise service.UnavailableError(str(error)) from error
