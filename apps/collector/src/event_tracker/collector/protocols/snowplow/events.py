"""An event of Snowplow's as one of ours. docs/clients/snowplow.md has the same mapping as a table.

All its values are texts: numbers in digits, and the data of an event as JSON, in Base64 if the tracker is told so.
"""

import base64
import re
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

NAMESPACE = uuid_utils.UUID("3de8820c-391f-54e5-a89d-fcc3ee21ef85")
"""UUIDv5 of `urn:event-tracker:snowplow` as a URL. Never change it: resent events would get other ids, and be stored again."""

STRUCTURED = "se"
SELF_DESCRIBING = "ue"

EVENT_TYPES = {
    "pv": PAGE_VIEW,
    "pp": "page_ping",
    "tr": "transaction",
    "ti": "transaction_item",
    STRUCTURED: None,
    SELF_DESCRIBING: None,
}
"""Kinds of events → event types. Of structured events it is the action, of self-describing ones the name in their schema."""

STRUCTURE = {"se_ca": "category", "se_la": "label", "se_pr": "property", "se_va": "value"}

OWN_PREFIXES = {"pp": "pp_", "tr": "tr_", "ti": "ti_"}
"""How the names of members begin that are properties of a kind of events."""

NUMBERS = frozenset({"se_va", "pp_mix", "pp_max", "pp_miy", "pp_may", "tr_tt", "tr_tx", "tr_sh", "ti_pr", "ti_qu"})
"""Members that are numbers in our events."""

JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,99})?(?:[eE][+-]?[0-9]{1,9})?")

SCHEMA = re.compile(r"iglu:[^/]+/(?P<name>[^/]+)/")

HANDLED = frozenset({"e", "eid", "dtm", "ttm", "stm", "uid", "duid", "sid", "url", "page", "refr", "ue_pr", "ue_px", "co", "cx", "ip", "ua",
                  "tv", "se_ac", *STRUCTURE})  # fmt: skip
"""Members that aren't copied to the property `context`: they are mapped elsewhere, or not stored. `ip` and `ua` are only read; `stm`
differs at each try."""

FIELDS = {"/event_id": "/eid", "/session_id": "/sid", "/properties/anonymous_id": "/duid", "/properties/title": "/page",
          "/properties/context": "", **{f"/properties/{name}": f"/{member}" for member, name in STRUCTURE.items()}}  # fmt: skip
"""Pointers in an event → pointers in its message, that are the same for all."""


