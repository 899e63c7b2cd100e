"""The page under /docs: Swagger UI with the service's own OpenAPI document. It loads nothing from other hosts and has no inline script."""

from html import escape
from importlib import resources
from typing import Any

from flask import Flask, Response, redirect, request, send_from_directory

from event_tracker.core.http.middleware import POLICY, SAME_FOR_ALL

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


def add_docs(app: Flask, title: str) -> None:
    """Serve `/docs/` and the files of its page."""
    page = PAGE.format(title=escape(title))

    @app.get("/")
    @app.get("/docs")  # werkzeug's own redirect would go to the host that the request names
    def root() -> Any:
        return redirect("docs/")

    @app.get("/docs/")
    def docs() -> Response:
        request.environ[POLICY] = PAGE_POLICY
        return Response(page, content_type="text/html; charset=utf-8")

    @app.get("/docs/start.js")
    def start() -> Response:
        return Response(START, content_type="text/javascript; charset=utf-8")

    @app.get("/docs/<path:path>")
    def part(path: str) -> Response:
        request.environ[SAME_FOR_ALL] = True  # it is streamed from a file
        return send_from_directory(SWAGGER_UI, path)
