"""Answers under /admin. Both the JSON and its schema are made from these types."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from event_tracker.model.event_schemas import MODES
from event_tracker.query.admin.management import Action, Change, Detail, Target
from event_tracker.query.answers import Time
from event_tracker.query.auth.principal import ROLES, SCOPES

# Words that are read from the database aren't checked here: a later release may have written others.
Role = Annotated[str, Meta(extra_json_schema={"enum": sorted(ROLES)})]
Scope = Annotated[str, Meta(extra_json_schema={"enum": list(SCOPES)})]
SchemaMode = Annotated[str, Meta(extra_json_schema={"enum": list(MODES)})]


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Source(_Answer):
    name: str
    allowed_origins: list[str]
    enabled: bool
    rate_limit: int | None
    schema_mode: SchemaMode
    keep: int | None
    created_at: Time
    keys: Annotated[int, Meta(description="How many keys count.")]
    last_used: Time | None


class Rejection(_Answer):
    id: UUID
    source: str
    received_at: Time
    reason: str
    detail: list[dict[str, Any]]
    event_type: str | None
    user_id: str | None
    payload: Annotated[str, Meta(description="As it was sent.")]
    is_whole: Annotated[bool, Meta(description="false: the payload was cut off, and can't be tried again.")]
    replay_requested_at: Time | None
    client: Annotated[
        str | None, Meta(description="Name and version of the program that sent it, if it said so; never of a browser.")
    ]


class RejectionCount(_Answer):
    source: str
    event_type: str | None
    reason: str
    events: int
    waiting: Annotated[int, Meta(description="How many of them are about to be tried again.")]
    first: Time
    last: Time


class Link(_Answer):
    source: str
    alias: Annotated[str, Meta(description="An id that the person had before.")]
    person: str
    at: Annotated[Time, Meta(description="Of the earliest event that links the two.")]
    event_id: UUID
    removed_at: Annotated[Time | None, Meta(description="Not null: it was removed, and doesn't count.")]


class ListedSchema(_Answer, kw_only=True):
    source: str
    mode: str | UnsetType = UNSET
    event_type: str
    version: int
    created_at: Time
    set_aside_until: Annotated[
        Time | UnsetType | None,
        Meta(
            description="Until when a collector has set this version aside, since its checks took too long, or had at last; "
            "null: none ever did. Where no `event_type` was asked for."
        ),
    ] = UNSET
    schema: dict[str, Any] | UnsetType = UNSET


class WriteKey(_Answer):
    prefix: str
    source: str
    created_at: Time
    last_used: Time | None
    revoked_at: Time | None


class Token(_Answer):
    prefix: str
    name: str
    scopes: list[Scope]
    sources: list[str] | None
    created_at: Time
    expires_at: Time | None
    last_used: Time | None
    revoked_at: Time | None
    made_by: Annotated[str | None, Meta(description="The name of the admin, or the prefix of the token, that made it.")]
    counts: Annotated[
        bool,
        Meta(
            description="false: it, or what made it, was revoked or has expired, or its maker may not hand it out any more."
        ),
    ]


class ListedPerson(_Answer):
    name: str
    role: Role
    sources: list[str] | None
    enabled: bool
    created_at: Time
    has_password: bool
    one_time: Annotated[bool, Meta(description="The password is for one sign-in.")]
    by_provider: Annotated[bool, Meta(description="They sign in by a provider, and have no password here.")]
    last_seen: Time | None


class AuditEntry(_Answer):
    id: int
    at: Time
    actor: str
    action: Action
    target: Target
    source: str | None
    detail: Detail


class Page(_Answer):
    source: str
    host: Annotated[str, Meta(description="The empty text: every host that has no page of its own with this path.")]
    path: str
    title: str | None
    category: str | None
    changed_at: Time


class PagesChanged(_Answer):
    changed: Annotated[int, Meta(description="Pages that are new, or had another title or category.")]


class SchemaVersion(_Answer):
    version: int
    is_new: bool


class SchemaProposal(_Answer):
    event_type: str
    events: int
    schema: dict[str, Any]


class Replaying(_Answer):
    events: int


class NewWriteKey(_Answer):
    prefix: str
    source: str
    key: str


class NewToken(_Answer):
    prefix: str
    name: str
    scopes: list[Scope]
    sources: list[str] | None
    days: int | None
    expires_at: Time | None
    token: str


class OneTimePassword(_Answer):
    name: str
    password: str
    one_time: bool


class Applied(_Answer):
    applied: bool
    changes: list[Change]


def list_of(name: str, item: type) -> type:
    """The type of an answer with `items`."""
    return msgspec.defstruct(name, [("items", list[item])], forbid_unknown_fields=True)  # type: ignore[valid-type]
