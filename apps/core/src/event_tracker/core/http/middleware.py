"""The WSGI middleware of both services: request ids, CORS, metrics, the log line, and an answer to every exception."""

import logging
import random
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from werkzeug.wsgi import ClosingIterator

from event_tracker.core import metrics
from event_tracker.core.http.connections import CONNECTIONS
from event_tracker.core.http.cors import ANY_ORIGIN, cors_headers, preflight_headers
from event_tracker.core.http.error_mapping import make_problem
from event_tracker.core.http.errors import CONTENT_TYPE, Problem, given_up
from event_tracker.core.http.memory_budget import (
    BODY_BYTES,
    BUDGET,
    RESERVATION,
    UNCOUNTED_BYTES,
    MemoryBudget,
    release,
    reservation_of,
)
from event_tracker.core.http.routes import Mount, Route

log = structlog.get_logger("core.http")

ROUTE = "core.route"
"""environ key: the template of the matched route, for metrics. With paths instead, each path would be a time series."""

REQUEST_ID = "core.request_id"
"""environ key: X-Request-ID as sent, or made here; it goes into the answer, the log and every problem."""

SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""Ids go into logs and a header: an id with characters that are unsafe there is replaced."""

UNMATCHED = "<unmatched>"
MALFORMED = "<malformed>"
ALWAYS = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"))
"""On every answer: browsers don't guess its media type, and send no Referer from it."""

POLICY = "core.policy"
"""environ key: the Content-Security-Policy of a page, set by its view. Other answers get NO_PAGE."""

SAME_FOR_ALL = "core.same_for_all"
"""environ key: set by a view whose answer is one shared object: its memory isn't counted for each client."""

NO_PAGE = "default-src 'none'; frame-ancestors 'none'"

