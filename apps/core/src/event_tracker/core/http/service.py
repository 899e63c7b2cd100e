"""The endpoints that both services have: health, metrics, version, and their documentation."""

import platform
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from event_tracker.core import metrics
from event_tracker.core.http import errors
from event_tracker.core.http.docs_page import docs_routes
from event_tracker.core.http.error_mapping import make_problem
from event_tracker.core.http.health import Health
from event_tracker.core.http.middleware import REQUEST_ID, ROUTE, SAME_FOR_ALL
from event_tracker.core.http.openapi import Document
from event_tracker.core.http.routes import JSON, PUBLIC, Answer, Route, RouteTable
from event_tracker.core.settings import ServiceSettings

OBJECT = {"type": "object"}


class LazyRule(Rule):
    """A rule that compiles how its URLs are built when the first one is. No view builds any, and for all routes of the query service it
    takes a third of the CPU of building the application."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compile_builder = super()._compile_builder

        @cache
        def compiled() -> Callable[..., tuple[str, str]]:
            return compile_builder(append_unknown)

        return lambda rule, **values: compiled()(rule, **values)


def json_response(body: Any, status: int = 200) -> Response:
    """A JSON answer; msgspec writes datetimes as RFC 3339 and UUIDs in their canonical form."""
    return Response(msgspec.json.encode(body), status, content_type=JSON)


def create_service(
    name: str, package: str, settings: ServiceSettings, health: Health, document: Document, table: RouteTable
) -> Flask:
    """A Flask app with the routes of the table, to which the common ones are added.

    Args:
        name: `collector` or `query`.
        package: the distribution whose version is shown.
    """
    app = Flask(name, static_folder=None)
    app.url_rule_class = LazyRule
    # A path may contain any text, also two slashes; and werkzeug's redirect would go to the host that the request names.
    app.url_map.merge_slashes = False
    running = {
        "service": name,
        "version": version(package),
        "revision": settings.revision,
        "python": platform.python_version(),
    }
    metrics.BUILD_INFO.labels(name, running["version"], running["revision"]).set(1)

    @app.before_request
    def name_route() -> None:
        if request.url_rule is not None:
            request.environ[ROUTE] = request.url_rule.rule

    # HTTPException is caught here and not in the middleware: Flask would answer it in HTML before the middleware sees it.
    @app.errorhandler(HTTPException)
    @app.errorhandler(Exception)
    def refuse(error: Exception) -> Response:
        problem = make_problem(error)
        if problem.status == 500:
            raise error
        body = problem.body(request.environ[REQUEST_ID])
        return Response(body, problem.status, headers=problem.headers, content_type=errors.CONTENT_TYPE)

    @cache
    def encode_document() -> bytes:
        # At the first request: it takes two thirds of the time that a start would take.
        for route in table.routes:
            document.add(route)
        return msgspec.json.encode(document.to_dict())

    table.add(common_routes(health, running, encode_document))
    table.add(docs_routes(f"Event Tracker {name}"))
    table.register(app)
    return app


def common_routes(health: Health, running: dict[str, str], encode_document: Callable[[], bytes]) -> list[Route]:
    """The routes of health, version, metrics, and the document."""

    def livez() -> Response:
        return json_response({"status": "ok"})

    def readyz() -> Response:
        health.require_ready()
        return json_response({"status": "ready"})

    def healthz() -> Response:
        is_healthy, parts = health.report()
        return json_response({"status": "ok" if is_healthy else "failing", "parts": parts}, 200 if is_healthy else 503)

    def version() -> Response:
        return json_response(running)

    def openapi() -> Response:
        request.environ[SAME_FOR_ALL] = True
        return Response(encode_document(), content_type=JSON)

    def metrics() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    def get(path: str, view: Callable[[], Response], summary: str, **more: Any) -> Route:
        return Route("GET", path, view, summary, **{"answers": {200: Answer(summary, OBJECT)}, **more}, access=PUBLIC)

    ready = "This instance accepts work: it has reached its database and isn't stopping."
    healthy = "Everything behind this instance, part by part."
    parts = {200: Answer(healthy, OBJECT), 503: Answer("A part is failing.", OBJECT)}
    text = {200: Answer("Prometheus exposition.", {"type": "string"}, ("text/plain",))}
    return [
        get("/livez", livez, "The process is alive."),
        get("/readyz", readyz, ready, problems={503: "Not ready: the reason is in `code`."}),
        get("/healthz", healthz, healthy, answers=parts),
        get("/version", version, "What is running."),
        get("/openapi.json", openapi, "This document."),
        get("/metrics", metrics, "Metrics.", answers=text),
    ]
