"""A message of Segment's as an event: its ids, its time, its properties. docs/clients/segment.md has the same mapping as a table.

What identifies an event comes from what every resend has: `messageId`, `timestamp` or `originalTimestamp`, `userId` or `anonymousId`.
`sentAt` is another one each time, so nothing is computed from it (docs/adr/0017-no-sent-at.md).
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import uuid_utils

from event_tracker.collector.parsing.batch import Raw
from event_tracker.collector.parsing.enrichment import PAGE_VIEW
from event_tracker.collector.protocols.json_members import (
    Members,
    is_empty,
    read_id,
    read_object,
    read_text,
    write_event,
)
from event_tracker.collector.protocols.mapping import (
    NO_REFERRER,
    make_event_id,
    make_page_properties,
    name_client,
    open_message,
    refuse,
    require_time,
)
from event_tracker.collector.protocols.protocol import Describe, Mapped

NAMESPACE = uuid_utils.UUID("fbe7874e-77c4-55bd-b984-0d15f01f18d2")
"""UUIDv5 of `urn:event-tracker:segment` as a URL. Never change it: resent messages would get other ids, and be stored again."""

TYPES = {
    "track": None,
    "page": PAGE_VIEW,
    "screen": "screen_view",
    "identify": "identify",
    "group": "group",
    "alias": "alias",
}
"""Types of messages → event types. That of `track` is the message's `event`."""

DROPPED_CONTEXT = frozenset({"ip", "userAgent", "userAgentData", "traits", "page", "campaign"})
"""Members of `context` that aren't stored: what tells about a visitor's machine, and what has properties of its own."""

CONTEXT_OBJECTS = ("page", "campaign")
"""Members of `context` that are read, and often are another one in each message."""

CAMPAIGN = {
    "source": "utm_source",
    "medium": "utm_medium",
    "name": "utm_campaign",
    "term": "utm_term",
    "content": "utm_content",
}

FIELDS = {"/event_type": "/event", "/event_id": "/messageId", "/session_id": "/context/sessionId", "/properties/context": "/context",
          "/properties/group_id": "/groupId", "/properties/previous_id": "/previousId",
          "/properties/anonymous_id": "/anonymousId"}  # fmt: skip
"""Pointers in an event → pointers in its message, that are the same for all."""


class MessageMapper:
    """Maps the messages of one request.

    Args:
        context: what a batch says of all its messages.
        max_bytes: most bytes of a message.
    """

    def __init__(self, describe: Describe, context: Members, max_bytes: int) -> None:
        self._describe = describe
        self._context = context
        self._max_bytes = max_bytes
        # Once, not for each message: what msgspec doesn't read (NaN) is slow.
        self._shared = {name: read_object(context.get(name)) or {} for name in CONTEXT_OBJECTS}
        self._library = b""
        self._client: str | None = None

    def map(self, message: Raw, place: str, message_type: str | None) -> Mapped:
        """The event of a message, or why there is none.

        Args:
            message_type: by the path; None: the message says it.
        """
        members = open_message(message, place, self._max_bytes)
        if isinstance(members, Mapped):
            return members
        kind = message_type or read_text(members.get("type"))
        if kind not in TYPES:
            code = "unknown_type" if kind else "required"
            return refuse(message, place, ("/type", code, f"Must be one of {', '.join(TYPES)}."))
        return self._map(kind, members, place)

    def _map(self, kind: str, members: Members, place: str) -> Mapped:
        context = {**self._context, **(read_object(members.get("context")) or {})}
        # A server speaks for its visitor.
        self._describe(read_text(context.get("userAgent")), read_text(context.get("ip")))
        parts = {
            name: self._shared[name]
            if context.get(name) is self._context.get(name)
            else read_object(context.get(name)) or {}
            for name in CONTEXT_OBJECTS
        }
        message = Message(kind, members, context, parts)
        event_id = make_event_id(read_id(members.get("messageId")), NAMESPACE)
        timestamp = message.timestamp
        own = {} if is_empty(members.get("properties")) else read_object(members["properties"])
        event = {
            "user_id": message.user_id,
            "event_type": TYPES[kind] or (None if is_empty(members.get("event")) else members["event"]),
            "timestamp": timestamp,
            "event_id": event_id,
            "session_id": read_id(context.get("sessionId")),
            # If they are no object, the parser says so.
            "properties": members["properties"] if own is None else message.properties(own),
        }
        findings = require_time(timestamp, event_id, "messageId")
        client = self._name_client(context.get("library"))
        return Mapped(write_event(event), place, message.fields, findings, client)

    def _name_client(self, library: msgspec.Raw | None) -> str | None:
        """The program that made a message. It is read only where it is another one than the message before had."""
        sent = b"" if library is None else bytes(library)
        if sent != self._library:
            self._library = sent
            self._client = name_client(read_object(library) or {}, "name", "version")
        return self._client