URGENT = frozenset({"/livez", "/readyz"})
"""Paths that are answered however many requests are in progress: an orchestrator ends an instance that doesn't answer them."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def answer(
    start_response: StartResponse,
    status: int,
    body: bytes,
    content_type: str = "application/json",
    headers: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    """Answer a WSGI request with one body."""
    start_response(STATUS_LINES[status], [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers])
    return [body]


def read_request_id(sent: str) -> str:
    """The id that was sent, if it is safe, or a new one."""
    return sent if SAFE_ID.fullmatch(sent) else new_request_id()


def new_request_id() -> str:
    """16 hexadecimal digits. They tell requests apart and guard nothing."""
    return f"{random.getrandbits(64):016x}"


def bearer_token(environ: WSGIEnvironment) -> str | None:
    """The token of `Authorization: Bearer TOKEN` (RFC 6750); None if there is none."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class Middleware:
    """Wraps a service's application. Routes that must be fast are mounted here, beside the Flask app.

    Attributes:
        budget: what all requests may hold in memory together, with their answers.
        post_origins: origins whose pages may send POST requests and read their answers; `cors_origins` may call everything.
        guard: called with the environ of each request except preflights, and with its route if it is known already; raises to
            refuse the request.
        is_ready: whether the service accepts work. It is called again and again.
        drain: called at SIGTERM, while requests are still accepted.
        close: called when the last request has been answered.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        most_held: int,
        mounts: dict[str, Mount] | None = None,
        cors_origins: Iterable[str] = (),
        guard: Callable[[WSGIEnvironment, Route | None], None] = lambda _, __: None,
        is_ready: Callable[[], bool] = lambda: True,
        drain: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        self.app = app
        self.budget = MemoryBudget(most_held)
        self.mounts = mounts or {}
        self._for_pages = {path for path, mount in self.mounts.items() if mount.route and mount.route.for_pages}
        self._cors_origins = self.post_origins = frozenset(cors_origins)
        self.guard = guard
        self.is_ready = is_ready
        self.drain = drain
        self.close = close
        self.in_progress = 0
        self._counters: dict[tuple[str, str, str], tuple[Any, Any]] = {}
        self._lowest_status_logged = "000" if logging.getLogger().isEnabledFor(logging.DEBUG) else "400"
        metrics.HTTP_IN_PROGRESS.set_function(lambda: self.in_progress)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        environ[REQUEST_ID] = read_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        environ[BUDGET] = self.budget
        status = "500"

        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status
            _reserve_answer(environ, line, headers)
            status = line[:3]
            policy = environ.get(POLICY, NO_PAGE)
            added = [("X-Request-ID", environ[REQUEST_ID]), *ALWAYS, ("Content-Security-Policy", policy)]
            # As late as this: the allowed origins may become known only while the request is answered.
            if (origins := self._origins(environ)) and ANY_ORIGIN not in headers:
                added += cors_headers(environ.get("HTTP_ORIGIN"), origins)
            return start_response(line, headers + added, exc_info)

        self.in_progress += 1
        streamed = False
        try:
            result = self._respond(environ, start)
            streamed = not isinstance(result, list)
        except BaseException:
            release(environ)
            raise
        finally:
            if not streamed:
                self._end()
            self._observe(environ, status, time.perf_counter() - started)
        if streamed:
            return ClosingIterator(result, [self._end, partial(release, environ)])
        # Most requests hold nothing that counts, and need no cleanup.
        return ClosingIterator(result, environ[RESERVATION].close) if RESERVATION in environ else result

    def answer_malformed(self, problem: Problem) -> bytes:
        """The whole answer to input that isn't a valid request. Nothing more can be read from its connection."""
        made = new_request_id()
        body = problem.body(made)
        fields = [
            ("Connection", "close"),
            ("Content-Type", CONTENT_TYPE),
            ("Content-Length", str(len(body))),
            ("X-Request-ID", made),
            *ALWAYS,
            ("Content-Security-Policy", NO_PAGE),
        ]
        labels = ("OTHER", MALFORMED, str(problem.status))
        metrics.HTTP_REQUESTS.labels(*labels).inc()
        if labels[2] >= self._lowest_status_logged:
            self._log(labels, 0.0, made)
        head = [f"HTTP/1.1 {STATUS_LINES[problem.status]}", *(f"{name}: {value}" for name, value in fields), "\r\n"]
        return "\r\n".join(head).encode() + body

    def _origins(self, environ: WSGIEnvironment) -> frozenset[str]:
        """Whose pages may make this request."""
        method = environ["REQUEST_METHOD"]
        if method == "OPTIONS":
            method = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
        is_for_pages = method == "POST" or environ.get("PATH_INFO") in self._for_pages
        return self.post_origins if is_for_pages else self._cors_origins

    def _end(self) -> None:
        self.in_progress -= 1

    def _respond(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        try:
            if (
                environ["REQUEST_METHOD"] == "OPTIONS"
                and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
                and self._origins(environ)
            ):
                environ[ROUTE] = "<preflight>"
                requested = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
                return answer(start, 204, b"", headers=preflight_headers("GET, POST, OPTIONS", requested))
            if path not in URGENT:
                _take_turn(environ)
            mount = self.mounts.get(path)
            self.guard(environ, mount.route if mount else None)
            if mount:
                environ[ROUTE] = path
                return mount.application(environ, start)
            return self.app(environ, start)
        except Exception as error:
            problem = make_problem(error)
            if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                # Not the path: it may name a user.
                route = environ.get(ROUTE, UNMATCHED)
                log.exception("request crashed", route=route, request_id=environ[REQUEST_ID])
            # The traceback refers to this frame, and the frame to the problem: the cycle would keep the body in memory.
            return refuse(environ, start, problem.with_traceback(None))

    def _observe(self, environ: WSGIEnvironment, status: str, seconds: float) -> None:
        method = environ["REQUEST_METHOD"]
        labels = (method if method in METHODS else "OTHER", environ.get(ROUTE, UNMATCHED), status)
        pair = self._counters.get(labels)
        if pair is None:
            pair = self._counters[labels] = (
                metrics.HTTP_REQUESTS.labels(*labels),
                metrics.HTTP_DURATION.labels(*labels),
            )
        pair[0].inc()
        pair[1].observe(seconds)
        # The worker logs how many it closed: one line for each would be the larger part of what closing it costs.
        if status >= self._lowest_status_logged and not environ[CONNECTIONS].was_closed_here():
            self._log(labels, seconds, environ[REQUEST_ID])

    def _log(self, labels: tuple[str, str, str], seconds: float, request_id: str) -> None:
        method, route, status = labels
        level = logging.ERROR if status >= "500" else logging.INFO if status >= "400" else logging.DEBUG
        ms = round(seconds * 1000, 1)
        log.log(level, "request", method=method, route=route, status=int(status), ms=ms, request_id=request_id)


def _take_turn(environ: WSGIEnvironment) -> None:
    """Wait until this request may go on; the worker ends its turn.

    Raises:
        Problem: 503 if hardly any connections were left, and this one was chosen to make room.
    """
    if not environ[CONNECTIONS].scheduler.take():
        raise given_up()


def _reserve_answer(environ: WSGIEnvironment, line: str, headers: list[tuple[str, str]]) -> None:
    """Count an answer's body against the memory budget until it has been sent.

    Raises:
        Problem: 503 or 429 if the budget is used up and the request only reads. A request that changed something is always
            answered.
    """
    if SAME_FOR_ALL in environ:
        return
    length = next((int(value) for name, value in headers if name == "Content-Length"), 0)
    if RESERVATION not in environ and environ.get(BODY_BYTES, 0) + length <= UNCOUNTED_BYTES:
        return
    reservation = reservation_of(environ)
    if line.startswith("2") and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        reservation.add(length)
    else:
        reservation.add_unchecked(length)


def refuse(environ: WSGIEnvironment, start_response: StartResponse, problem: Problem) -> list[bytes]:
    """Answer with a problem."""
    return answer(
        start_response,
        problem.status,
        problem.body(environ[REQUEST_ID]),
        problem.content_type,
        problem.headers.items(),
    )
