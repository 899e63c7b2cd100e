"""Links between ids of one person: which events make them, and that neither order nor repetition of events matters."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from links import Link, counting_links, ids_of, link_of, links_of
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from psycopg.types.json import Jsonb
from storing import store
from waiting import wait_until

START = datetime(2026, 3, 1, tzinfo=UTC)
LINKS = "select source, alias, person, at, event_id from links order by source, alias, person"


def event(number, user_id, event_type, properties, source="default", minute=0):
    """An event; equal arguments are a resend of it."""
    return {
        "user_id": user_id,
        "timestamp": START + timedelta(minutes=minute),
        "event_id": UUID(int=number),
        "event_type": event_type,
        "properties": json.dumps(properties),
        "source": source,
    }


def clear(owner):
    owner.execute("truncate events, event_counts, users, links")


USERS = st.sampled_from("abcd")
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={"anonymous_id": st.sampled_from(["a", "b", "c", "d", "null", 7]), "previous_id": st.sampled_from("abcd")},
)
EVENTS = st.lists(
    st.builds(
        event,
        st.integers(1, 6),
        USERS,
        st.sampled_from(["identify", "identify", "alias", "view"]),
        PROPERTIES,
        st.sampled_from(["app", "web"]),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=4,
    # An event is stored once: of two with the same key, which one is stored depends on the order.
    unique_by=lambda e: (e["user_id"], e["timestamp"], e["event_id"]),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
@example(
    [
        event(2, "ann", "identify", {"anonymous_id": "a"}, minute=1),
        event(1, "ann", "alias", {"previous_id": "a"}, minute=1),
        event(3, "bob", "identify", {"anonymous_id": "a"}),
    ]
)
def test_links_are_those_of_the_events_in_whatever_order_they_come(owner, events):
    expected = sorted(links_of(events))
    for order in itertools.permutations(events):
        clear(owner)
        for number, one in enumerate(order):
            store(owner, one, *order[:number])  # the events before are sent again
        assert [Link(*row) for row in owner.execute(LINKS)] == expected
    clear(owner)
    store(owner, *events)
    assert [Link(*row) for row in owner.execute(LINKS)] == expected


ODD = [
    "",
    "x" * 200,
    "x" * 201,
    " ",
    "None",
    "GUEST",
    "'null'",
    '"anonymous"',
    "[object Object]",
    "a\ufffd",
    "ann",
    "0",
    "00",
]


@pytest.mark.parametrize("user_id", ["ann", "guest"])
@pytest.mark.parametrize("alias", [*ODD, None, True, 7, 0, 1.5, [], {}, ["a"], {"a": 1}])
def test_ids_that_never_link(owner, user_id, alias):
    for event_type in ("identify", "alias", "view"):
        properties = {"anonymous_id": alias, "previous_id": alias}
        ((found, refused),) = owner.execute(
            "select * from link_of_event(%s, %s, %s)", [event_type, user_id, Jsonb(properties)]
        ).fetchall()
        assert (found, refused) == link_of(event_type, user_id, properties)


LINK_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["app", "web"]), st.sampled_from("abcdef"), st.sampled_from("abcdef"),
        st.integers(0, 3), st.integers(1, 3), st.booleans(),
    ).filter(lambda row: row[1] != row[2]),
    max_size=9,
    unique_by=lambda row: row[:3],
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=LINK_ROWS)
def test_the_ids_of_a_person(owner, rows):
    links = [
        (Link(source, alias, person, START + timedelta(minutes=minute), UUID(int=number)), removed)
        for source, alias, person, minute, number, removed in rows
    ]
    owner.execute("truncate links")
    for link, removed in links:
        owner.execute(
            "insert into links (source, alias, person, at, event_id, removed_at) values (%s, %s, %s, %s, %s, %s)",
            [*link, START if removed else None],
        )
    for sources in (None, ["app"], ["web"], ["app", "web"], []):
        visible = [one for one, removed in links if not removed and (sources is None or one.source in sources)]
        counting = counting_links(visible)
        for user_id in "abcdefg":
            ((found,),) = owner.execute("select person_ids(%s, %s, null)", [user_id, sources]).fetchall()
            person, ids = ids_of(user_id, counting)
            assert found[0] == person
            assert sorted(found) == sorted(ids)


def test_more_ids_than_asked_for_are_an_error(owner):
    store(owner, *(event(n, "ann", "identify", {"anonymous_id": f"a{n}"}) for n in range(1, 4)))
    assert len(owner.execute("select person_ids('a1', null, 4)").fetchone()[0]) == 4
    with pytest.raises(Exception, match="too many ids"):
        owner.execute("select person_ids('a1', null, 3)")


def test_links_of_a_chain_of_thousands(owner):
    owner.execute(
        "insert into links (source, alias, person, at, event_id) "
        "select 'web', 'u' || n, 'u' || n %% 3000 + 1, %s, gen_random_uuid() from generate_series(1, 3000) as n",
        [START],
    )
    ((cut,),) = owner.execute("select alias from links order by event_id desc, alias desc limit 1").fetchall()
    ((found,),) = owner.execute("select person_ids('u77', null, null)").fetchall()
    assert (found[0], len(found)) == (cut, 3000)


def test_of_two_events_with_one_key_the_stored_one_links(owner):
    first = event(1, "ann", "identify", {"anonymous_id": "a"})
    store(owner, first, {**first, "properties": '{"anonymous_id": "b"}'}, {**first, "event_type": "view"})
    assert owner.execute("select alias from links").fetchall() == [("a",)]


def test_links_are_written_after_events_and_before_users_and_counts(owner):
    """An erasure takes its locks in the same order: so both wait for each other, and never deadlock."""
    later = event(1, "ann", "identify", {"anonymous_id": "a"}, minute=1)
    store(owner, later)
    with psycopg.connect(owner.info.dsn) as other, psycopg.connect(owner.info.dsn, autocommit=True) as collector:
        other.execute("select from links for update")
        storing = Meanwhile(lambda: store(collector, event(2, "ann", "identify", {"anonymous_id": "a"})))
        wait_until(lambda: waiting_for_locks(owner) == 1 or not storing.is_alive())
        # What it will change last isn't locked yet.
        assert owner.execute("select first_seen from users for update nowait").fetchall() == [(later["timestamp"],)]
        assert owner.execute("select count from event_counts for update nowait").fetchall() == [(1,)]
        other.rollback()
        storing.end()
    assert owner.execute("select at, event_id from links").fetchall() == [(START, UUID(int=2))]


def test_the_collector_links_and_counts_what_it_refuses(collector, owner):
    body = [
        {"user_id": "ann", "event_type": "identify", "properties": {"anonymous_id": alias}}
        for alias in ("visitor", "null", "ann", "", 12)
    ]
    answer = requests.post(f"{collector.url}/events", json=body, timeout=60)
    assert answer.json()["stored"] == 5
    assert owner.execute("select source, alias, person from links order by alias").fetchall() == [
        ("default", "12", "ann"),
        ("default", "visitor", "ann"),
    ]
    metrics = requests.get(f"{collector.url}/metrics", timeout=60).text
    for reason in ("reserved", "same", "unusable"):
        assert f'collector_links_refused_total{{reason="{reason}"}} 1.0' in metrics