class Message:
    """A message that is being mapped.

    Attributes:
        kind: its type.
        members: as they were sent.
        context: its own, over that of the batch.
        parts: the members of CONTEXT_OBJECTS.
        fields: where the fields of its event are in it.
        user_id: whose event it is; None if it doesn't say.
        anonymous_id: the visitor's, if the message has one.
        timestamp: as it was sent; None if there is none.
    """

    def __init__(self, kind: str, members: Members, context: Members, parts: Mapping[str, Members]) -> None:
        self.kind, self.members, self.context, self.parts = kind, members, context, parts
        user_id, self.anonymous_id = read_id(members.get("userId")), read_id(members.get("anonymousId"))
        uses_user_id = user_id is not None or self.anonymous_id is None
        self.user_id = user_id if uses_user_id else self.anonymous_id
        clock = "timestamp" if not is_empty(members.get("timestamp")) else "originalTimestamp"
        self.timestamp = None if is_empty(members.get(clock)) else members[clock]
        self.fields = {**FIELDS, "/user_id": "/userId" if uses_user_id else "/anonymousId", "/timestamp": f"/{clock}"}

    def properties(self, own: Members) -> dict[str, Any]:
        """The sender's properties, and what the message says elsewhere. Of a page and the context, the sender's own stay."""
        properties: dict[str, Any] = {**self._derived(), **own, **self._identities()}
        if read_text(own.get("referrer")) in NO_REFERRER:
            del properties["referrer"]
        is_another = self.anonymous_id not in (None, self.user_id)
        if is_another and (self.kind == "identify" or "anonymous_id" not in own):
            properties["anonymous_id"] = self.anonymous_id
        if self.kind == "page":
            # A server's page message has no page in its context.
            properties = {**_of_page(own), **properties}
        return properties

    def _identities(self) -> dict[str, Any]:
        """What says who is who: `link_of_event` (infra/migrations/0025-links.sql) reads it."""
        match self.kind:
            case "identify":
                # RudderStack's client for Python has the traits in the context.
                place = "/traits" if not is_empty(self.members.get("traits")) else "/context/traits"
                traits = (self.members if place == "/traits" else self.context).get("traits")
                self.fields["/properties/traits"] = place
                found = {"traits": traits}
            case "group":
                found = {"traits": self.members.get("traits"), "group_id": read_id(self.members.get("groupId"))}
            case "alias":
                found = {"previous_id": read_id(self.members.get("previousId"))}
            case _:
                found = {}
        return {name: value for name, value in found.items() if not _says_nothing(value)}

    def _derived(self) -> dict[str, Any]:
        """What the message and its context say of the page and the campaign, as tracker.js names it; and the rest of the context."""
        found: dict[str, Any] = {}
        if self.kind in ("page", "screen"):
            found = {name: self.members[name] for name in ("name", "category") if not is_empty(self.members.get(name))}
            self.fields.update({f"/properties/{name}": f"/{name}" for name in found})
        if page := self.parts["page"]:
            found.update(_of_page(page))
        for name, value in self.parts["campaign"].items():
            if name in CAMPAIGN and not is_empty(value):
                found[CAMPAIGN[name]] = value
        rest = {
            name: value for name, value in self.context.items() if name not in DROPPED_CONTEXT and not is_empty(value)
        }
        if rest:
            found["context"] = rest
        return found


def _of_page(page: Members) -> dict[str, Any]:
    """What `context.page`, or the properties of a page message, say."""
    return make_page_properties(*(read_text(page.get(name)) for name in ("url", "path", "referrer")))


def _says_nothing(value: Any) -> bool:
    return is_empty(value) if value is None or isinstance(value, msgspec.Raw) else False
