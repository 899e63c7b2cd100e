"""Questions to the query service and their answers, kept for a moment.

What is kept is kept for one sign-in: others may see other events, or fewer numbers, and one that has ended sees nothing.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
import streamlit as st

from dashboard import service, visitor
from dashboard.sessions import Session

Answer = dict[str, Any]

FRESH_SECONDS = 4
"""How long an answer is used again, for the same sign-in (or none): shorter than the five seconds after which live tiles ask
anew."""


def ask(path: str, **parameters: Any) -> Answer:
    """The answer to GET `path`; parameters that are None or empty are left out. Raises as `visitor.request` does."""
    return _asked("GET", path, params=_given(parameters))


def ask_with_body(path: str, body: Answer, **parameters: Any) -> Answer:
    """The same to POST `path` with a JSON body."""
    return _asked("POST", path, json=body, params=_given(parameters))


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value not in (None, "", [])}


def _asked(method: str, path: str, **how: Any) -> Answer:
    session = visitor.session()
    return _ask(visitor.key(session), method, path, json.dumps(how, sort_keys=True), session)


def read_lines(path: str, parameters: Mapping[str, Any]) -> list[Answer]:
    """The answer to GET `path` that is one JSON object a line. Raises as `visitor.request` does."""
    session = visitor.session()
    return _read_lines(visitor.key(session), path, json.dumps(parameters, sort_keys=True), session)


@st.cache_data(ttl=FRESH_SECONDS, max_entries=500, show_spinner="Counting …")
def _ask(key: str | None, method: str, path: str, how: str, _session: Session | None) -> Answer:
    with _reading(visitor.request(_session, method, path, **json.loads(how))) as response:
        answer: Answer = response.json()
        return answer


@st.cache_data(ttl=FRESH_SECONDS, max_entries=50, show_spinner="Reading events …")
def _read_lines(key: str | None, path: str, given: str, _session: Session | None) -> list[Answer]:
    with _reading(visitor.request(_session, "GET", path, params=json.loads(given))) as response:
        return [json.loads(line) for line in response.iter_lines()]


@contextmanager
def _reading(response: requests.Response) -> Iterator[requests.Response]:
    """Close the response in the end; an answer that breaks off is as good as none."""
    try:
        with response:
            yield response
    except requests.RequestException as error:
        raise service.AwayError(str(error)) from error
