"""Asking the query services while things break: what may go wrong, and what is a finding."""

import threading
from random import Random
from typing import Any

import requests
from definitions.product import Question, unlike

from .report import Report
from .system import System

TIMEOUT_SECONDS = 30
MAY_FAIL = (503, 504)
PAUSE_SECONDS = 0.3
MAX_TRIES = 20


class UnansweredError(Exception):
    """The service, or its database, wasn't there."""


class Asker:
    """Asks one of the query services, with a token that may do all; each thread has its own.

    Args:
        insists: whether what isn't answered is asked again, some times.
    """

    def __init__(self, system: System, report: Report, random: Random, *, insists: bool = False) -> None:
        self._system, self._report, self._random = system, report, random
        self._tries = MAX_TRIES if insists else 1
        self._session = requests.Session()
        self._pause = threading.Event()

    def request(self, method: str, path: str, **given: Any) -> requests.Response:
        """The answer, if it is none of those that outages explain.

        Raises:
            UnansweredError: if it is, or there is none.
        """
        for left in reversed(range(self._tries)):
            try:
                return self._request(method, path, **given)
            except UnansweredError:
                if not left:
                    raise
                self._pause.wait(PAUSE_SECONDS)
        raise AssertionError("unreachable")

    def insist(self, method: str, path: str, **given: Any) -> requests.Response:
        """The same until it is answered."""
        while True:
            try:
                return self.request(method, path, **given)
            except UnansweredError:
                self._pause.wait(PAUSE_SECONDS)

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a 200; anything else is a finding.

        Raises:
            UnansweredError: as `request`, and after a finding.
        """
        answer = self.request("GET", path, params=parameters)
        if answer.status_code != 200:
            self._report.find("a right question was refused", f"{answer.url}: {answer.status_code} {answer.text}")
            raise UnansweredError
        return answer.json()

    def pages(self, path: str, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """The items of all pages; a page that isn't answered is asked for again."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = self.insist("GET", path, params={**parameters, **cursor})
            if answer.status_code != 200:
                self._report.find("a page was refused", f"{answer.url}: {answer.status_code} {answer.text}")
                raise UnansweredError
            body = answer.json()
            found += body[name]
            if not body["next_cursor"]:
                return found
            cursor = {"cursor": body["next_cursor"]}

    def check(self, question: Question, expected: Any) -> None:
        """Ask, and find if the answer isn't the expected one; None is a 404."""
        parameters = [*question.parameters, *(("source", source) for source in question.sources or ())]
        method, body = ("GET", None) if question.body is None else ("POST", question.body)
        answer = self.request(method, question.path, params=parameters, json=body)
        where = f"{answer.url} {question.body or ''}"
        if expected is None or answer.status_code != 200:
            if (answer.status_code == 404) != (expected is None):
                self._report.find("an answer of another kind", f"{where}: {answer.status_code} {answer.text}")
            return
        got = answer.json()
        got.pop("as_of")
        if got.pop("identity", "linked") != "linked":
            self._report.find("an answer about another identity", where)
        if differences := list(unlike(expected, got, "")):
            name = question.path.split("/")[-1] if question.path.startswith("/stats") else "users/…"
            self._report.find(f"a wrong answer of {name}", f"{where}: (where, expected, got) {differences[:3]}")
        self._report.count("answers checked")

    def _request(self, method: str, path: str, **given: Any) -> requests.Response:
        given = {"headers": self._system.everything, "timeout": TIMEOUT_SECONDS, **given}
        try:
            answer = self._session.request(method, f"{self._system.a_query(self._random)}{path}", **given)
        except requests.RequestException:
            self._report.count("questions without an answer")
            raise UnansweredError from None
        if answer.status_code == 500:
            self._report.find("a query service answered 500", self._system.logged(answer))
        if answer.status_code in (500, *MAY_FAIL):
            self._report.count(f"answers {answer.status_code} to questions")
            raise UnansweredError
        return answer
