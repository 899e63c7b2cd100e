"""An event of PostHog's as one of ours. docs/clients/posthog.md has the same mapping as a table."""

from typing import Any

from event_tracker.collector.parsing.enrichment import PAGE_VIEW
from event_tracker.collector.protocols.json_members import (
    Members,
    is_empty,
    read_id,
    read_object,
    read_text,
    write_event,
)
from event_tracker.collector.protocols.mapping import make_page_properties, name_client, require_time
from event_tracker.collector.protocols.protocol import Describe, Mapped
from event_tracker.core.secrets.keys import prefix_of

EVENT_TYPES = {
    "$pageview": PAGE_VIEW,
    "$screen": "screen_view",
    "$identify": "identify",
    "$set": "identify",
    "$create_alias": "alias",
    "$groupidentify": "group",
}
"""Events of PostHog's own → event types. Others keep their names."""

NOT_STORED = {"$raw_user_agent", "$user_agent", "$ip"}
"""Properties that tell about a visitor's machine: they are read, and not stored."""

REVERSED_ALIASES = frozenset({"posthog-python"})
"""Clients whose `alias` has the id from before as `distinct_id`. PostHog merges the two whichever way it is."""

FIELDS = {
    "/user_id": "/distinct_id",
    "/event_type": "/event",
    "/event_id": "/uuid",
    "/session_id": "/properties/$session_id",
    "/properties/previous_id": "/properties/alias",
    "/properties/anonymous_id": "/properties/$anon_distinct_id",
}
"""Pointers in an event → pointers in its message."""


def map_message(members: Members, place: str, describe: Describe) -> Mapped | None:
    """The event of a message; None if it describes a group and is of nobody."""
    name = read_text(members.get("event")) or ""
    own = {} if is_empty(members.get("properties")) else read_object(members["properties"])
    message = Message(name, members, own or {})
    if message.is_of_nobody():
        return None
    event_type = EVENT_TYPES.get(name)
    event_id = read_id(members.get("uuid"))
    timestamp = None if is_empty(members.get("timestamp")) else members["timestamp"]
    properties: Any = members.get("properties")  # if they are no object, the parser says so
    if own is not None:
        describe(read_text(own.get("$raw_user_agent")) or read_text(own.get("$user_agent")), read_text(own.get("$ip")))
        properties = message.properties(event_type)
    event = {
        "user_id": message.user_id,
        "event_type": event_type or (None if is_empty(members.get("event")) else members["event"]),
        "timestamp": timestamp,
        "event_id": event_id,
        "session_id": read_id(message.own.get("$session_id")),
        "properties": properties,
    }
    client = name_client(message.own, "$lib", "$lib_version")
    return Mapped(write_event(event), place, message.fields, require_time(timestamp, event_id, "uuid"), client)


class Message:
    """A message that is being mapped.

    Attributes:
        own: its properties.
        fields: where the fields of its event are in it.
        user_id: whose event it is; None if it doesn't say.
        previous_id: of an alias, the id from before.
    """

    def __init__(self, name: str, members: Members, own: Members) -> None:
        self._name, self._members, self.own = name, members, own
        self.fields = dict(FIELDS)
        user_id = read_id(members.get("distinct_id"))
        self.user_id = read_id(own.get("distinct_id")) if user_id is None else user_id
        self.previous_id = read_id(own.get("alias")) if name == "$create_alias" else None
        if self.previous_id is not None and read_text(own.get("$lib")) in REVERSED_ALIASES:
            self.user_id, self.previous_id = self.previous_id, self.user_id
            self.fields |= {"/user_id": "/properties/alias", "/properties/previous_id": "/distinct_id"}

    def is_of_nobody(self) -> bool:
        """Whether it describes a group, and has the group in the place of a person, who would be counted as a user."""
        if self._name != "$groupidentify":
            return False
        return bool(self.user_id == f"${read_text(self.own.get('$group_type'))}_{read_id(self.own.get('$group_key'))}")

    def properties(self, event_type: str | None) -> dict[str, Any]:
        """The sender's properties, and what a page, a person or a group is by our names."""
        own = {name: value for name, value in self.own.items() if name not in NOT_STORED}
        if prefix_of(read_text(own.get("token")) or ""):
            del own["token"]  # the write key, of a client that has it there
        found = {name: value for name, value in self._named(event_type).items() if value is not None}
        if event_type == "identify":
            own.pop("$set", None)  # it is in the traits
        return {**self._of_page(event_type), **own, **found}

    def _of_page(self, event_type: str | None) -> dict[str, Any]:
        if event_type == "screen_view" and not is_empty(self.own.get("$screen_name")):
            return {"name": self.own["$screen_name"]}
        if event_type == PAGE_VIEW:
            return make_page_properties(
                *(read_text(self.own.get(name)) for name in ("$current_url", "$pathname", "$referrer"))
            )
        return {}

    def _named(self, event_type: str | None) -> dict[str, Any]:
        own = self.own
        is_outside = not is_empty(self._members.get("$set"))
        person = (self._members if is_outside else own).get("$set")
        match event_type:
            case "identify":
                self.fields["/properties/traits"] = "/$set" if is_outside else "/properties/$set"
                return {"traits": person, "anonymous_id": read_id(own.get("$anon_distinct_id"))}
            case "alias":
                return {"previous_id": self.previous_id}
            case "group":
                self.fields["/properties/traits"] = "/properties/$group_set"
                group_id = read_id(own.get("$group_key"))
                return {"group_id": group_id, "group_type": own.get("$group_type"), "traits": own.get("$group_set")}
            case _:
                return {"$set": person}
