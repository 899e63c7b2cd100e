"""HTTP requests to the query service. The result is a response, a refusal, or no answer."""

import functools
from typing import Any

import requests

from event_tracker.dashboard.settings import Settings

TIMEOUT = (3, 60)
"""Seconds to connect, and between two bytes. The service itself ends slow queries earlier, with an error."""


class UnavailableError(Exception):
    """The query service can't be reached."""


class RefusedError(Exception):
    """The query service answered with a problem (RFC 9457).

    Attributes: `status`, and `problem` as it came; of that `code`, `detail` and `errors`.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status, self.problem = status, problem
        self.code: str = problem.get("code", "")
        self.detail: str = problem.get("detail") or f"The query service answered with status {status}."
        self.errors: list[dict[str, str]] = problem.get("errors", [])
        super().__init__(self.detail)


@functools.cache
def query_url() -> str:
    """The URL of the query service."""
    return Settings.read().query_url


def request(method: str, path: str, token: str | None = None, **how: Any) -> requests.Response:
    """Send a request, with an access token or without. Returns the response with its body not yet read.

    Raises:
        UnavailableError: there is no answer, or it breaks off before its body.
        RefusedError: the answer isn't 2xx.
    """
    try:
        response = requests.request(
            method, query_url() + path, auth=_Bearer(token), timeout=TIMEOUT, stream=True, **how
        )
    except requests.RequestException as error:
        raise UnavailableError(str(error)) from error
    if not _has_complete_head(response):
        response.close()
        raise UnavailableError("The answer broke off in its head.")
    if response.ok:
        return response
    with response:
        raise RefusedError(response.status_code, _problem(response))


def _has_complete_head(response: requests.Response) -> bool:
    """Whether the response says where its body ends. If it broke off in its head, requests treats it as complete and empty."""
    if response.status_code == 204:  # has no body
        return True
    chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
    return chunked or response.headers.get("Content-Length", "").isdecimal()


def post(path: str, **body: Any) -> dict[str, Any]:
    """POST a JSON body without an access token, and return the answer. Raises as `request` does."""
    try:
        with request("POST", path, json=body) as response:
            answer: dict[str, Any] = response.json() if response.content else {}
            return answer
    except requests.RequestException as error:
        raise UnavailableError(str(error)) from error


class _Bearer(requests.auth.AuthBase):
    """Sends the token and nothing else. Without this, requests would use a password for the host from a .netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            prepared.headers["Authorization"] = f"Bearer {self._token}"
        return prepared


def _problem(response: requests.Response) -> dict[str, Any]:
    """The problem document in an answer. Empty if there is none, as when the answer is from a proxy."""
    try:
        problem = response.json()
    except requests.RequestException:
        return {}
    return problem if isinstance(problem, dict) else {}
