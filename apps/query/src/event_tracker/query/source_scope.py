"""Whose events a question is about: those of the sources that it names, as far as whoever asks may see them.

Every question about events reads its parameters here, so that none can forget who asks.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from marshmallow import fields

from event_tracker.query.auth.principal import ALLOWED_SOURCES, Root, client_of
from event_tracker.query.parameter_types import MAX_VALUES, AtMost, text
from event_tracker.query.parameters import ParameterSchema, Reader

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Sources = tuple[str, ...] | None
"""Names, sorted; None is all there are, and then statements say nothing of sources."""


class Reading(NamedTuple):
    """A request to read.

    Attributes:
        query: QUERY_STRING of its environ.
        allowed: whose events whoever asks may see; None is all.
        client: in whose turn the question is asked.
    """

    query: str
    allowed: frozenset[str] | None
    client: Root


class SourcesSchema(ParameterSchema):
    """What every question about events takes."""

    sources = fields.List(
        text(1, 100),
        data_key="source",
        validate=AtMost(max=MAX_VALUES),
        metadata={"description": "Only events of this source; repeat it for any of several."},
    )


class SourcesReader:
    """Reads the parameters of one endpoint's questions about events."""

    def __init__(self, schema: type[SourcesSchema]) -> None:
        self._reader = Reader(schema)

    def read(self, reading: Reading) -> dict[str, Any]:
        """The parameters by the schema's attribute names; always with `sources`, which are Sources.

        Raises:
            Problem: 400 or 422 with every mistake in it.
        """
        given = self._reader.read(reading.query)
        return {**given, "sources": visible(given.get("sources"), reading.allowed)}


def reading_of(environ: "WSGIEnvironment") -> Reading:
    """What a request reads, as the guard let it in."""
    return Reading(environ.get("QUERY_STRING", ""), environ[ALLOWED_SOURCES], client_of(environ))


def restriction(sources: Sources) -> list[list[str]]:
    """What cursors are told apart by beside the other filters; nothing where there is no restriction."""
    return [] if sources is None else [list(sources)]


def visible(asked: list[str] | None, allowed: frozenset[str] | None) -> Sources:
    """The sources that are asked about, of those that may be seen; a foreign one is left out like one that isn't there."""
    if asked is None:
        return None if allowed is None else tuple(sorted(allowed))
    return tuple(sorted(set(asked) if allowed is None else allowed.intersection(asked)))
