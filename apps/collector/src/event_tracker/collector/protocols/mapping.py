"""What the mappings of several protocols share: reading a message, a page's properties, who made it."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from event_tracker.collector.parsing.batch import NotJsonError, Raw
from event_tracker.collector.parsing.validation_errors import Finding
from event_tracker.collector.protocols.json_members import Members, read_members, read_text
from event_tracker.collector.protocols.protocol import Mapped
from event_tracker.model.storing.keep_rejections import MAX_CLIENT, storable_text

NO_REFERRER = frozenset({"", "$direct"})
"""What clients send for a page that nothing led to."""

CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A UUID with its hyphens. Python's UUID takes other forms, too, which are any text here."""

URL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#]+)(?P<path>/[^?#]*)?", re.IGNORECASE)


def open_message(message: Raw, place: str, max_bytes: int) -> Members | Mapped:
    """The members of a message; or the message as refused, if it is too large or no JSON object."""
    size = len(message)
    if size > max_bytes:
        detail = f"A message may have {max_bytes} bytes; this one has {size}."
        return refuse(message, place, ("", "event_too_large", detail))
    try:
        return read_members(message)
    except NotJsonError as error:
        if bytes(message).startswith(b"{"):
            return refuse(message, place, ("", "invalid_json", f"{error}."))
        return refuse(message, place, ("", "wrong_type", "A message must be a JSON object."))


def refuse(message: Raw, place: str, finding: Finding) -> Mapped:
    """A message of which no event can be made: it is kept as it was sent."""
    return Mapped(bytes(message), place, {}, [finding])


def require_time(timestamp: Any, event_id: Any, id_name: str) -> list[Finding]:
    """What is wrong with a message that says nowhere when it happened."""
    if timestamp is not None or _has_time(event_id):
        return []
    detail = f"A message needs a timestamp, or a UUIDv7 as {id_name}: without, each resend would get a new time and be stored again."
    return [("/timestamp", "timestamp_required", detail)]


def make_page_properties(url: str | None, path: str | None, referrer: str | None) -> dict[str, Any]:
    """The properties that tracker.js has of a page, so that the dashboards know it."""
    found: dict[str, Any] = {}
    parts = URL.match(url or "")
    if path or (parts and parts["path"]):
        found["page"] = path or (parts and parts["path"])
    if parts:
        found["host"] = parts["host"]
    if referrer and referrer not in NO_REFERRER:
        found["referrer"] = referrer.partition("?")[0].partition("#")[0]
    return found


def name_client(members: Mapping[str, Any], *names: str) -> str | None:
    """Name and version of the program that made a message, from the members that have them."""
    words = [text for name in names if (text := read_text(members.get(name)))]
    return storable_text("/".join(words)[:MAX_CLIENT], MAX_CLIENT)


def as_text(value: Any) -> str | None:
    """A property's value if it is a text."""
    return value if isinstance(value, str) else read_text(value)


def _has_time(event_id: Any) -> bool:
    """Whether an id has a time in it."""
    text = as_text(event_id)
    try:
        return text is not None and UUID(text).version == 7
    except ValueError:
        return False
