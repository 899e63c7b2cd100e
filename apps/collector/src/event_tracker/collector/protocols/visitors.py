"""What is added to the events of a request, by what each of its messages says of a visitor (the setting ENRICH)."""

from wsgiref.types import WSGIEnvironment

from event_tracker.collector.parsing.enrichment import AddedProperties, Enrichment

NOBODY = (None, None)


class Visitors:
    """The visitors of a request's messages.

    Args:
        environ: whose address and User-Agent count where a message has none and a page sent it.
    """

    def __init__(self, enrichment: Enrichment, environ: WSGIEnvironment) -> None:
        self._enrichment = enrichment
        self._environ = environ
        self._current: tuple[str | None, str | None] = NOBODY
        self._listed: list[tuple[str | None, str | None]] = []
        self._known: dict[tuple[str | None, str | None], AddedProperties] = {}

    def describe(self, user_agent: str | None, address: str | None) -> None:
        """Note what the message that is being mapped says of its visitor."""
        self._current = (user_agent, address)

    def end_message(self) -> None:
        """Go on to the next message."""
        self._listed.append(self._current)
        self._current = NOBODY

    def at(self, index: int) -> AddedProperties:
        """What is added to the event of a message."""
        visitor = self._listed[index]
        if visitor not in self._known:
            self._known[visitor] = self._enrichment.derive_for(self._environ, *visitor)
        return self._known[visitor]
