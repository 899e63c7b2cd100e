"""An HTTP client for the services. It repeats requests that failed for the moment, and puts errors into a sentence."""

import gzip
import re
import secrets
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from itertools import count
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import click
import msgspec
import requests
from requests.auth import AuthBase

from event_tracker.cli.errors import Problem, RefusedError, ServiceError, UnavailableError
from event_tracker.core.retry import PATIENCE_SECONDS, backoff, is_temporary, retry_after

CONNECT_SECONDS = 5
READ_SECONDS = 30
"""Longer than a collector takes to time out by itself, so that its own answer arrives first."""

STREAM_SECONDS = 300
"""The longest pause within a streamed answer: a filter may match nothing for a while."""

NOT_SERVED = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
SERVICES = {"collector": "collector", "query": "query service"}
"""A service's name at /version, and its name in messages."""

URL_OPTIONS = {"collector": "--collector or COLLECTOR_URL", "query service": "--query or QUERY_URL"}

GZIP_LEVEL = 1
SHOWN_ERRORS = 5

T = TypeVar("T")

CONNECTION_ERRORS = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
"""What requests raises when there is no answer, or only a part of one."""


class VersionAnswer(msgspec.Struct):
    """The part of the answer of /version that is used here."""

    service: str


class Client:
    """One service at one address. Safe to share between threads.

    Args:
        name: `collector` or `query service`, for messages.
        url: the base URL. It may have a path, for services behind an ingress.
        patience: seconds for which a request is tried again.
    """

    def __init__(self, name: str, url: str, patience: float = PATIENCE_SECONDS) -> None:
        # A password in the URL must not reach the terminal or a CI log.
        self.shown = re.sub("//.*@", "//", url) if "//" in url else url.rpartition("@")[2]
        if not _is_http(url):
            raise click.UsageError(f"{self.shown} isn't the URL of a {name}; one looks like http://127.0.0.1:8000.")
        self.name, self.url, self.patience = name, url.rstrip("/"), patience
        self.session = requests.Session()
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def require_reachable(self) -> None:
        """Send one request, so that a wrong URL is reported at once and not after many attempts.

        Raises:
            ServiceError: if there is no answer. Any answer is enough.
        """
        try:
            self.session.get(self.url + "/livez", timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False)
        except requests.exceptions.InvalidURL:  # its message would contain the password
            raise ServiceError(f"The {self.name} at {self.shown} can't be reached: that is no URL.") from None
        except requests.exceptions.SSLError as error:
            raise ServiceError(f"The {self.name} at {self.shown} can't be reached: {error}") from None
        except requests.ConnectionError:
            raise UnavailableError(
                f"No {self.name} answers at {self.shown}. Start one with `tracker up`, or name another URL."
            ) from None
        except requests.Timeout:
            pass  # there is a service, but it is slow

    def get(self, path: str, params: Mapping[str, Any]) -> bytes:
        """GET and return the body of the 2xx answer.

        Raises:
            ServiceError: for any other answer.
        """
        return self._request("GET", path, params=params)

    def post(self, path: str, body: bytes, content_type: str, params: Mapping[str, Any]) -> bytes:
        """POST a body, compressed, and return the body of the 2xx answer. It may be sent more than once.

        Raises:
            ServiceError: for any other answer.
        """
        headers = {"Content-Type": content_type, "Content-Encoding": "gzip"}
        return self._request("POST", path, params=params, data=gzip.compress(body, GZIP_LEVEL), headers=headers)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        params: Mapping[str, Any],
        read_seconds: float = READ_SECONDS,
    ) -> bytes:
        """Send a JSON body or none, and return the body of the 2xx answer. It may be sent more than once.

        Raises:
            ServiceError: for any other answer.
        """
        return self._request(method, path, json=body, params=params, read_seconds=read_seconds)

    def stop(self) -> None:
        """Make the other threads give up their repeated attempts."""
        self._stopped.set()

    def resume(self) -> None:
        """Try again as before `stop`."""
        self._stopped.clear()

    def stream(self, path: str, params: Mapping[str, Any]) -> requests.Response:
        """GET and return the 2xx answer with its body not yet read. The caller closes it.

        Raises:
            ServiceError: for any other answer.
        """
        return self._answer("GET", path, params=params, stream=True, read_seconds=STREAM_SECONDS)

    def _request(self, method: str, path: str, **options: Any) -> bytes:
        return self._answer(method, path, **options).content

    def _answer(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        read_seconds: float = READ_SECONDS,
        **options: Any,
    ) -> requests.Response:
        request_id = secrets.token_hex(8)
        deadline = time.monotonic() + self.patience
        for attempt in count():
            at_least = 0.0
            try:
                response = self.session.request(
                    method,
                    self.url + path,
                    headers={**(headers or {}), "X-Request-ID": request_id},
                    timeout=(CONNECT_SECONDS, read_seconds),
                    allow_redirects=False,  # requests would follow a redirected POST with a GET
                    **options,
                )
                _require_complete_head(response)
            except CONNECTION_ERRORS:
                why = "doesn't answer."
            else:
                if not is_temporary(response.status_code):
                    return self._checked(response)
                why = f"answers {self._describe(response)[0]}"
                at_least = retry_after(response.headers.get("Retry-After"))
            wait = max(at_least, backoff(attempt))
            if time.monotonic() + wait > deadline or self._stopped.is_set():
                raise UnavailableError(
                    f"The {self.name} at {self.shown} {why} Tried for {self.patience:g} s; request id {request_id}."
                )
            if attempt == 0:
                click.echo(f"The {self.name} {why} Trying again for up to {self.patience:g} s.", err=True)
            self._stopped.wait(wait)
        raise AssertionError("unreachable")

    def _checked(self, response: requests.Response) -> requests.Response:
        if response.ok and not response.is_redirect:
            return response
        sentence, problem = self._describe(response)
        other = self._other_service() if response.status_code in NOT_SERVED else None
        if other:
            sentence = f"What answers at {self.shown} is the {other}: name the {self.name} by {URL_OPTIONS[self.name]}."
        else:
            sentence = f"The {self.name} answers {sentence}"
        raise RefusedError(sentence, response.status_code, problem)

    def _other_service(self) -> str | None:
        """The name of the service at this URL, if it is one of ours but not the expected one."""
        try:
            answer = self.session.get(self.url + "/version", timeout=CONNECT_SECONDS, allow_redirects=False)
            name = SERVICES.get(msgspec.json.decode(answer.content, type=VersionAnswer).service)
        except (requests.RequestException, msgspec.MsgspecError):
            return None
        return name if name != self.name else None

    def _describe(self, response: requests.Response) -> tuple[str, Problem]:
        """A sentence for an answer that isn't 2xx, and its problem document."""
        try:
            problem = msgspec.json.decode(response.content, type=Problem)
        except msgspec.MsgspecError:
            problem = Problem()
        if response.is_redirect:
            detail = f"it has moved to {response.headers['Location']}; name that URL."
        else:
            detail = problem.detail or f"without saying why; is {self.shown} a {self.name}?"
        listed = "".join(
            f"\n  {error.get('pointer') or error.get('parameter') or ''}: {error.get('detail', error)}"
            for error in problem.errors[:SHOWN_ERRORS]
        )
        return f"{response.status_code}: {detail}{listed}", problem


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and "@" not in parts.path


