"""Which sources a query covers: those that it names, limited to those that the principal may see.

Every query about events reads its parameters here, so that none can forget the principal's restriction.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from marshmallow import fields

from event_tracker.query.auth.principal import ALLOWED_SOURCES, QuotaHolder, client_of
from event_tracker.query.parameter_types import MAX_VALUES, AtMost, text_field
from event_tracker.query.parameters import ParameterSchema, Reader

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Sources = tuple[str, ...] | None
"""Names of sources, sorted. None is all sources: statements then have no condition on the source."""


class QueryRequest(NamedTuple):
    """A request that reads events.

    Attributes:
        query_string: QUERY_STRING of the WSGI environ.
        allowed_sources: the sources that the principal may see; None is all.
        client: whose turns the query uses.
    """

    query_string: str
    allowed_sources: frozenset[str] | None
    client: QuotaHolder


class SourcesSchema(ParameterSchema):
    """Parameters of every query about events."""

    sources = fields.List(
        text_field(1, 100),
        data_key="source",
        validate=AtMost(max=MAX_VALUES),
        metadata={"description": "Only events of this source; repeat it for any of several."},
    )


class SourcesReader:
    """Reads the parameters of one endpoint that queries events."""

    def __init__(self, schema: type[SourcesSchema]) -> None:
        self._reader = Reader(schema)

    def read(self, query_request: QueryRequest) -> dict[str, Any]:
        """The parameters by the schema's attribute names. `sources` is always there, of type `Sources`.

        Raises:
            Problem: 400 or 422 with all errors in it.
        """
        given = self._reader.read(query_request.query_string)
        return {**given, "sources": select_sources(given.get("sources"), query_request.allowed_sources)}


def query_request_of(environ: "WSGIEnvironment") -> QueryRequest:
    """The QueryRequest of a request that the guard has admitted."""
    return QueryRequest(environ.get("QUERY_STRING", ""), environ[ALLOWED_SOURCES], client_of(environ))


def sources_for_digest(sources: Sources) -> list[list[str]]:
    """What the sources add to a cursor's digest: nothing where there is no restriction."""
    return [] if sources is None else [list(sources)]


def select_sources(requested: list[str] | None, allowed: frozenset[str] | None) -> Sources:
    """The requested sources that may be seen. One that may not be seen is left out, like one that doesn't exist."""
    if requested is None:
        return None if allowed is None else tuple(sorted(allowed))
    return tuple(sorted(set(requested) if allowed is None else allowed.intersection(requested)))
