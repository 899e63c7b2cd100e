"""Whose events a question is about: those of the sources that it names, as far as whoever asks may see them.

Every question about events reads its parameters here, so that none can forget who asks.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from marshmallow import fields

from event_tracker.query.auth.principal import ALLOWED_SOURCES, QuotaHolder, client_of
from event_tracker.query.parameter_types import MAX_VALUES, AtMost, text_field
from event_tracker.query.parameters import ParameterSchema, Reader

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Sources = tuple[str, ...] | None
"""Names, sorted; None is all there are, and then statements say nothing of sources."""


class QueryRequest(NamedTuple):
    """A request to read.

    Attributes:
        query: QUERY_STRING of its environ.
        allowed: whose events whoever asks may see; None is all.
        client: in whose turn the question is asked.
    """

    query_string: str
    allowed_sources: frozenset[str] | None
    client: QuotaHolder


class SourcesSchema(ParameterSchema):
    """What every question about events takes."""

    sources = fields.List(
        text_field(1, 100),
        data_key="source",
        validate=AtMost(max=MAX_VALUES),
        metadata={"description": "Only events of this source; repeat it for any of several."},
    )


class SourcesReader:
    """Reads the parameters of one endpoint's questions about events."""

    def __init__(self, schema: type[SourcesSchema]) -> None:
        self._reader = Reader(schema)

    def read(self, query_request: QueryRequest) -> dict[str, Any]:
        """The parameters by the schema's attribute names; always with `sources`, which are Sources.

        Raises:
            Problem: 400 or 422 with every mistake in it.
        """
        given = self._reader.read(query_request.query_string)
        return {**given, "sources": select_sources(given.get("sources"), query_request.allowed_sources)}


def query_request_of(environ: "WSGIEnvironment") -> QueryRequest:
    """What a request reads, as the guard let it in."""
    return QueryRequest(environ.get("QUERY_STRING", ""), environ[ALLOWED_SOURCES], client_of(environ))


def sources_for_digest(sources: Sources) -> list[list[str]]:
    """What cursors are told apart by beside the other filters; nothing where there is no restriction."""
    return [] if sources is None else [list(sources)]


def select_sources(requested: list[str] | None, allowed: frozenset[str] | None) -> Sources:
    """The sources that are asked about, of those that may be seen; a foreign one is left out like one that isn't there."""
    if requested is None:
        return None if allowed is None else tuple(sorted(allowed))
    return tuple(sorted(set(requested) if allowed is None else allowed.intersection(requested)))
