"""An event of Amplitude's as one of ours. docs/clients/amplitude.md has the same mapping as a table."""

from typing import Any

import uuid_utils

from event_tracker.collector.parsing.enrichment import PAGE_VIEW
from event_tracker.collector.parsing.validation_errors import Finding
from event_tracker.collector.protocols.json_members import (
    Members,
    is_empty,
    read_id,
    read_object,
    read_text,
    write_event,
)
from event_tracker.collector.protocols.mapping import (
    make_event_id,
    make_page_properties,
    name_client,
    read_epoch,
    require_time,
)
from event_tracker.collector.protocols.protocol import Describe, Mapped

NAMESPACE = uuid_utils.UUID("21fa3fce-072f-5fc0-9da4-2a406462fe25")
"""UUIDv5 of `urn:event-tracker:amplitude` as a URL. Never change it: resent events would get other ids, and be stored again."""

EVENT_TYPES = {
    "$identify": "identify",
    "$groupidentify": "group",
    "[Amplitude] Page Viewed": PAGE_VIEW,
    "[Amplitude] Screen Viewed": "screen_view",
}
"""Events of Amplitude's own → event types. Others keep their names."""

NOT_STORED = {"ip", "user_agent"}
"""Members that tell about a visitor's machine: they are read, and not stored."""

HANDLED = NOT_STORED | {"user_id", "device_id", "event_type", "time", "insert_id", "session_id", "event_properties", "user_properties",
                  "group_properties", "groups", "event_id", "library"}  # fmt: skip
"""Members that aren't copied to the property `context`: they are mapped elsewhere, or not stored."""

NO_SESSION = "-1"
ADDRESS_OF_REQUEST = "$remote"

FIELDS = {
    "/timestamp": "/time",
    "/event_id": "/insert_id",
    "/properties": "/event_properties",
    "/properties/anonymous_id": "/device_id",
    "/properties/user_properties": "/user_properties",
    "/properties/group_properties": "/group_properties",
    "/properties/groups": "/groups",
    "/properties/context": "",
}
"""Pointers in an event → pointers in its message."""


def map_event(members: Members, place: str, describe: Describe) -> Mapped:
    """The event of a message."""
    address = read_text(members.get("ip"))
    describe(read_text(members.get("user_agent")), None if address == ADDRESS_OF_REQUEST else address)
    message = Message(members)
    event_id = make_event_id(read_id(members.get("insert_id")), NAMESPACE)
    timestamp = read_epoch(members.get("time"))
    session_id = read_id(members.get("session_id"))
    own = {} if is_empty(members.get("event_properties")) else read_object(members["event_properties"])
    event = {
        "user_id": message.user_id,
        "event_type": message.event_type or (None if is_empty(members.get("event_type")) else members["event_type"]),
        "timestamp": timestamp,
        "event_id": event_id,
        "session_id": None if session_id == NO_SESSION else session_id,
        # If they are no object, the parser says so.
        "properties": members["event_properties"] if own is None else message.properties(own),
    }
    findings = _check_time(members, timestamp, event_id)
    return Mapped(write_event(event), place, message.fields, findings, name_client(members, "library"))


def _check_time(members: Members, timestamp: str | None, event_id: Any) -> list[Finding]:
    if timestamp is None and not is_empty(members.get("time")):
        return [("/time", "invalid_timestamp", "`time` must be a number: milliseconds since 1970.")]
    return require_time(timestamp, event_id, "insert_id", "/time")


class Message:
    """A message that is being mapped.

    Attributes:
        fields: where the fields of its event are in it.
        user_id: whose event it is; None if it doesn't say.
        event_type: if it is an event of Amplitude's own.
    """

    def __init__(self, members: Members) -> None:
        self._members = members
        self.event_type = EVENT_TYPES.get(read_text(members.get("event_type")) or "")
        user_id, self._device_id = read_id(members.get("user_id")), read_id(members.get("device_id"))
        uses_user_id = user_id is not None or self._device_id is None
        self.user_id = user_id if uses_user_id else self._device_id
        self.fields = {**FIELDS, "/user_id": "/user_id" if uses_user_id else "/device_id"}

    def properties(self, own: Members) -> dict[str, Any]:
        """The sender's properties, and what the message says elsewhere."""
        found: dict[str, Any] = {**self._of_page(own), **own, **self._named()}
        is_another = self._device_id not in (None, self.user_id)
        if is_another and (self.event_type == "identify" or "anonymous_id" not in own):
            found["anonymous_id"] = self._device_id
        rest = {name: value for name, value in self._members.items() if name not in HANDLED and not is_empty(value)}
        return {**found, "context": rest} if rest else found

    def _of_page(self, own: Members) -> dict[str, Any]:
        if self.event_type == "screen_view" and not is_empty(own.get("[Amplitude] Screen Name")):
            return {"name": own["[Amplitude] Screen Name"]}
        if self.event_type == PAGE_VIEW:
            names = ("[Amplitude] Page Location", "[Amplitude] Page Path", "referrer")
            return make_page_properties(*(read_text(own.get(name)) for name in names))
        return {}

    def _named(self) -> dict[str, Any]:
        """What it says of the user, and of groups."""
        match self.event_type:
            case "identify":
                found = {**self._traits("user_properties"), "groups": self._members.get("groups")}
            case "group":
                found = {**self._traits("group_properties"), **self._group()}
            case _:
                found = {name: self._members.get(name) for name in ("user_properties", "groups")}
        return {name: value for name, value in found.items() if isinstance(value, str | dict) or not is_empty(value)}

    def _traits(self, name: str) -> dict[str, Any]:
        """`$set` as traits, other operations as they are; without any operation, all are traits."""
        given = read_object(self._members.get(name))
        if given is None or not any(member.startswith("$") for member in given):
            self.fields["/properties/traits"] = f"/{name}"
            return {"traits": self._members.get(name)}
        self.fields["/properties/traits"] = f"/{name}/$set"
        others = {member: value for member, value in given.items() if member != "$set"}
        return {"traits": given.get("$set"), name: others or None}

    def _group(self) -> dict[str, Any]:
        groups = self._members.get("groups")
        match list((read_object(groups) or {}).items()):
            case [(group_type, value)] if isinstance(group_id := read_id(value), str):
                self.fields["/properties/group_id"] = f"/groups/{group_type}"
                return {"group_type": group_type, "group_id": group_id}
        return {"groups": groups}
