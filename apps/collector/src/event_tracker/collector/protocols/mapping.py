"""What the mappings of several protocols share: reading a message, a page's properties, who made it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import uuid_utils

from event_tracker.collector.parsing.batch import NotJsonError, Raw, not_json
from event_tracker.collector.parsing.parser import EPOCH
from event_tracker.collector.parsing.validation_errors import Finding
from event_tracker.collector.protocols.json_members import Members, read_elements, read_id, read_members, read_text
from event_tracker.collector.protocols.protocol import Describe, Mapped
from event_tracker.core.http.errors import Problem
from event_tracker.model.storing.keep_rejections import MAX_CLIENT, storable_text

NO_REFERRER = frozenset({"", "$direct"})
"""What clients send for a page that nothing led to."""

CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A UUID with its hyphens. Python's UUID takes other forms, too, which are any text here."""

URL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#]+)(?P<path>/[^?#]*)?", re.IGNORECASE)

END_OF_TIME = 253_402_300_800
"""Seconds from 1970 to the year 10000, where the calendar ends."""

MapMessage = Callable[[Members, str, Describe], Mapped | None]
"""Makes an event of a message's members, which are at a place in the body; None if nothing is to become of it."""


class Messages:
    """The messages of one request, as most protocols have them.

    Args:
        messages: as they were sent.
        prefix: JSON Pointer to their array in the body; None if the body is one message.
    """

    def __init__(self, messages: Sequence[Raw], max_bytes: int, prefix: str | None, map_message: MapMessage) -> None:
        self.count = len(messages)
        self._messages = messages
        self._max_bytes = max_bytes
        self._prefix = prefix
        self._map_message = map_message

    def map(self, describe: Describe) -> Iterator[Mapped]:
        """Each as an event of ours, without those that nothing is to become of."""
        for number, message in enumerate(self._messages):
            place = "" if self._prefix is None else f"{self._prefix}/{number}"
            members = open_message(message, place, self._max_bytes)
            mapped = members if isinstance(members, Mapped) else self._map_message(members, place, describe)
            if mapped:
                yield mapped


def split_messages(text: Raw, most: int) -> list[Raw]:
    """The messages of an array, not read yet.

    Raises:
        Problem: 400 if it isn't an array, 413 if it has more than `most`.
    """
    try:
        messages = read_elements(text, most)
    except NotJsonError as error:
        raise not_json(f"the events must be an array: {error}") from None
    if len(messages) > most:
        raise Problem(413, "too_many_events", f"A request may hold {most} events; this one holds more.")
    return messages


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


def require_time(timestamp: Any, event_id: Any, id_name: str, place: str = "/timestamp") -> list[Finding]:
    """What is wrong with a message that says nowhere when it happened.

    Args:
        place: JSON Pointer to its time.
    """
    if timestamp is not None or _has_time(event_id):
        return []
    detail = f"A message needs a timestamp, or a UUIDv7 as {id_name}: without, each resend would get a new time and be stored again."
    return [(place, "timestamp_required", detail)]


def read_epoch(value: msgspec.Raw | None, per_second: int = 1000) -> str | None:
    """A time that is counted from 1970, as a timestamp of an event, in whole microseconds; None if it is no such number.

    Args:
        value: a number, or a text that is one.
        per_second: units in a second.
    """
    number = read_id(value)
    if not isinstance(number, str):
        return None
    try:
        seconds = Decimal(number) / per_second
        if not -END_OF_TIME < seconds < END_OF_TIME:
            return None
        return (EPOCH + timedelta(microseconds=int((seconds * 1_000_000).to_integral_value()))).isoformat()
    except (ArithmeticError, ValueError):
        return None


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


def make_event_id(message_id: Any, namespace: uuid_utils.UUID) -> Any:
    """The id of a message as that of an event: a UUID as it is, else one that is made of the whole text.

    Args:
        namespace: of the protocol. It never changes: resent messages would get other ids, and be stored again.
    """
    if message_id is None:
        return None
    text = message_id if isinstance(message_id, str) else read_text(message_id)
    if text is None:
        return message_id  # the parser says what is wrong with it
    if CANONICAL_UUID.fullmatch(text):
        return text.lower()
    try:
        return str(uuid_utils.uuid5(namespace, text))
    except UnicodeEncodeError:
        return message_id


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
