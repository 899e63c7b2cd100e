"""Finds the write key that a body has. It is looked for before anyone is known, so its cost doesn't depend on what else is there."""

import msgspec

from event_tracker.collector.parsing.batch import MARKS, MAX_COMMAS, UNREADABLE, not_json
from event_tracker.collector.protocols.json_members import Members, is_empty, read_body_members, read_text
from event_tracker.core.http.errors import Problem

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


def unreadable_key(what: str) -> Problem:
    """The problem for a key that can't be read. If it counted as none, its sender's events could be stored for another source."""
    return Problem(401, "invalid_key", f"{what}; a write key is expected there.")
