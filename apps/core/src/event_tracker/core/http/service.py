"""The endpoints that both services have: health, metrics, version, and their documentation."""

import platform
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException

from event_tracker.core import metrics
from event_tracker.core.http import errors
from event_tracker.core.http.docs_page import add_docs
from event_tracker.core.http.error_mapping import make_problem
from event_tracker.core.http.health import Health
from event_tracker.core.http.middleware import REQUEST_ID, ROUTE, SAME_FOR_ALL
from event_tracker.core.http.openapi import Document
from event_tracker.core.settings import ServiceSettings

JSON = "application/json"


def json_response(body: Any, status: int = 200) -> Response:
    """A JSON answer; msgspec writes datetimes as RFC 3339 and UUIDs in their canonical form."""
    return Response(msgspec.json.encode(body), status, content_type=JSON)


def create_service(name: str, package: str, settings: ServiceSettings, health: Health, document: Document) -> Flask:
    """A Flask app with the common endpoints; the caller adds its own.

    Args:
        name: `collector` or `query`.
        package: the distribution whose version is shown.
    """
    app = Flask(name, static_folder=None)
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

    _answer_health(app, health)

    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    @app.get("/version")
    def versions() -> Response:
        return json_response(running)

    @app.get("/openapi.json")
    def openapi() -> Response:
        request.environ[SAME_FOR_ALL] = True
        return Response(encode_document(), content_type=JSON)

    @cache
    def encode_document() -> bytes:
        return msgspec.json.encode(document.to_dict())

    add_docs(app, f"Event Tracker {name}")
    document_common(document)
    return app


def _answer_health(app: Flask, health: Health) -> None:
    @app.get("/livez")
    def livez() -> Response:
        return json_response({"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        health.require_ready()
        return json_response({"status": "ready"})

    @app.get("/healthz")
    def healthz() -> Response:
        is_healthy, parts = health.report()
        return json_response({"status": "ok" if is_healthy else "failing", "parts": parts}, 200 if is_healthy else 503)


def document_common(document: Document) -> None:
    """Describe the common endpoints."""
    anything = {"content": {JSON: {"schema": {"type": "object"}}}}
    for path, operation, summary in (
        ("/livez", "livez", "The process is alive."),
        ("/readyz", "readyz", "This instance accepts work: it has reached its database and isn't stopping."),
        ("/healthz", "healthz", "Everything behind this instance, part by part."),
        ("/version", "version", "What is running."),
        ("/openapi.json", "openapi", "This document."),
    ):
        responses: dict[str, Any] = {"200": {"description": summary, **anything}}
        if operation == "healthz":
            responses["503"] = {"description": "A part is failing.", **anything}
        not_ready = {503: "Not ready: the reason is in `code`."} if operation == "readyz" else None
        document.path(
            path,
            "get",
            {"operationId": operation, "tags": ["service"], "summary": summary, "responses": responses},
            not_ready,
        )
    metrics_text = {"description": "Prometheus exposition.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    document.path(
        "/metrics",
        "get",
        {"operationId": "metrics", "tags": ["service"], "summary": "Metrics.", "responses": {"200": metrics_text}},
    )