def _require_complete_head(response: requests.Response) -> None:
    """Check that an answer says where its body ends.

    If the connection breaks within the head of an answer, this is missing, and requests takes it for a complete answer with
    an empty body. Our services always send it. A proxy that ends the body with the connection looks like a break.

    Raises:
        requests.ConnectionError: if the answer doesn't say it.
    """
    chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
    length = response.headers.get("Content-Length", "")
    if not chunked and not length.isdecimal() and response.status_code != HTTPStatus.NO_CONTENT:
        response.close()
        raise requests.ConnectionError("the answer broke off in its head")


def read_answer(body: bytes, kind: type[T]) -> T:
    """Decode the body of a 2xx answer as `kind`.

    Raises:
        ServiceError: if it is something else, as the URL is that of another server.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError:
        raise ServiceError("The answer isn't that of an Event Tracker service; is the URL right?") from None


class Bearer(AuthBase):
    """Sends a token. A header of the session won't do: requests replaces it by an entry for the host in .netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def open_client(
    name: str, url: str, patience: float, *, write_key: str | None = None, token: str | None = None
) -> Client:
    """A client for a service that answers. It is closed when the running command ends.

    Args:
        write_key, token: sent with every request, to the collector or the query service respectively.

    Raises:
        ServiceError: if the service doesn't answer.
    """
    client = click.get_current_context().with_resource(Client(name, url, patience))
    if write_key:
        client.session.headers["X-Write-Key"] = write_key
    if token:
        client.session.auth = Bearer(token)
    client.require_reachable()
    return client
