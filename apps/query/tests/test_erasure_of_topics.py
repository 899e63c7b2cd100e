"""An erasure notes for storers of Kafka whom it is about; what they do with it is tested with them (apps/streams/tests)."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import psycopg
import pytest
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from storing import store
from waiting import wait_until
from world import World, an_event, life_of

from event_tracker.model.storing.topic_erasures import QUERIES as STORING

NOTED = "select sources, user_hash, salt from topic_erasures order by id"
AT = "2026-03-01T10:00:00Z"


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def topics(owner):
    """What a storer registers."""
    owner.execute(
        "insert into topics (name, topic_id, keep, known_since) values ('events', 'one', '14 days', now() - interval '99 days')"
    )


def noted(world, *user_ids):
    """Of each erasure that is noted, which of these ids it is of, and the sources."""
    rows = world.owner.execute(NOTED).fetchall()
    return [
        (user_id, sources)
        for sources, user_hash, salt in rows
        for user_id in user_ids
        if sha256(salt + user_id.encode()).digest() == user_hash
    ]


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_all_ids_of_a_person_are_noted(world, topics, mode):
    world.send(
        [
            an_event("phone", AT, 1),
            an_event("ann", AT, 2, event_type="identify", properties={"anonymous_id": "phone"}),
            an_event("bob", AT, 3),
        ]
    )
    linked = world.owner.execute("select alias from links").fetchall()
    world.erase("ann", mode=mode).raise_for_status()
    assert linked == [("phone",)]
    assert sorted(noted(world, "ann", "phone", "bob")) == [("ann", None), ("phone", None)]


def test_an_erasure_waits_for_a_batch_that_a_storer_is_storing(world, owner):
    with psycopg.connect(owner.info.dsn) as storer:
        storer.execute(STORING["share_lock"])
        store(storer, {"user_id": "ann", "timestamp": datetime(2026, 3, 1, tzinfo=UTC)})
        erasing = Meanwhile(lambda: world.erase("ann"))
        wait_until(lambda: waiting_for_locks(owner) or not erasing.is_alive())
        storer.commit()
    assert erasing.end().json()["counts"]["events"] == 1


def test_the_sources_of_a_restricted_admin_are_noted(world, topics):
    world.send(life_of("ann"), world.make_source("shop"))
    world.erase("ann", world.admin("shop")).raise_for_status()
    assert noted(world, "ann") == [("ann", ["shop"])]


def test_an_erasure_that_fails_notes_nothing(world, topics):
    world.send(life_of("ann"))
    world.owner.execute("alter table erasures add check (false) not valid")
    assert world.erase("ann").status_code >= 500
    assert noted(world, "ann") == []


def test_without_a_topic_nothing_is_noted_and_the_receipt_names_none(world):
    assert world.erase("ann").json()["copies"] == []
    assert world.owner.execute(NOTED).fetchall() == []


def test_the_receipt_names_all_places_that_have_copies(world, topics, owner):
    for name, place in (("publisher", "published topics"), ("other", "published topics"), ("cassandra", "cassandra")):
        owner.execute("insert into relays values (%s, now(), true, %s)", [name, place])
    owner.execute("insert into archived_days values ('2026-01-01Z', 'shop', 1, 0, 0)")
    before = datetime.now(UTC)
    named = world.erase("ann").json()["copies"]
    copies = {one["place"]: one["until"] for one in named}
    assert len(copies) == len(named)
    until = datetime.fromisoformat(copies.pop("topic events"))
    assert timedelta(0) <= until - before - timedelta(days=14) < timedelta(minutes=1)
    assert copies == {"published topics": None, "cassandra": None, "lake": None}


@pytest.mark.parametrize(
    "copy",
    [
        "insert into topics (name, topic_id) values ('events', 'one')",
        "insert into relays values ('publisher', now(), true)",
        "insert into archived_days values ('2026-01-01Z', 'shop', 1, 0, 0)",
    ],
)
def test_a_service_that_notes_nothing_erases_nothing_where_there_are_copies(postgres, database, owner, copy):
    """That of 0.2.0."""
    erasure = "insert into erasures values (gen_random_uuid(), now(), 'erase', '{}', '')"
    with psycopg.connect(postgres.url(database, "control")) as control:
        control.execute(erasure)
        control.commit()
        owner.execute(copy.encode())
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="this query service is of an older release"):
            control.execute(erasure)


def test_what_is_noted_is_kept_a_day_longer_than_the_topic_keeps_its_records(world, topics, owner):
    def age(days):
        owner.execute("update topic_erasures set at = now() - %s * interval '1 day'", [days])
        world.maintain()
        return owner.execute(
            "select (select count(*) from topic_erasures), (select count(*) from topic_ends)"
        ).fetchone()

    world.erase("ann").raise_for_status()
    owner.execute("insert into topic_ends select 'events', 'one', id, '{3}' from topic_erasures")
    assert age(14.9) == (1, 1)
    owner.execute("update topics set keep = null")
    assert age(1000) == (1, 1)
    owner.execute("update topics set keep = '14 days'")
    assert age(15.1) == (0, 0)
