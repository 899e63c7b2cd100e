"""An event of Mixpanel's as one of ours. docs/clients/mixpanel.md has the same mapping as a table."""

from typing import Any, NamedTuple

import msgspec
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

NAMESPACE = uuid_utils.UUID("de1b63f5-527f-5600-82ed-4dea3ed7d09a")
"""UUIDv5 of `urn:event-tracker:mixpanel` as a URL. Never change it: resent events would get other ids, and be stored again."""

EVENT_TYPES = {"$mp_web_page_view": PAGE_VIEW, "$identify": "identify", "$create_alias": "alias"}
"""Events of Mixpanel's own → event types. Others keep their names."""

DEVICE = "$device:"
"""How a `distinct_id` begins that is the id of a device."""

HANDLED = frozenset({"token", "distinct_id", "time", "$insert_id", "ip", "$ip"})
"""Properties that aren't copied to ours: they are mapped elsewhere, or not stored."""

LIBRARY = ("mp_lib", "$lib_version")
"""Properties that name the program that made a message."""

FIELDS = {
    "/event_type": "/event",
    "/event_id": "/properties/$insert_id",
    "/timestamp": "/properties/time",
}
"""Pointers in an event → pointers in its message, that are the same for all."""


class IdProperties(NamedTuple):
    """The names of the properties that have the ids of an event's user.

    Attributes:
        user: the property that has the user's id; of several, the first that is there.
        alias: the same of another id of theirs.
        alias_name: the name of that in our properties.
    """

    user: tuple[str, ...]
    alias: tuple[str, ...]
    alias_name: str = "anonymous_id"


ID_PROPERTIES = {
    "identify": IdProperties(("$identified_id", "distinct_id"), ("$anon_id", "$anon_distinct_id")),
    # A client's `distinct_id` is the id from before.
    "alias": IdProperties(("alias",), ("distinct_id",), "previous_id"),
}
OTHER_ID_PROPERTIES = IdProperties(("distinct_id", "$user_id", "$device_id"), ("$device_id",))


def map_event(members: Members, place: str, describe: Describe) -> Mapped:
    """The event of a message."""
    given = members.get("properties")
    own = {} if is_empty(given) else read_object(given)
    if own is None:
        finding = ("/properties", "wrong_type", "Must be an object.")
        return Mapped(msgspec.json.encode(members), place, {}, [finding])
    event_type = EVENT_TYPES.get(read_text(members.get("event")) or "")
    describe(None, read_text(own.get("ip")) or read_text(own.get("$ip")))
    ids = ID_PROPERTIES.get(event_type or "", OTHER_ID_PROPERTIES)
    user_property, user_id = _find_id(own, ids.user)
    alias_property, alias = _find_id(own, ids.alias)
    event_id = make_event_id(read_id(own.get("$insert_id")), NAMESPACE)
    timestamp = read_epoch(own.get("time"), 1) or read_epoch(own.get("time"))
    properties = {**_of_page(event_type, own), **{name: own[name] for name in own if name not in HANDLED}}
    if alias not in (None, user_id) and (event_type in ID_PROPERTIES or ids.alias_name not in own):
        properties[ids.alias_name] = alias
    event = {
        "user_id": user_id,
        "event_type": event_type or (None if is_empty(members.get("event")) else members["event"]),
        "timestamp": timestamp,
        "event_id": event_id,
        "properties": properties,
    }
    fields = {**FIELDS, "/user_id": user_property, f"/properties/{ids.alias_name}": alias_property}
    library = {name: own.get(name) for name in LIBRARY}
    client = name_client({"name": msgspec.Raw(b'"mixpanel"'), **library}, "name", *LIBRARY)
    return Mapped(write_event(event), place, fields, _check_time(own, timestamp, event_id), client)


def _find_id(own: Members, names: tuple[str, ...]) -> tuple[str, Any]:
    """The first id that is there, with a pointer to it; that of a device without the word for it."""
    for name in names:
        found = read_id(own.get(name))
        if found is not None:
            return f"/properties/{name}", found.removeprefix(DEVICE) if isinstance(found, str) else found
    return f"/properties/{names[0]}", None


def _of_page(event_type: str | None, own: Members) -> dict[str, Any]:
    if event_type != PAGE_VIEW:
        return {}
    return make_page_properties(read_text(own.get("$current_url")), None, read_text(own.get("$referrer")))


def _check_time(own: Members, timestamp: str | None, event_id: Any) -> list[Finding]:
    if timestamp is None and not is_empty(own.get("time")):
        return [
            ("/properties/time", "invalid_timestamp", "`time` must be a number: seconds or milliseconds since 1970.")
        ]
    return require_time(timestamp, event_id, "$insert_id", "/properties/time")
