"""Users by when they were first seen: copied once, and again whenever something may have changed them."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored import DAY, EVERYTHING

from event_tracker.columns.loading import snapshot as snapshot_module
from event_tracker.columns.loading.identity import first_seen as first_seen_module
from event_tracker.columns.loading.identity.first_seen import FirstSeen

FIRST_SEEN = "select user_id, first_seen from first_seen"
TODAY = DAY + timedelta(days=3)
PAST, NOW = (EVERYTHING.start, TODAY), (TODAY, EVERYTHING.end)
LINK = "insert into links (source, alias, person, at, event_id) values ('default', %s, %s, %s, %s)"


@pytest.fixture(autouse=True)
def today(monkeypatch):
    """The day of all snapshots."""
    monkeypatch.setattr(snapshot_module, "day_of", lambda _: TODAY)


@pytest.fixture
def copied(monkeypatch):
    """The ranges that were copied."""
    found = []
    copy = FirstSeen._copy

    def listening(self, connection, first_seen, *rest):
        found.append(first_seen)
        return copy(self, connection, first_seen, *rest)

    monkeypatch.setattr(FirstSeen, "_copy", listening)
    return found


def select(start=EVERYTHING.start, end=EVERYTHING.end, linked=True):
    return replace(EVERYTHING, end=max(end, start), first_seen=(start, end), linked=linked)


def ask(engine, selection):
    rows = engine.run(selection, FIRST_SEEN, {}).rows
    assert len(rows) == len(dict(rows))
    return dict(rows)


def expect(owner, selection):
    """The persons first seen in the range: no chain of links has a circle, and no id has two links."""
    links = dict(owner.execute("select alias, person from links").fetchall()) if selection.linked else {}
    found = {}
    for user_id, first_seen in owner.execute("select user_id, first_seen from users").fetchall():
        while user_id in links:
            user_id = links[user_id]
        found[user_id] = min(first_seen, found.get(user_id, first_seen))
    start, end = selection.first_seen
    return {user_id: first_seen for user_id, first_seen in found.items() if start <= first_seen < end}


def add_link(owner, alias, person):
    owner.execute(LINK, [alias, person, DAY, UUID(int=7)])


@pytest.mark.parametrize("linked", [False, True])
def test_only_what_may_have_changed_is_copied(stored, engine, owner, copied, linked):
    add_link(owner, "anonymous", "ann")
    selection = select(linked=linked)

    def ask_after(**event):
        copied.clear()
        if event:
            stored.add(**event)
        assert ask(engine, selection) == expect(owner, selection)
        return list(copied)

    assert ask_after(user_id="ann", day=1) == [PAST, NOW]
    assert ask_after() == []
    assert ask_after(user_id="new", day=3) == [NOW]
    assert ask_after(user_id="anonymous", day=0) == [PAST, NOW]
    assert ask_after(user_id="ann", day=-1) == [PAST, NOW]
    assert ask_after() == []


def test_a_range_that_has_ended_is_copied_once(stored, engine, copied):
    stored.add(user_id="ann", day=1)
    selection = select(end=TODAY - timedelta(days=1))
    for _ in range(2):
        assert list(ask(engine, selection)) == ["ann"]
        stored.add(user_id="bob", day=2)
    assert [first_seen for first_seen in copied if first_seen[0] < first_seen[1]] == [selection.first_seen]


def test_events_are_counted_to_the_end_of_the_range_and_not_of_the_question(stored, engine, owner):
    """Otherwise two questions about the same range may have one count, of other events."""
    stored.add(user_id="ann", day=0)
    stored.add(user_id="ann", day=2)
    range_end = DAY + timedelta(days=1)
    longer = replace(select(), first_seen=(EVERYTHING.start, range_end))
    ask(engine, longer)
    stored.add(user_id="bob", day=0)
    assert ask(engine, select(end=range_end)) == expect(owner, longer)


def test_links_and_users_that_change_are_seen(stored, engine, owner):
    for user_id, day in (("anonymous", 0), ("ann", 1), ("bob", 3), ("carol", 3)):
        stored.add(user_id=user_id, day=day)
    selection = select()
    for change in (
        lambda: add_link(owner, "anonymous", "ann"),
        lambda: add_link(owner, "bob", "ann"),
        lambda: owner.execute("delete from links where alias = 'anonymous'"),
        lambda: owner.execute("delete from users where user_id = 'carol'"),
        lambda: owner.execute("delete from users where user_id = 'ann'"),
    ):
        before = ask(engine, selection)
        change()
        assert ask(engine, selection) == expect(owner, selection) != before


@pytest.mark.parametrize("erase", ["delete from users where user_id = 'ann'", "delete from links"])
def test_who_was_erased_is_forgotten_without_a_question(stored, engine, owner, erase):
    stored.add(user_id="anonymous", day=1)
    add_link(owner, "anonymous", "ann")
    stored.add(user_id="ann", day=1)
    ask(engine, select())
    engine.refresh()
    assert engine._loader._first_seen._kept
    owner.execute(erase)
    engine.refresh()
    assert not engine._loader._first_seen._kept


def test_few_and_small_ranges_are_kept(stored, engine, monkeypatch):
    monkeypatch.setattr(first_seen_module, "MAX_KEPT", 3)
    monkeypatch.setattr(first_seen_module, "MAX_KEPT_USERS", 2)
    for number in range(3):
        stored.add(user_id=f"user-{number}", day=1)
    ask(engine, select())
    assert [key.first_seen for key in engine._loader._first_seen._kept] == [NOW]
    for hours in range(5):
        ask(engine, select(start=DAY + timedelta(days=2, hours=hours)))
    assert len(engine._loader._first_seen._kept) == 3


IDS = st.integers(0, 5)
DAYS = st.integers(-2, 5)
STEPS = st.one_of(
    st.tuples(st.just("add"), IDS, DAYS),
    st.tuples(st.just("link"), IDS, IDS),
    st.tuples(st.just("unlink"), IDS),
    st.tuples(st.just("erase"), IDS),
    st.tuples(st.just("refresh")),
    st.tuples(st.just("ask"), st.tuples(DAYS, DAYS).map(sorted), st.booleans()),
)


def take(stored, engine, step):
    match step:
        case ("add", user, day):
            stored.add(user_id=f"user-{user}", day=day)
        case ("link", alias, person) if alias < person:
            stored.owner.execute("delete from links where alias = %s", [f"user-{alias}"])
            add_link(stored.owner, f"user-{alias}", f"user-{person}")
        case ("unlink", alias):
            stored.owner.execute("delete from links where alias = %s", [f"user-{alias}"])
        case ("erase", user):
            stored.owner.execute("delete from events where user_id = %s", [f"user-{user}"])
            stored.owner.execute("delete from users where user_id = %s", [f"user-{user}"])
        case ("refresh",):
            engine.refresh()
        case ("ask", (start, end), linked):
            selection = select(DAY + timedelta(days=start, hours=5), DAY + timedelta(days=end, hours=5), linked)
            assert ask(engine, selection) == expect(stored.owner, selection)


def test_any_history(stored, engine, owner):
    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEPS, min_size=4, max_size=25))
    def check(steps):
        owner.execute("truncate events, event_counts, deleted_counts, users, links, block_epochs")
        for step in steps:
            take(stored, engine, step)
        take(stored, engine, ("ask", (-2, 6), True))
        take(stored, engine, ("ask", (0, 6), False))

    check()
