"""JSON Schemas of the responses under /admin."""

from typing import Any

from event_tracker.model.event_schemas import MODES
from event_tracker.query.admin.management import ACTIONS
from event_tracker.query.auth.principal import ROLES, SCOPES

TEXT = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}
TIME = {"type": "string", "format": "date-time"}
MAYBE_TIME = {"type": ["string", "null"], "format": "date-time"}
FLAG = {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}
MAYBE_TEXTS = {"type": ["array", "null"], "items": TEXT}


def _object(members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(members), "properties": members, "additionalProperties": False}


SOURCE = _object(
    {
        "name": TEXT,
        "allowed_origins": TEXTS,
        "enabled": FLAG,
        "rate_limit": {"type": ["integer", "null"]},
        "schema_mode": {"type": "string", "enum": list(MODES)},
        "keep": {"type": ["integer", "null"]},
        "created_at": TIME,
        "keys": {"type": "integer", "description": "How many keys count."},
        "last_used": MAYBE_TIME,
    }
)
REJECTION = _object(
    {
        "id": TEXT,
        "source": TEXT,
        "received_at": TIME,
        "reason": TEXT,
        "detail": {"type": "array", "items": {"type": "object"}},
        "event_type": MAYBE_TEXT,
        "user_id": MAYBE_TEXT,
        "payload": {"type": "string", "description": "As it was sent."},
        "is_whole": {**FLAG, "description": "false: the payload was cut off, and can't be tried again."},
        "replay_requested_at": MAYBE_TIME,
    }
)
REJECTION_COUNT = _object(
    {
        "source": TEXT,
        "event_type": MAYBE_TEXT,
        "reason": TEXT,
        "events": {"type": "integer"},
        "waiting": {"type": "integer", "description": "How many of them are about to be tried again."},
        "first": TIME,
        "last": TIME,
    }
)
SCHEMA = {
    "type": "object",
    "required": ["source", "event_type", "version", "created_at"],
    "properties": {
        "source": TEXT,
        "mode": TEXT,
        "event_type": TEXT,
        "version": {"type": "integer"},
        "created_at": TIME,
        "set_aside_until": {
            **MAYBE_TIME,
            "description": "Until when a collector has set this version aside, since its checks took too long, or had at last; "
            "null: none ever did. Where no `event_type` was asked for.",
        },
        "schema": {"type": "object"},
    },
    "additionalProperties": False,
}
KEY = _object({"prefix": TEXT, "source": TEXT, "created_at": TIME, "last_used": MAYBE_TIME, "revoked_at": MAYBE_TIME})
SCOPE_LIST = {"type": "array", "items": {"type": "string", "enum": list(SCOPES)}}
TOKEN = _object(
    {
        "prefix": TEXT,
        "name": TEXT,
        "scopes": SCOPE_LIST,
        "sources": MAYBE_TEXTS,
        "created_at": TIME,
        "expires_at": MAYBE_TIME,
        "last_used": MAYBE_TIME,
        "revoked_at": MAYBE_TIME,
        "made_by": {**MAYBE_TEXT, "description": "The name of the admin, or the prefix of the token, that made it."},
        "counts": {
            **FLAG,
            "description": "false: it, or what made it, was revoked or has expired, or its maker may not hand it out any more.",
        },
    }
)
PERSON = _object(
    {
        "name": TEXT,
        "role": {"type": "string", "enum": sorted(ROLES)},
        "sources": MAYBE_TEXTS,
        "enabled": FLAG,
        "created_at": TIME,
        "has_password": FLAG,
        "one_time": {**FLAG, "description": "The password is for one sign-in."},
        "by_provider": {**FLAG, "description": "They sign in by a provider, and have no password here."},
        "last_seen": MAYBE_TIME,
    }
)
CHANGE = {
    "action": {"type": "string", "description": "; ".join(f"{word}: {says}" for word, says in ACTIONS.items())},
    "target": {"type": "string", "description": "The name, or a key's or token's prefix."},
    "source": MAYBE_TEXT,
    "detail": {"type": "object", "description": "By member, what it is, or `from` what it was changed `to` what."},
}
ENTRY = _object({"id": {"type": "integer"}, "at": TIME, "actor": TEXT, **CHANGE})

RESPONSES: dict[str, dict[str, Any]] = {
    "Source": SOURCE,
    "SchemaVersion": _object({"version": {"type": "integer"}, "is_new": FLAG}),
    "SchemaProposal": _object({"event_type": TEXT, "events": {"type": "integer"}, "schema": {"type": "object"}}),
    "Replaying": _object({"events": {"type": "integer"}}),
    "NewWriteKey": _object({"prefix": TEXT, "source": TEXT, "key": TEXT}),
    "NewToken": _object(
        {
            "prefix": TEXT,
            "name": TEXT,
            "scopes": SCOPE_LIST,
            "sources": MAYBE_TEXTS,
            "days": {"type": ["integer", "null"]},
            "expires_at": MAYBE_TIME,
            "token": TEXT,
        }
    ),
    "ListedPerson": PERSON,
    "OneTimePassword": _object({"name": TEXT, "password": TEXT, "one_time": FLAG}),
    "Applied": _object({"applied": FLAG, "changes": {"type": "array", "items": _object(CHANGE)}}),
} | {
    f"{name}List": _object({"items": {"type": "array", "items": item}})
    for name, item in {
        "Source": SOURCE,
        "Schema": SCHEMA,
        "Rejection": REJECTION,
        "RejectionCount": REJECTION_COUNT,
        "WriteKey": KEY,
        "Token": TOKEN,
        "Person": PERSON,
        "Audit": ENTRY,
    }.items()
}
