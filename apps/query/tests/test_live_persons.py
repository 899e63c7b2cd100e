"""Live streams read a person's ids again when links have changed, and a person who can't be read costs their own clients alone."""

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest

from event_tracker.core.http.errors import Problem
from event_tracker.core.postgres.pool import open_pool
from event_tracker.query.events.store import SESSION_SETTINGS
from event_tracker.query.events.streams.live import Hub
from event_tracker.query.events.streams.live_tail import Tail


class CountingTail(Tail):
    """Counts how often a person's ids are read. Reading those in `errors` fails."""

    def __init__(self, pool):
        super().__init__(pool)
        self.reads = []
        self.errors = {}

    def read_ids(self, user_id, sources):
        self.reads.append(user_id)
        if user_id in self.errors:
            raise self.errors[user_id]
        return super().read_ids(user_id, sources)


class Client:
    """A client that keeps the users whose events it is offered."""

    def __init__(self, user_id):
        self.live_filter = SimpleNamespace(person=(user_id, None), user_ids=frozenset(), selects=self.selects)
        self.links_version = -1
        self.frames = []
        self.ended = False

    def selects(self, event, _):
        return event.user_id in self.live_filter.user_ids

    def offer(self, frame):
        self.frames.append(frame)

    def end(self):
        self.ended = True


@pytest.fixture
def tail(postgres, shared_database, shared_owner):
    pool = open_pool(
        postgres.url(shared_database, "query"), name="test", size=2, timeout=60, options=SESSION_SETTINGS, watched=False
    )
    yield CountingTail(pool)
    pool.close()


@pytest.fixture
def hub(tail, monkeypatch):
    """Polls when a test says so."""
    monkeypatch.setattr("event_tracker.query.events.streams.live.BackgroundLoop", lambda *_: None)
    return Hub(tail)


@pytest.fixture
def join(hub):
    def join(user_id):
        client = Client(user_id)
        hub.join(client)
        return client

    return join


@pytest.fixture
def link(shared_owner):
    def link(alias, person):
        shared_owner.execute(
            "insert into links (source, alias, person, at, event_id) values ('default', %s, %s, %s, %s)",
            [alias, person, datetime(2026, 3, 1, tzinfo=UTC), UUID(int=1)],
        )

    return link


def test_ids_are_read_when_links_have_changed(hub, tail, join, store, link, shared_owner):
    link("visitor", "ann")
    ann = join("ann")
    store([{"user_id": "visitor"}])
    hub._poll()  # nothing is known of links before the first look
    tail.reads.clear()
    for number in range(1, 4):
        store([{"user_id": "ann"}])
        hub._poll()
        assert (len(ann.frames), tail.reads) == (1 + number, [])
    link("new", "ann")
    store([{"user_id": "new"}])
    hub._poll()
    assert (len(ann.frames), tail.reads) == (5, ["ann"])
    shared_owner.execute("update links set removed_at = now(), changed = pg_current_xact_id() where alias = 'new'")
    store([{"user_id": "new"}])
    hub._poll()
    shared_owner.execute("delete from links where alias = 'visitor'")
    store([{"user_id": "visitor"}])
    hub._poll()
    assert (len(ann.frames), tail.reads) == (5, ["ann"] * 3)


@pytest.mark.parametrize(
    "error",
    [psycopg.errors.QueryCanceled(), psycopg.errors.InternalError_(), Problem(422, "too_many_ids", "")],
    ids=lambda error: type(error).__name__,
)
def test_a_person_who_cannot_be_read_costs_their_clients_alone(hub, tail, join, store, link, error):
    slow, bob = join("slow"), join("bob")
    tail.errors["slow"] = error
    link("visitor", "bob")
    store([{"user_id": "visitor"}, {"user_id": "slow"}])
    hub._poll()
    assert (slow.ended, slow.frames, bob.ended, len(bob.frames)) == (True, [], False, 1)
    tail.reads.clear()
    link("other", "bob")
    store([{"user_id": "other"}])
    hub._poll()
    assert (len(bob.frames), tail.reads) == (2, ["bob"])


def test_who_joins_with_a_slow_person_holds_nobody_up(hub, tail, join):
    bob = join("bob")

    def read_ids(*_):
        assert not hub._lock.locked()
        raise psycopg.errors.QueryCanceled

    tail.read_ids = read_ids
    with pytest.raises(psycopg.errors.QueryCanceled):
        join("slow")
    assert not bob.ended


def test_an_outage_disconnects_nobody(hub, tail, join, store, link):
    ann = join("ann")
    tail.errors["ann"] = psycopg.OperationalError("the connection is lost")
    link("visitor", "ann")
    store([{"user_id": "visitor"}])
    with pytest.raises(psycopg.OperationalError):
        hub._poll()
    assert not ann.ended
    tail.errors.clear()
    hub._poll()
    assert len(ann.frames) == 1
