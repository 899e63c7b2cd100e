"""The route table of a service: one record for each operation. Flask's URL rules, the guard and the OpenAPI document read it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter
from werkzeug.wsgi import get_path_info

from event_tracker.core.http.errors import CONTENT_TYPE

JSON = "application/json"
PROBLEM = {"$ref": "#/components/schemas/Problem"}
PUBLIC = "public"
"""The access of routes that need no credentials."""


class Answer(NamedTuple):
    """An answer of a route, for the document.

    Attributes:
        schema: a msgspec type or a marshmallow schema, which become components, or JSON Schema with such types. None is no body.
    """

    description: str
    schema: Any = None
    media_types: Sequence[str] = (JSON,)


def problem(description: str, schema: Any = PROBLEM) -> Answer:
    """An answer with problem details."""
    return Answer(description, schema, (CONTENT_TYPE,))


Problems = Mapping[int, str | Answer]
"""Status → what it means."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of a service.

    Attributes:
        path: as Flask writes it.
        view: called for requests; its name is the operationId.
        summary, description: for the document. Routes without a summary aren't in it.
        access: who may call it: PUBLIC, or a word that the service's guard knows.
        parameters: marshmallow schemas of the query string, and parameters as OpenAPI writes them.
        body: as Answer.schema, or that by media type.
        answers: by status. The first is the usual one.
        is_fast: the view is a WSGI application beside the Flask app (docs/adr/0003-fast-path.md).
        for_pages: of a fast route of GET: pages that may POST here may also call it and read its answer.
        is_secret: the answer must not be cached.
    """

    method: str
    path: str
    view: Callable[..., Any]
    summary: str = ""
    _: KW_ONLY
    access: str
    tag: str = "service"
    description: str = ""
    parameters: Sequence[Any] = ()
    body: Any = None
    answers: Mapping[int, Answer] = field(default_factory=dict)
    problems: Problems = field(default_factory=dict)
    is_fast: bool = False
    for_pages: bool = False
    is_secret: bool = False

    @property
    def name(self) -> str:
        """The operationId."""
        return self.view.__name__

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it."""
        return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", self.path)


class Mount(NamedTuple):
    """The application of a path, beside the Flask app.

    Attributes:
        route: None where the path has several, by method.
    """

    application: WSGIApplication
    route: Route | None


class RouteTable:
    """All routes of a service."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self._fast: dict[str, Route] = {}
        self._paths: Counter[str] = Counter()
        self._beginnings: dict[str, str] = {}
        self._adapter: MapAdapter | None = None

    def add(self, routes: Iterable[Route]) -> None:
        """Add routes, before `register`."""
        for route in routes:
            self.routes.append(route)
            self._paths[route.path] += 1
            if route.is_fast:
                self._fast[route.path] = route
            if route.access != PUBLIC:
                for beginning in (f"/{route.path.split('/')[1]}", route.path.partition("<")[0]):
                    self._beginnings.setdefault(beginning, route.access)

    def register(self, app: Flask) -> None:
        """Add the URL rules to the app."""
        for number, route in enumerate(self.routes):
            if not route.is_fast or self._is_shared(route.path):
                app.add_url_rule(route.path, str(number), route.view, methods=[route.method])
        self._adapter = app.url_map.bind("localhost")

    def mounts(self, app: WSGIApplication) -> dict[str, Mount]:
        """The fast routes by path. Where another route has the same path, `app` answers all other methods."""
        return {
            path: Mount(_answer_others(route, app), None) if self._is_shared(path) else Mount(route.view, route)
            for path, route in self._fast.items()
        }

    def find(self, environ: WSGIEnvironment) -> Route | None:
        """The route that will answer a request; where the path doesn't answer the method, its first. None for an unknown path."""
        if (route := self._fast.get(environ.get("PATH_INFO", ""))) and not self._is_shared(route.path):
            return route
        assert self._adapter
        # Flask lets every path answer OPTIONS.
        for method in (environ["REQUEST_METHOD"], "OPTIONS"):
            with suppress(HTTPException):
                rule, _ = self._adapter.match(get_path_info(environ), method, return_rule=True)
                return self.routes[int(rule.endpoint)]
        return None

    def access_beside(self, path: str) -> str | None:
        """The access of the route that has the longest beginning in common with an unknown path; None if none has, or it is public."""
        return self._beginnings.get(max(filter(path.startswith, self._beginnings), key=len, default=""))

    def _is_shared(self, path: str) -> bool:
        return self._paths[path] > 1


def _answer_others(route: Route, app: WSGIApplication) -> WSGIApplication:
    """A fast route of GET, and the app for other methods."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        chosen: WSGIApplication = route.view if environ["REQUEST_METHOD"] in ("GET", "HEAD") else app
        return chosen(environ, start_response)

    return application
