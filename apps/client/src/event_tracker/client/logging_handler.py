"""Events from records of Python's logging."""

import logging

from event_tracker.client.client import Client


class EventHandler(logging.Handler):
    """Makes an event of each record that has an attribute `event`, the event's type; other records are ignored.

        logger.info("%s has signed up", name, extra={"event": "sign_up", "user_id": name, "properties": {"plan": "pro"}})

    Without `user_id` it is the user of the context. A record that can't be an event is logging's own error (`handleError`), not the
    program's.
    """

    def __init__(self, client: Client, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._client = client

    def emit(self, record: logging.LogRecord) -> None:
        """Track the record's event, if it has one."""
        event_type = getattr(record, "event", None)
        if event_type is None:
            return
        try:
            self._client.track(
                getattr(record, "user_id", None),
                event_type,
                getattr(record, "properties", None),
                session_id=getattr(record, "session_id", None),
            )
        except Exception:
            self.handleError(record)
