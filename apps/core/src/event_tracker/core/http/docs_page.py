"""The page under /docs: Swagger UI with the service's own OpenAPI document. It loads nothing from other hosts and has no inline script."""

from collections.abc import Callable
from html import escape
from importlib import resources
from typing import Any

from flask import Response, redirect, request, send_from_directory

from event_tracker.core.http.middleware import POLICY, SAME_FOR_ALL
from event_tracker.core.http.routes import PUBLIC, Route

SWAGGER_UI = str(resources.files("flask_swagger_ui").joinpath("dist"))

PAGE_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # Swagger UI writes styles into its elements
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="UTF-8">
  <title>{title}</title>
  <link rel="icon" type="image/png" href="favicon-32x32.png">
  <link rel="stylesheet" href="index.css">
  <link rel="stylesheet" href="swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="swagger-ui-bundle.js"></script>
  <script src="start.js"></script>
</body>
</html>
"""

START = """SwaggerUIBundle({ url: "../openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
"""


def docs_routes(title: str) -> list[Route]:
    """The routes of `/docs/` and the files of its page. They aren't in the document."""
    page = PAGE.format(title=escape(title))

    def root() -> Any:
        return redirect("docs/")

    def docs() -> Response:
        request.environ[POLICY] = PAGE_POLICY
        return Response(page, content_type="text/html; charset=utf-8")

    def start() -> Response:
        return Response(START, content_type="text/javascript; charset=utf-8")

    def part(path: str) -> Response:
        request.environ[SAME_FOR_ALL] = True  # it is streamed from a file
        return send_from_directory(SWAGGER_UI, path)

    # `/docs`: werkzeug's own redirect would go to the host that the request names.
    paths: dict[str, Callable[..., Any]] = {
        "/": root,
        "/docs": root,
        "/docs/": docs,
        "/docs/start.js": start,
        "/docs/<path:path>": part,
    }
    return [Route("GET", path, view, access=PUBLIC) for path, view in paths.items()]
