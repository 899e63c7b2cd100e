"""Links that arrive, move, are removed or deleted between two questions, and what is read again of them."""

from dataclasses import replace
from uuid import UUID

import duckdb
import psycopg
import pytest
from stored import DAY, EVERYTHING

from event_tracker.columns.engine import FATAL
from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.identity import first_seen as first_seen_module
from event_tracker.columns.loading.identity import links as links_module
from event_tracker.columns.loading.identity.persons import Persons
from event_tracker.core.http.errors import Problem

LINKED = replace(EVERYTHING, linked=True)
USERS = "select user_id, count(*)::int from events group by user_id order by user_id"
SENT = "select distinct sent_id from events order by sent_id"

INSERT = """
insert into links (source, alias, person, at, event_id) values (%s, %s, %s, %s, %s)
on conflict (source, alias, person) do update set at = excluded.at, changed = default
"""


@pytest.fixture
def link(owner):
    """link("anonymous", "ann") links two ids."""

    def link(alias, person, source="default", at=DAY, connection=owner):
        connection.execute(INSERT, [source, alias, person, at, UUID(int=7)])

    return link


@pytest.fixture
def copied(monkeypatch):
    """How often links were copied, and whether all or what had changed since."""
    found = []
    copy = links_module.Links._copy

    def counting(self, connection, since, *rest):
        found.append("changes" if since else "all")
        copy(self, connection, since, *rest)

    monkeypatch.setattr(links_module.Links, "_copy", counting)
    return found


def users(engine, **given):
    return dict(engine.run(replace(LINKED, **given), USERS, {}).rows)


def persons_of(engine, connection, ids):
    deadline = Deadline(60)
    return engine.with_persons(connection, None, deadline, lambda persons: persons.persons_of(ids, deadline))


@pytest.fixture
def three(stored):
    """Three ids with an event each."""
    for number, user_id in enumerate(("a1", "a2", "ann")):
        stored.add(user_id=user_id, hour=number, source="shop" if number == 1 else "default")


def test_ids_are_of_one_person(three, engine, link):
    assert users(engine) == {"a1": 1, "a2": 1, "ann": 1}
    link("a1", "ann")
    assert users(engine) == {"a2": 1, "ann": 2}
    link("ann", "nobody has sent this")
    assert users(engine) == {"a2": 1, "nobody has sent this": 2}
    assert users(engine, linked=False) == {"a1": 1, "a2": 1, "ann": 1}
    assert engine.run(LINKED, SENT, {}).rows == [("a1",), ("a2",), ("ann",)]


def test_odd_ids(stored, engine, link):
    ids = ['\ufeffa, "b"', "line\nbreak", "\r", "é" * 200, "'", "\\", "NULL", ""]
    for number, user_id in enumerate(ids[:-1]):
        stored.add(user_id=user_id, hour=number)
        link(user_id, ids[number - 1])
        # The newest link of the circle doesn't count.
    link(ids[0], "end", at=DAY.replace(year=2020))
    assert users(engine) == {"end": len(ids) - 1}


def test_links_of_sources_that_are_not_asked_about_do_not_count(three, engine, link):
    link("a1", "ann", source="shop")
    link("a2", "a1")
    assert users(engine) == {"ann": 3}
    assert users(engine, sources=["default"]) == {"a1": 1, "ann": 1}
    assert users(engine, sources=["shop"]) == {"a2": 1}
    assert users(engine, sources=["shop", "default", "nowhere"]) == {"ann": 3}
    assert users(engine, sources=["nowhere"]) == {}


def test_links_of_other_sources_do_not_change_the_version(three, engine, link, owner):
    """However they change: who may see some sources alone doesn't learn of it."""

    def version(*sources):
        return engine.fingerprint(replace(LINKED, sources=sources))[1]

    for source in ("default", "shop"):
        link("a1", "ann", source=source)
    found = {(version("default"), version("shop"), version("default", "shop"))}
    for statement in (
        "update links set removed_at = now(), changed = default where source = 'shop'",
        "insert into links (source, alias, person, at, event_id) values ('shop', 'a2', 'ann', now(), gen_random_uuid())",
        "delete from links where source = 'shop' and alias = 'a1'",
        "delete from links where source = 'shop'",
    ):
        owner.execute(statement)
        found.add((version("default"), version("shop"), version("default", "shop")))
    hidden, of_shop, of_both = map(set, zip(*found, strict=True))
    assert (len(hidden), len(of_shop), len(of_both)) == (1, 5, 5)


