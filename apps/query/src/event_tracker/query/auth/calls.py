"""Calls of routes: views get a Call, and return the body of the answer.

A call knows which sources it covers: those that it names, limited to those that the principal may see.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from flask import Response, request
from marshmallow import Schema
from werkzeug.datastructures import ETags
from werkzeug.http import parse_etags

from event_tracker.core.http.errors import Problem
from event_tracker.core.http.middleware import answer
from event_tracker.core.http.routes import Route
from event_tracker.core.http.service import json_response
from event_tracker.query.auth.principal import ALLOWED_SOURCES, Principal, QuotaHolder, client_of, principal_of
from event_tracker.query.parameter_types import repeatable_field
from event_tracker.query.parameters import ParameterSchema, QueryStringReader
from event_tracker.query.request_body import MAX_BYTES, QUESTION_BYTES, read_json, receive_body

_encode = msgspec.json.Encoder().encode

Sources = tuple[str, ...] | None
"""Names of sources, sorted. None is all sources: statements then have no condition on the source."""


class SourcesSchema(ParameterSchema):
    """Parameters of every query about events."""

    sources = repeatable_field("source", "Only events of this source; repeat it for any of several.")


class NotModifiedError(Exception):
    """The client has the answer already: its entity tag is one of those that the request names."""

    def __init__(self, etag: str) -> None:
        self.etag = etag


class Call:
    """A request that the guard has admitted, as a view gets it.

    Attributes:
        etag: the entity tag of the answer, which the view may set (RFC 9110, section 8.8.3). It is weak: an answer's `as_of` moves, though
            nothing else does.
    """

    __slots__ = ("_body", "_reader", "environ", "etag")

    def __init__(self, environ: WSGIEnvironment, reader: QueryStringReader | None, body: Schema | None = None) -> None:
        self.environ = environ
        self._reader, self._body = reader, body
        self.etag: str | None = None

    @property
    def if_none_match(self) -> ETags:
        """The entity tags of the answers that the client has; without any it is false."""
        return parse_etags(self.environ.get("HTTP_IF_NONE_MATCH"))

    @property
    def principal(self) -> Principal:
        """Who sends it."""
        return principal_of(self.environ)

    @property
    def client(self) -> QuotaHolder:
        """Whose turns it uses."""
        return client_of(self.environ)

    @property
    def allowed_sources(self) -> frozenset[str] | None:
        """The sources that the principal may see; None is all."""
        allowed: frozenset[str] | None = self.environ[ALLOWED_SOURCES]
        return allowed

    def query(self) -> dict[str, Any]:
        """The route's parameters by the schema's attribute names: those of the query string, and of a body that is a question.

        Every question about events reads them here, so that none can forget the principal's restriction: `sources` is always
        there then, of type `Sources`.

        Raises:
            Problem: 400 or 422 with all errors in it, or what `body` raises.
        """
        assert self._reader
        given, schema = self._reader.read(self.environ.get("QUERY_STRING", "")), self._reader.schema
        if isinstance(self._body, SourcesSchema):
            given, schema = self.body(QUESTION_BYTES), self._body
        if isinstance(schema, SourcesSchema):
            given["sources"] = select_sources(given.get("sources"), self.allowed_sources)
        return given

    def body(self, most_bytes: int = MAX_BYTES) -> dict[str, Any]:
        """The route's JSON body, loaded.

        Raises:
            Problem: what `receive_body` and `read_json` raise.
        """
        assert self._body
        return read_json(self._body, receive_body(most_bytes))


def bind(routes: Iterable[Route], context: Any) -> list[Route]:
    """The routes with views for Flask, or for WSGI, in place of their own.

    A route's own view gets the context, the Call and the path's variables. It returns the body of the answer, or (body, status),
    or a Response; None is an answer without a body.

    Args:
        context: what the views work with. Without it, the routes answer 404.
    """
    return [replace(route, view=wraps(route.view)(_bind(route, context))) for route in routes]


def make_reader(route: Route) -> QueryStringReader | None:
    """The reader of a route's parameters; None if it has none."""
    return next((QueryStringReader(one) for one in route.parameters if isinstance(one, type)), None)


def _bind(route: Route, context: Any) -> Callable[..., Any]:
    reader = make_reader(route)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise Problem(405, "method_not_allowed", "This path answers GET.", headers={"Allow": "GET, HEAD"})
        return answer(start_response, 200, _encode(route.view(context, Call(environ, reader))))

    if route.is_fast:
        return application
    body = route.body() if isinstance(route.body, type) else None
    first = min(route.answers)
    schema = route.answers[first].schema
    kind = schema if isinstance(schema, type) else Any

    def view(**variables: str) -> Response:
        if context is None:
            raise Problem(404, "not_found", "This instance manages nothing: CONTROL_DATABASE_URL isn't set.")
        call = Call(request.environ, reader, body)
        try:
            found = route.view(context, call, **variables)
        except NotModifiedError as unchanged:
            return _add_etag(Response(status=304), unchanged.etag)
        if found is None:
            return Response(status=204)
        if isinstance(found, Response):
            return found
        answered, status = found if isinstance(found, tuple) else (found, first)
        response = json_response(msgspec.convert(answered, kind), status)
        if route.is_secret:
            response.headers["Cache-Control"] = "no-store"
        return _add_etag(response, call.etag) if call.etag else response

    return view


def _add_etag(response: Response, etag: str) -> Response:
    """Have the client's own cache keep the answer, and ask each time whether it is still right."""
    response.set_etag(etag, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def sources_for_digest(sources: Sources) -> list[list[str]]:
    """What the sources add to a cursor's digest: nothing where there is no restriction."""
    return [] if sources is None else [list(sources)]


def select_sources(requested: list[str] | None, allowed: frozenset[str] | None) -> Sources:
    """The requested sources that may be seen. One that may not be seen is left out, like one that doesn't exist."""
    if requested is None:
        return None if allowed is None else tuple(sorted(allowed))
    return tuple(sorted(set(requested) if allowed is None else allowed.intersection(requested)))
