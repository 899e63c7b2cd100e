"""Routes under /admin/people: the staff, who may sign in, with which role. Only unrestricted admins may use them."""

import gevent
from marshmallow import fields

from event_tracker.core.http.errors import Problem
from event_tracker.core.secrets.passwords import hash_password, make_password
from event_tracker.query.admin.access.source_restriction import check_sources, source_restriction
from event_tracker.query.admin.access.token_makers import record_token_changes
from event_tracker.query.admin.management import Management, Row, Transaction, not_found
from event_tracker.query.admin.sources.sources import find_differences
from event_tracker.query.auth.calls import Call
from event_tracker.query.auth.principal import ROLES, require_all_sources
from event_tracker.query.auth.staff import NAME
from event_tracker.query.parameter_types import OneOf
from event_tracker.query.request_body import BodySchema

NEW_PERSON: Row = {"role": "viewer", "sources": None, "enabled": True}


class PersonSettings(BodySchema):
    """Body of PUT /admin/people/{name}: what isn't given stays as it is; a new person is a viewer of all sources."""

    role = fields.String(validate=OneOf(ROLES), metadata={"description": "What they may do."})
    sources = source_restriction("Whose events they may see; null is all.")
    enabled = fields.Boolean(truthy={True}, falsy={False}, metadata={"description": "Whether they may sign in."})


def list_people(management: Management, call: Call) -> Row:
    require_all_sources(call.principal)
    return {"items": management.execute("list_people", name=None)}


def get_person(management: Management, call: Call, name: str) -> Row:
    require_all_sources(call.principal)
    return _one(management, name)


def put_person(management: Management, call: Call, name: str) -> tuple[Row, int]:
    require_all_sources(call.principal)
    given = call.body()
    is_new, _ = management.change(call.principal, lambda transaction: _put(transaction, name, given))
    return _one(management, name), 201 if is_new else 200


def reset_password(management: Management, call: Call, name: str) -> Row:
    require_all_sources(call.principal)
    _one(management, name)
    password = make_password()
    stored = gevent.get_hub().threadpool.apply(hash_password, (password,))
    management.change(call.principal, lambda transaction: _reset(transaction, name, stored))
    return {"name": name, "password": password, "one_time": True}


def _put(transaction: Transaction, name: str, given: Row) -> bool:
    if not NAME.fullmatch(name):
        raise not_found()
    transaction.execute("lock_people")
    found = transaction.execute("find_person", name=name)
    before = found[0] if found else None
    after = {**(before or NEW_PERSON), **given}
    if after == before:
        return False
    after["sources"] = check_sources(transaction, after["sources"])
    with record_token_changes(transaction):
        transaction.execute("put_person", name=name, **after)
    if before is None:
        transaction.record("person_created", name, **after)
        return True
    if _is_full_admin(before) and not transaction.execute("has_admin")[0]["has_admin"]:
        raise Problem(409, "last_admin", "Nobody would be left who may change everything. Make another admin first.")
    if not after["enabled"]:
        transaction.execute("end_sign_ins", name=name)
    transaction.record("person_changed", name, **find_differences(before, after))
    return False


def _is_full_admin(person: Row) -> bool:
    return person["role"] == "admin" and person["sources"] is None and bool(person["enabled"])


def _reset(transaction: Transaction, name: str, stored: str) -> None:
    if not transaction.execute("reset_password", name=name, password_hash=stored):
        raise Problem(409, "by_provider", "This person signs in by a provider, and has no password here.")
    transaction.execute("end_sign_ins", name=name)
    transaction.record("password_reset", name)


def _one(management: Management, name: str) -> Row:
    found = management.execute("list_people", name=name) if NAME.fullmatch(name) else []
    if not found:
        raise not_found()
    return found[0]
