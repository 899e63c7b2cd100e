"""Questions to the query service and their answers, kept for a moment.

What is kept is kept for one person: others may see other events, or fewer numbers.
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
"""How long an answer is used again, for whoever has the same name (or none): shorter than the five seconds after which live
tiles ask anew."""


def ask(path: str, **parameters: Any) -> Answer:
    """The answer to GET `path`; parameters that are None or empty are left out. Raises as `visitor.request` does."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", [])}
    session = visitor.session()
    return _ask(visitor.name(session), "GET", path, json.dumps(given, sort_keys=True), session)


def ask_with_body(path: str, body: Answer) -> Answer:
    """The answer to POST `path` with a JSON body. Raises as `visitor.request` does."""
    session = visitor.session()
    return _ask(visitor.name(session), "POST", path, json.dumps(body, sort_keys=True), session)


def read_lines(path: str, parameters: Mapping[str, Any]) -> list[Answer]:
    """The answer to GET `path` that is one JSON object a line. Raises as `visitor.request` does."""
    session = visitor.session()
    return _read_lines(visitor.name(session), path, json.dumps(parameters, sort_keys=True), session)


@st.cache_data(ttl=FRESH_SECONDS, max_entries=500, show_spinner="Counting …")
def _ask(name: str | None, method: str, path: str, given: str, _session: Session | None) -> Answer:
    how = {"POST": "json", "GET": "params"}[method]
    with _reading(visitor.request(_session, method, path, **{how: json.loads(given)})) as response:
        answer: Answer = response.json()
        return answer


@st.cache_data(ttl=FRESH_SECONDS, max_entries=50, show_spinner="Reading events …")
def _read_lines(name: str | None, path: str, given: str, _session: Session | None) -> list[Answer]:
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