class UnreadableDataError(Exception):
    """A member isn't what a tracker sends.

    Attributes:
        finding: what is wrong.
    """

    def __init__(self, place: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.finding: Finding = (place, code, detail)


class Described(NamedTuple):
    """A value and its schema, as Snowplow encloses data.

    Attributes:
        place: JSON Pointer to the value.
    """

    schema: str
    data: msgspec.Raw | None
    place: str


def map_event(members: Members, place: str, describe: Describe) -> Mapped:
    """The event of a message, or why there is none."""
    describe(read_text(members.get("ua")), read_text(members.get("ip")))
    client = name_client({"name": msgspec.Raw(b'"snowplow"'), "tv": members.get("tv")}, "name", "tv")
    try:
        return _map(members, place, client)
    except UnreadableDataError as error:
        return Mapped(msgspec.json.encode(members), place, {}, [error.finding], client)


def _map(members: Members, place: str, client: str | None) -> Mapped:
    kind = read_text(members.get("e"))
    if kind not in EVENT_TYPES:
        code = "unknown_type" if kind else "required"
        raise UnreadableDataError("/e", code, f"Must be one of {', '.join(EVENT_TYPES)}.")
    user_id, domain_user_id = read_id(members.get("uid")), read_id(members.get("duid"))
    uses_user_id = user_id is not None or domain_user_id is None
    clock = "ttm" if not is_empty(members.get("ttm")) else "dtm"
    fields = {
        **FIELDS,
        "/user_id": "/uid" if uses_user_id else "/duid",
        "/timestamp": f"/{clock}",
        "/event_type": "/se_ac",
    }
    described = read_described(members, "ue_pr", "ue_px") if kind == SELF_DESCRIBING else None
    if described:
        fields |= {"/properties": described.place, "/event_type": described.place.removesuffix("/data") + "/schema"}
    event_id = make_event_id(read_id(members.get("eid")), NAMESPACE)
    timestamp = read_epoch(members.get(clock))
    properties = _read_properties(members, kind, described, fields)
    if domain_user_id not in (None, user_id) and uses_user_id:
        properties.setdefault("anonymous_id", domain_user_id)
    event = {
        "user_id": user_id if uses_user_id else domain_user_id,
        "event_type": _name_type(members, kind, described),
        "timestamp": timestamp,
        "event_id": event_id,
        "session_id": read_id(members.get("sid")),
        "properties": properties,
    }
    if timestamp is None and not is_empty(members.get(clock)):
        findings = [(f"/{clock}", "invalid_timestamp", f"`{clock}` must be milliseconds since 1970.")]
    else:
        findings = require_time(timestamp, event_id, "eid", "/dtm")
    return Mapped(write_event(event), place, fields, findings, client)


def _name_type(members: Members, kind: str, described: Described | None) -> Any:
    if described:
        found = SCHEMA.match(described.schema)
        if not found:
            place = described.place.removesuffix("/data") + "/schema"
            raise UnreadableDataError(place, "wrong_type", "Must be iglu:VENDOR/NAME/FORMAT/VERSION.")
        return found["name"]
    if kind == STRUCTURED:
        return None if is_empty(members.get("se_ac")) else members["se_ac"]
    return EVENT_TYPES[kind]


def _read_properties(
    members: Members, kind: str, described: Described | None, fields: dict[str, str]
) -> dict[str, Any]:
    """The event's properties: those of its page, over them those of its own data; then `entities` and `context`."""
    own: dict[str, Any] = {}
    context = {name: value for name, value in members.items() if name not in HANDLED and not is_empty(value)}
    if described:
        context["schema"] = msgspec.Raw(msgspec.json.encode(described.schema))
        data = read_object(described.data)
        own = {"data": described.data} if data is None else dict(data)
        if data is None:
            fields["/properties/data"] = described.place
    elif kind == STRUCTURED:
        own = {
            STRUCTURE[name]: _as_number(name, members[name]) for name in STRUCTURE if not is_empty(members.get(name))
        }
    elif prefix := OWN_PREFIXES.get(kind):
        own = {name: _as_number(name, context.pop(name)) for name in list(context) if name.startswith(prefix)}
        fields |= {f"/properties/{name}": f"/{name}" for name in own}
    page = make_page_properties(read_text(members.get("url")), None, read_text(members.get("refr")))
    if not is_empty(members.get("page")):
        page["title"] = members["page"]
    found = {**page, **{name: value for name, value in own.items() if value is not None}}
    if not (is_empty(members.get("co")) and is_empty(members.get("cx"))):
        entities = read_described(members, "co", "cx")
        fields["/properties/entities"] = entities.place
        found["entities"] = entities.data
    return {**found, "context": context} if context else found


def read_described(members: Members, plain: str, encoded: str) -> Described:
    """The data of a member that has it as JSON, or of one that has that in Base64; with the schema of the data.

    The data of an event is enclosed twice: outside is a schema that all self-describing events share. The inner data and its schema are
    returned.

    Raises:
        UnreadableDataError: if it isn't there, or isn't that.
    """
    name = plain if not is_empty(members.get(plain)) else encoded
    text = read_text(members.get(name))
    if text is None:
        code = "required" if is_empty(members.get(name)) else "wrong_type"
        raise UnreadableDataError(f"/{name}", code, f"`{plain}` must be a text: JSON; or `{encoded}`, JSON in Base64.")
    try:
        sent = text.encode() if name == plain else base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError as error:
        raise UnreadableDataError(f"/{name}", "invalid_json", f"Isn't Base64: {error}.") from None
    outer = read_object(msgspec.Raw(sent))
    if outer is None:
        raise UnreadableDataError(f"/{name}", "invalid_json", "Isn't the JSON of an object.")
    place = f"/{name}/data"
    if plain == "co":
        return Described(read_text(outer.get("schema")) or "", outer.get("data"), place)
    inner = read_object(outer.get("data"))
    if inner is None:
        raise UnreadableDataError(place, "wrong_type", "Must be an object with `schema` and `data`.")
    return Described(read_text(inner.get("schema")) or "", inner.get("data"), f"{place}/data")


def _as_number(name: str, value: msgspec.Raw) -> msgspec.Raw:
    """The value of a member that is a number, written as one, digit for digit; any other as it is."""
    text = read_text(value) if name in NUMBERS else None
    return msgspec.Raw(text.encode()) if text and JSON_NUMBER.fullmatch(text) else value