def test_a_link_is_removed_and_restored(three, engine, link, owner):
    link("a1", "ann")
    assert users(engine) == {"a2": 1, "ann": 2}
    owner.execute("update links set removed_at = now(), changed = default")
    assert users(engine) == {"a1": 1, "a2": 1, "ann": 1}
    owner.execute("update links set removed_at = null, changed = default")
    assert users(engine) == {"a2": 1, "ann": 2}


def test_an_earlier_link_counts_instead(three, engine, link):
    link("a1", "ann")
    assert users(engine) == {"a2": 1, "ann": 2}
    link("a1", "a2", at=DAY.replace(year=2025))
    assert users(engine) == {"a2": 2, "ann": 1}
    link("a1", "ann", at=DAY.replace(year=2024))
    assert users(engine) == {"a2": 1, "ann": 2}


def test_links_are_deleted(three, engine, link, owner):
    link("a1", "ann")
    link("a2", "ann")
    assert users(engine) == {"ann": 3}
    owner.execute("delete from links where alias = 'a1'")
    assert users(engine) == {"a1": 1, "ann": 2}
    owner.execute("truncate links")
    assert users(engine) == {"a1": 1, "a2": 1, "ann": 1}


def test_only_what_has_changed_is_read_again(three, engine, link, copied):
    link("a1", "ann")
    for _ in range(3):
        assert users(engine) == {"a2": 1, "ann": 2}
    assert copied == ["all"]
    link("a2", "ann")
    for _ in range(3):
        assert users(engine) == {"ann": 3}
    assert copied == ["all", "changes"]


def test_nothing_is_read_for_ids(three, engine, link, copied):
    link("a1", "ann")
    users(engine, linked=False)
    assert copied == []


def test_what_is_committed_late_is_seen(three, engine, link, postgres, database, copied):
    """Its transaction has an earlier number than those whose links were read meanwhile."""
    with psycopg.connect(postgres.url(database)) as early:
        link("a1", "ann", connection=early)
        link("a2", "ann")
        assert users(engine) == {"a1": 1, "ann": 2}
        assert users(engine) == {"a1": 1, "ann": 2}
        early.commit()
    assert users(engine) == {"ann": 3}
    assert "all" not in copied[1:]


def test_an_earlier_snapshot_sees_its_own_links(three, engine, link, pool, owner):
    link("a1", "ann")
    with pool.connection() as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        assert persons_of(engine, connection, ["a1", "a2"]) == {"a1": "ann"}
        link("a2", "ann")
        owner.execute("update links set removed_at = now(), changed = default where alias = 'a1'")
        assert users(engine) == {"a1": 1, "ann": 2}
        assert persons_of(engine, connection, ["a1", "a2"]) == {"a1": "ann"}
    assert users(engine) == {"a1": 1, "ann": 2}


def test_two_engines_agree(three, engine, open_engine, link, tmp_path):
    other = open_engine(tmp_path / "other")
    assert users(other) == users(engine) == {"a1": 1, "a2": 1, "ann": 1}
    link("a1", "ann")
    assert users(other) == users(engine) == {"a2": 1, "ann": 2}


def test_erased_links_are_forgotten_without_a_question(three, engine, link, owner):
    link("a1", "ann")
    users(engine)
    owner.execute("delete from links")
    engine.refresh()
    assert engine._loader.links._known == []


def read_fingerprint(engine, pool):
    return engine.fingerprint(LINKED)[1]


def read_persons(engine, pool):
    with pool.connection() as connection, connection.transaction():
        return persons_of(engine, connection, ["a1"])


@pytest.fixture
def failing(monkeypatch):
    """failing(errors): persons aren't resolved as often as there are errors."""
    resolve = links_module.resolve

    def failing(errors):
        def fail(*given):
            if errors:
                raise errors.pop(0)
            return resolve(*given)

        monkeypatch.setattr(links_module, "resolve", fail)

    return failing


each_reader = pytest.mark.parametrize("read", [read_fingerprint, read_persons])


@each_reader
def test_persons_that_need_too_much_memory(three, engine, pool, link, failing, read):
    link("a1", "ann")
    failing([duckdb.OutOfMemoryException("no memory")])
    with pytest.raises(Problem) as refusal:
        read(engine, pool)
    assert (refusal.value.status, refusal.value.code) == (503, "too_large")
    assert read(engine, pool)


