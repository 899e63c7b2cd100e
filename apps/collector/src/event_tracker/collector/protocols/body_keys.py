"""Finds the write key that a body has. It is looked for before anyone is known, so its cost doesn't depend on what else is there."""

import msgspec

from event_tracker.collector.parsing.batch import MARKS, MAX_COMMAS, UNREADABLE, NotJsonError, not_json, split_array
from event_tracker.collector.protocols.json_members import (
    Members,
    is_empty,
    read_body_members,
    read_members,
    read_object,
    read_text,
)
from event_tracker.collector.protocols.protocol import MAX_ADDED_BYTES, unreadable_key

ABSENT = msgspec.Raw(b"null")


class KeyMembers(msgspec.Struct):
    """The members of a body in which its key may be. msgspec passes over all others."""

    writeKey: msgspec.Raw = ABSENT  # noqa: N815
    api_key: msgspec.Raw = ABSENT
    token: msgspec.Raw = ABSENT
    properties: msgspec.Raw = ABSENT


_decode = msgspec.json.Decoder(KeyMembers).decode


def read_key_members(body: bytes) -> Members:
    """The members of a body in which its key may be.

    A body that msgspec doesn't read (NaN, half a surrogate pair) is split as text, but only if it has few parts.

    Raises:
        Problem: 400 if it isn't an object, or isn't JSON and has many parts.
    """
    try:
        found = _decode(body)
    except UNREADABLE as error:
        if sum(body.count(mark) for mark in MARKS) > MAX_COMMAS:
            raise not_json(str(error)) from None
        return read_body_members(body)
    return msgspec.structs.asdict(found)


def read_key(members: Members, name: str) -> str | None:
    """The key in a member; None if it is absent or empty.

    Raises:
        Problem: 401 if it isn't a string.
    """
    value = members.get(name)
    if is_empty(value):
        return None
    key = read_text(value)
    if key is None:
        raise unreadable_key(f"`{name}` isn't a string")
    return key


def find_event_key(members: Members, max_bytes: int) -> str | None:
    """The key of a body or an event: `api_key` or `token`, of itself or of its properties.

    Args:
        max_bytes: how large properties are that are read. A key in them that isn't a string is none.
    """
    if key := read_key(members, "api_key") or read_key(members, "token"):
        return key
    given = members.get("properties")
    own = read_object(given) if given is not None and len(given) <= max_bytes else None
    return (read_text(own.get("api_key")) or read_text(own.get("token")) or None) if own else None


def find_key_of_first(array: bytes, max_bytes: int) -> str | None:
    """The key of the first event of an array, if that isn't larger than an event may be."""
    try:
        first = split_array(array[: max_bytes + MAX_ADDED_BYTES], 0)
        return find_event_key(read_members(first[0]), max_bytes) if first else None
    except NotJsonError:
        return None
