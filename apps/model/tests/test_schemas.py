"""How many versions of schemas are kept."""

import psycopg
import pytest

from event_tracker.model import event_schemas
from event_tracker.model.event_schemas import set_schema


@pytest.fixture
def control(postgres, database, owner):
    """A connection of the role that sets schemas."""
    owner.execute("insert into sources (name) values ('shop'), ('app')")
    with psycopg.connect(postgres.url(database, "control"), autocommit=True) as connection:
        yield connection


def listing(number, size=0):
    return {"title": f"{number}{'x' * size}"}


def kept(connection, source="shop"):
    statement = "select event_type, array_agg(version order by version) from event_schemas where source = %s group by 1"
    return dict(connection.execute(statement, [source]).fetchall())


def test_the_oldest_versions_of_a_type_are_forgotten(control, monkeypatch):
    monkeypatch.setattr(event_schemas, "KEPT_VERSIONS", 3)
    set_schema(control, "shop", "other", listing(0))
    set_schema(control, "app", "buy", listing(0))
    for number in range(5):
        assert set_schema(control, "shop", "buy", listing(number)) == (number + 1, True)
    assert kept(control) == {"other": [1], "buy": [3, 4, 5]}
    assert kept(control, "app") == {"buy": [1]}
    assert set_schema(control, "shop", "buy", listing(4)) == (5, False)
    assert set_schema(control, "shop", "buy", listing(5)) == (6, True)


def test_all_versions_of_a_source_have_a_size_together_and_the_newest_stay(control, monkeypatch):
    monkeypatch.setattr(event_schemas, "KEPT_BYTES", 1000)
    for number in range(6):
        set_schema(control, "shop", "buy", listing(number, 400))
        set_schema(control, "shop", "view", listing(number))
    assert kept(control)["buy"] == [5, 6]
    for number in range(6):
        set_schema(control, "shop", f"type{number}", listing(number, 400))
    assert kept(control) == {"buy": [6], "view": [6], **{f"type{number}": [1] for number in range(6)}}