@each_reader
@pytest.mark.parametrize("error", FATAL)
def test_a_database_that_has_failed_is_opened_again(three, engine, pool, link, failing, read, error):
    link("a1", "ann")
    expected, before = read(engine, pool), engine._database
    engine._loader.links.forget_all()
    failing([error("failed")])
    assert read(engine, pool) == expected
    assert engine._database is not before


@pytest.fixture
def failing_lookup(monkeypatch):
    """failing_lookup(errors): persons aren't looked up as often as there are errors."""
    look_up = Persons._look_up

    def failing(errors):
        def fail(*given, **named):
            if errors:
                raise errors.pop(0)
            return look_up(*given, **named)

        monkeypatch.setattr(Persons, "_look_up", fail)

    return failing


def test_a_lookup_that_needs_too_much_memory(three, engine, pool, link, failing_lookup):
    link("a1", "ann")
    failing_lookup([duckdb.OutOfMemoryException("no memory")])
    with pytest.raises(Problem) as refusal:
        read_persons(engine, pool)
    assert (refusal.value.status, refusal.value.code) == (503, "too_large")
    assert read_persons(engine, pool) == {"a1": "ann"}


@pytest.mark.parametrize("error", [*FATAL, duckdb.IOException])
def test_a_lookup_that_fails_is_tried_again(three, engine, pool, link, failing_lookup, error):
    link("a1", "ann")
    before = engine._database
    failing_lookup([error("failed")])
    assert read_persons(engine, pool) == {"a1": "ann"}
    assert (engine._database is before) == (error not in FATAL)


def test_a_lookup_while_another_question_replaces_the_database(three, engine, pool, link):
    link("a1", "ann")
    deadline, replaced = Deadline(60), []

    def work(persons):
        if not replaced:
            # What Engine._try does when another question has found that the database has failed.
            replaced.append(engine._database)
            engine._database = engine._open()
            engine._loader.links.forget_all()
        return persons.persons_of(["a1"], deadline)

    with pool.connection() as connection, connection.transaction():
        assert engine.with_persons(connection, None, deadline, work) == {"a1": "ann"}


def test_a_lookup_ends_at_the_deadline(three, engine, pool, link):
    link("a1", "ann")
    with pool.connection() as connection, connection.transaction(), pytest.raises(Problem) as refusal:
        engine.with_persons(connection, None, Deadline(60), lambda persons: persons.persons_of(["a1"], Deadline(0)))
    assert (refusal.value.status, refusal.value.code) == (504, "statement_timeout")


FIRST_SEEN = "select user_id, first_seen from first_seen order by 1"


@pytest.mark.parametrize("sources", [None, ["default", "shop"]])
@pytest.mark.parametrize("is_built", [False, True])
def test_first_seen_is_the_least_of_all_ids(stored, engine, link, sources, is_built):
    for day, user_id in ((-3, "before"), (1, "a1"), (2, "a2"), (3, "a3"), (4, "alone"), (5, "ann")):
        stored.add(user_id=user_id, day=day, hour=0)
        if is_built:
            stored.build(day)
    selection = replace(LINKED, sources=sources, first_seen=(EVERYTHING.start, EVERYTHING.end))
    link("a1", "end")
    link("before", "end")
    link("a3", "ann")
    link("a2", "a3")
    first = dict(stored.owner.execute("select user_id, first_seen from users").fetchall())
    found = dict(engine.run(selection, FIRST_SEEN, {}).rows)
    assert found == {"ann": first["a2"], "alone": first["alone"]}


def test_ids_that_were_seen_before_are_asked_for_in_parts(stored, engine, link, monkeypatch, pool):
    """Of one person, however many: a list of all of them would have no bound."""
    monkeypatch.setattr(first_seen_module, "PART_IDS", 3)
    asked = []
    execute = psycopg.Connection.execute

    def listening(connection, statement, given=None, **more):
        if statement is first_seen_module.QUERIES["seen_before"]:
            asked.append(len(given["ids"]))
        return execute(connection, statement, given, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", listening)
    for person, number in (("ann", 7), ("bob", 3)):
        stored.add(user_id=person, day=2)
        for alias in range(number):
            link(f"{person}-{alias}", person)
    # Of the last id that is asked about, whatever the order: all of bob's.
    for alias in range(3):
        stored.add(user_id=f"bob-{alias}", day=-3)
    selection = replace(LINKED, first_seen=(EVERYTHING.start, EVERYTHING.end))
    first = dict(stored.owner.execute("select user_id, first_seen from users").fetchall())
    assert dict(engine.run(selection, FIRST_SEEN, {}).rows) == {"ann": first["ann"]}
    assert sorted(asked) == [1, 3, 3, 3]
