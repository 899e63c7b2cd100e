"""A CloudEvent as an event. docs/clients/cloudevents.md has the same mapping as a table.

`source` and `id` together are what CloudEvents calls the same event, so the id is made of both. Times are cut to milliseconds: the
JavaScript SDK keeps no more when it passes an event on, and the event that it got and the one that it sends must be one.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import uuid_utils

from event_tracker.collector.parsing.batch import Raw
from event_tracker.collector.parsing.parser import EPOCH
from event_tracker.collector.parsing.validation_errors import Finding
from event_tracker.collector.protocols.json_members import (
    Members,
    is_empty,
    read_id,
    read_object,
    read_text,
    write_event,
)
from event_tracker.collector.protocols.mapping import open_message
from event_tracker.collector.protocols.protocol import MAX_ADDED_BYTES, Mapped

NAMESPACE = uuid_utils.UUID("fdfd5472-eb79-5e2f-8c66-24be8369161f")
"""UUIDv5 of `urn:event-tracker:cloudevents` as a URL. Never change it: resent events would get other ids, and be stored again."""

VERSION = "1.0"

TEXTS = ("specversion", "id", "source")
"""Attributes that must be texts, before an event is made of them."""

REQUIRED = ("required", "A CloudEvent must have this attribute.")
"""The code and the detail of an attribute that is missing."""

NOT_EXTENSIONS = frozenset(
    {"specversion", "id", "type", "time", "datacontenttype", "data", "data_base64"}  # of CloudEvents
    | {"userid", "sessionid"}  # fields of the event
    | {"traceparent", "tracestate"}  # of the request that an event was made in
)
"""Members that are no property of their own."""

FIELDS = {
    "/event_id": "/id",
    "/event_type": "/type",
    "/timestamp": "/time",
    "/session_id": "/sessionid",
    "/properties": "/data",
}
"""Pointers in an event → pointers in its CloudEvent, that are the same for all."""

TOO_PRECISE = re.compile(r"\.[0-9]{3}([0-9]+)")

NULL = b"null"


def map_sent(sent: Raw, place: str, max_data_bytes: int) -> Mapped:
    """The event of a CloudEvent in JSON, or why there is none.

    Args:
        max_data_bytes: most bytes of `data`; its attributes may have MAX_ADDED_BYTES.
    """
    members = open_message(sent, place, max_data_bytes + MAX_ADDED_BYTES)
    return members if isinstance(members, Mapped) else map_members(members, place, max_data_bytes)


def map_members(members: Members, place: str, max_data_bytes: int) -> Mapped:
    """The same of its members: its attributes, and `data`."""
    texts = {name: read_text(members.get(name)) for name in TEXTS}
    timestamp = _read_time(members, texts["id"])
    findings = _check(members, texts, max_data_bytes)
    if timestamp is None:
        detail = "A CloudEvent needs a time, or a UUIDv7 as id: without, each resend would get a new time and be stored again."
        findings.append(("/time", "timestamp_required", detail))
    if findings:
        return Mapped(write_event(members), place, {}, findings)
    data = members.get("data")
    own = read_object(data)
    user_id, user_place = _find_user(members, own or {})
    fields = {**FIELDS, "/user_id": user_place}
    properties: dict[str, Any] = {}
    if own is not None:
        properties.update(own)
    else:
        fields["/properties/data"] = "/data"
        if not is_absent(data):
            properties["data"] = data
    for name, value in members.items():
        if name not in NOT_EXTENSIONS and not is_empty(value):
            properties[f"ce_{name}"] = value
            fields[f"/properties/ce_{name}"] = f"/{name}"
    event = {
        "user_id": user_id,
        "event_type": members["type"],
        "timestamp": timestamp,
        "event_id": str(uuid_utils.uuid5(NAMESPACE, f"{texts['source']}\n{texts['id']}")),
        "session_id": read_id(members.get("sessionid")),
        "properties": properties,
    }
    return Mapped(write_event(event), place, fields)


def is_absent(value: msgspec.Raw | None) -> bool:
    """Whether a value is missing or null."""
    return value is None or bytes(value) == NULL


def _check(members: Members, texts: Mapping[str, str | None], max_data_bytes: int) -> list[Finding]:
    """What is wrong with a CloudEvent that an event couldn't show.

    Args:
        texts: the members of TEXTS.
    """
    found: list[Finding] = []
    for name, text in texts.items():
        if text:
            continue
        if is_empty(members.get(name)):
            found.append((f"/{name}", *REQUIRED))
        else:
            found.append((f"/{name}", "wrong_type", "Must be a string."))
    if is_empty(members.get("type")):
        found.append(("/type", *REQUIRED))
    version = texts["specversion"]
    if version and version != VERSION:
        found.append(("/specversion", "unsupported_version", f"Must be {VERSION}."))
    if not is_absent(members.get("data_base64")):
        found.append(("/data_base64", "not_storable", "Data must be JSON or text; binary data isn't stored."))
    size = len(members.get("data", b""))
    if size > max_data_bytes:
        found.append(("/data", "event_too_large", f"Data may have {max_data_bytes} bytes; these are {size}."))
    return found


def _read_time(members: Members, event_id: str | None) -> Any:
    """When it happened: its time, cut to milliseconds, else the time in a UUIDv7; None if there is neither."""
    time = members.get("time")
    text = read_text(time)
    if text:
        found = TOO_PRECISE.search(text)
        return text[: found.start(1)] + text[found.end() :] if found else text
    if not is_empty(time):
        return time
    try:
        made = UUID(event_id or "")
        if made.version == 7:
            return (EPOCH + timedelta(milliseconds=made.int >> 80)).isoformat()
    except (ValueError, OverflowError):
        pass
    return None


def _find_user(members: Members, data: Members) -> tuple[Any, str]:
    """Whose event it is, and where that stands. CloudEvents have no word for it; the source is a service, not a person."""
    for container, name, place in (
        (members, "userid", "/userid"),
        (data, "user_id", "/data/user_id"),
        (data, "userId", "/data/userId"),
        (members, "subject", "/subject"),
    ):
        found = read_id(container.get(name))
        if found is not None:
            return found, place
    return None, "/userid"
