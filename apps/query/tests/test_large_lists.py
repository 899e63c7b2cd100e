"""Lists with large items: a page ends at a limit of bytes, and the pages have all items."""

from datetime import UTC, datetime

import pytest

from event_tracker.core.postgres.pool import open_pool
from event_tracker.query.events.store import SESSION_SETTINGS
from event_tracker.query.events.streams import live_tail
from event_tracker.query.events.streams.live_tail import Tail

MIB = 2**20


@pytest.fixture
def admin(guarded, who_sees, shared_owner):
    """A program that may manage everything."""
    session = who_sees()
    shared_owner.execute("truncate audit, rejections")
    shared_owner.execute("update api_tokens set scopes = '{admin}'")
    return session


def pages(admin, url):
    """All pages of a list, those behind the first by the id of the last item before."""
    found, bounds = [], {}
    while True:
        answer = admin.get(url, params={"limit": 1000, **bounds}, timeout=60)
        assert answer.status_code == 200, answer.text
        page = answer.json()["items"]
        found.append((len(answer.content), page))
        if not page:
            return found
        bounds = {"before": page[-1]["id"]}


def require_bounded(found, items):
    """Return if these are all items, newest first, on pages of 8 MiB."""
    assert len(found) > 3, "an empty one ends them"
    assert max(size for size, _ in found) < 9 * MIB
    ids = [one["id"] for _, page in found for one in page]
    assert len(ids) == items
    assert ids == sorted(ids, reverse=True)


def test_a_page_of_refused_events_has_8_mib(guarded, admin, shared_owner):
    shared_owner.execute(
        "insert into rejections (id, source, received_at, reason, detail, payload, is_whole)"
        " select uuidv7(), 'default', now(), 'wrong_type', '[]', convert_to(repeat('x', 65536), 'UTF8'), true"
        " from generate_series(1, 300)"
    )
    require_bounded(pages(admin, f"{guarded.url}/admin/rejections"), 300)


def test_a_page_of_the_audit_log_has_8_mib(guarded, admin, shared_owner):
    shared_owner.execute(
        "insert into audit (actor, action, target, detail)"
        " select 'ann', 'source_changed', 'shop', jsonb_build_object('allowed_origins', repeat('x', 60000))"
        " from generate_series(1, 400)"
    )
    require_bounded(pages(admin, f"{guarded.url}/admin/audit"), 400)


def test_one_item_that_is_larger_is_a_page_of_its_own(guarded, admin, shared_owner):
    shared_owner.execute(
        "insert into audit (actor, action, target, detail)"
        " select 'ann', 'source_changed', 'shop', jsonb_build_object('allowed_origins', repeat('x', 9000000))"
        " from generate_series(1, 3)"
    )
    assert [len(page) for _, page in pages(admin, f"{guarded.url}/admin/audit")] == [1, 1, 1, 0]


def test_live_events_are_read_in_pages_of_so_many_bytes(postgres, database, owner, monkeypatch):
    monkeypatch.setattr(live_tail, "MAX_BYTES", 100_000)
    pool = open_pool(
        postgres.url(database, "query"), name="test", size=2, timeout=60, options=SESSION_SETTINGS, watched=False
    )
    tail = Tail(pool)
    tail.begin()
    owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, properties)"
        " select 'u' || n, %s, gen_random_uuid(), 'x', jsonb_build_object('text', repeat('x', 9000))"
        " from generate_series(1, 95) n",
        [datetime(2026, 3, 1, tzinfo=UTC)],
    )
    pages_read = list(tail.read_new())
    assert max(len(page) for page in pages_read) == 11, "of 9 KB each, in 100 KB"
    user_ids = [event.user_id for page in pages_read for event in page]
    assert sorted(user_ids) == sorted(f"u{n}" for n in range(1, 96))
    assert [event for page in tail.read_new() for event in page] == []
    pool.close()


def ended(prefix, number):
    return f"{prefix}_{number:010d}"


def test_of_the_keys_that_were_revoked_the_last_thousand_are_listed(guarded, admin, shared_owner):
    """An admin of one source may make and revoke any number."""
    shared_owner.execute(
        "insert into write_keys (prefix, source, hash, revoked_at)"
        " select 'wk_' || lpad(n::text, 10, '0'), 'default', sha256(n::text::bytea),"
        " case when n > 0 then now() - make_interval(secs => n) end from generate_series(0, 1500) as n"
    )
    listed = admin.get(f"{guarded.url}/admin/sources/default/keys", timeout=60).json()["items"]
    assert sorted(one["prefix"] for one in listed) == [ended("wk", number) for number in range(1001)]


def test_of_the_tokens_that_have_ended_the_last_thousand_are_listed(guarded, admin, shared_owner):
    own = {one["prefix"] for one in admin.get(f"{guarded.url}/admin/tokens", timeout=60).json()["items"]}
    shared_owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes, revoked_at, expires_at)"
        " select 'rt_' || lpad(n::text, 10, '0'), 'x', sha256(n::text::bytea), '{read_stats}',"
        " case when n % 2 = 0 then now() - make_interval(secs => n) end,"
        " case when n % 2 = 1 then now() - make_interval(secs => n) else now() + interval '1 day' end"
        " from generate_series(1, 1500) as n"
    )
    listed = {one["prefix"] for one in admin.get(f"{guarded.url}/admin/tokens", timeout=60).json()["items"]}
    assert listed == own | {*(ended("rt", number) for number in range(1, 1001))}


def test_a_source_has_so_many_keys_and_no_more(guarded, admin, shared_owner):
    shared_owner.execute(
        "insert into write_keys (prefix, source, hash)"
        " select 'wk_' || lpad(n::text, 10, '0'), 'default', sha256(n::text::bytea) from generate_series(1, 99) as n"
    )
    keys = f"{guarded.url}/admin/sources/default/keys"
    assert admin.post(keys, timeout=60).status_code == 201
    refused = admin.post(keys, timeout=60)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_keys")
    assert admin.delete(f"{guarded.url}/admin/keys/{ended('wk', 1)}", timeout=60).status_code == 204
    assert admin.post(keys, timeout=60).status_code == 201
