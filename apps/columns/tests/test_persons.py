"""Whom ids lead to, against a second implementation that follows links one by one."""

from itertools import chain, pairwise
from uuid import UUID

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_tracker.columns.loading.deadline import Deadline
from event_tracker.columns.loading.identity.persons import Persons, resolve
from event_tracker.columns.loading.identity.shared_tables import SharedTable, fill

IDS = ["a", "b", "c", "d", "é", "z\uffff", "😀", "\ufeff"]
SOURCES = ["shop", "blog", "Zoo"]
LINKS = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        st.sampled_from(IDS),
        st.sampled_from(IDS),
        st.integers(0, 3),  # often the same moment
        st.integers(0, 3).map(lambda number: UUID(int=number << 126)),
        st.sampled_from([False, False, False, True]),
    ).filter(lambda link: link[1] != link[2]),
    max_size=14,
    unique_by=lambda link: link[:3],
)


@pytest.fixture(scope="module")
def database():
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        yield connection


def persons_by_engine(database, links, sources):
    table, persons = SharedTable(database.cursor), SharedTable(database.cursor)
    columns = "source varchar, alias varchar, person varchar, micros bigint, event_id uuid, removed boolean"
    database.execute(fill("create table {table} (" + columns + ")", table=table))
    if links:
        rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(links))
        database.execute(fill("insert into {table} values " + rows, table=table), [*chain.from_iterable(links)])
    with database.cursor() as cursor:
        is_any = resolve(cursor, table, sources, persons)
    found = database.execute(fill("select alias, person from {table}", table=persons)).fetchall()
    assert len(dict(found)) == len(found)
    assert is_any == bool(found)
    looked_up, deadline = Persons(database.cursor, persons), Deadline(60)
    ids = {id for _, *both, _, _, _ in links for id in both}
    assert looked_up.persons_of(ids, deadline) == dict(found)
    assert sorted(looked_up.aliases_of(ids, 10_000, deadline)) == sorted(found)
    assert len(looked_up.aliases_of(ids, 2, deadline)) == min(2, len(found))
    return dict(found)


def persons_by_following(links, sources):
    """Each alias follows its earliest link; then each circle that is found loses its latest link."""
    follows = {}
    for source, alias, person, at, event_id, removed in links:
        if source in sources and not removed:
            link = (at, event_id.bytes, source.encode(), person.encode(), person)
            follows[alias] = min(link, follows.get(alias, link))
    while circle := find_circle(follows):
        del follows[max(circle, key=lambda alias: (*follows[alias][:3], alias.encode()))]
    found = {}
    for alias in follows:
        end = alias
        while end in follows:
            end = follows[end][-1]
        found[alias] = end
    return found


def find_circle(follows):
    for first in follows:
        passed, here = [], first
        while here in follows and here not in passed:
            passed.append(here)
            here = follows[here][-1]
        if here in passed:
            return passed[passed.index(here) :]
    return None


@settings(max_examples=400, derandomize=True, deadline=None, database=None)
@given(links=LINKS, sources=st.sets(st.sampled_from([*SOURCES, "nowhere"])))
def test_ids_lead_to_their_persons(database, links, sources):
    assert persons_by_engine(database, links, sources) == persons_by_following(links, sources)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 63, 64, 65, 1000])
@pytest.mark.parametrize("is_circle", [False, True])
def test_long_chains(database, length, is_circle):
    ids = [f"id {number}" for number in range(length + 1)]
    links = [("shop", here, there, 0, UUID(int=7), False) for here, there in pairwise(ids)]
    if is_circle:
        links.append(("shop", ids[-1], ids[0], 1, UUID(int=7), False))
    assert persons_by_engine(database, links, SOURCES) == dict.fromkeys(ids[:-1], ids[-1])


def test_a_table_is_dropped_when_nothing_refers_to_it(database):
    table = SharedTable(database.cursor)
    database.execute(fill("create table {table} (n int)", table=table))
    statement = fill("from {table}", table=table)
    assert database.execute(statement).fetchall() == []
    del table
    with pytest.raises(duckdb.CatalogException):
        database.execute(statement)
