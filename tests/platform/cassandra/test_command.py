"""`tracker events --from cassandra` shows what `tracker events` shows."""

import uuid
from datetime import timedelta

import pytest
from cassandra_rows import wait_relayed
from click.testing import CliRunner
from storers import START, make_row

from event_tracker.cli.ask.read import events


@pytest.fixture
def both(sign_in, postgres, database, start_service, monkeypatch):
    """A function that runs the command with these arguments on the query service, and on Cassandra."""
    query = start_service("query", DATABASE_URL=postgres.url(database, "query"))
    for name, value in sign_in.items():
        monkeypatch.setenv(name, str(value))

    def run(*arguments: str) -> list[str]:
        origins = (["--query", query.url], ["--from", "cassandra"])
        results = [CliRunner().invoke(events, [*arguments, *origin]) for origin in origins]
        assert [result.exit_code for result in results] == [0, 0], results
        return [result.output for result in results]

    return run


def test_it_shows_what_the_query_service_shows(node, keyspace, owner, writer, relay, both):
    for number in range(30):
        writer.store(make_row(number, user_id="ann", source=["shop", "blog"][number % 2], session_id="s"))
    # Of the same time, in one transaction and in several: in the order of arrival, and then by id.
    same = {"user_id": "ann", "timestamp": START + timedelta(days=1, microseconds=7)}
    writer.store(*(make_row(number, event_id=uuid.uuid4().bytes, **same) for number in range(100, 110)))
    for number in range(110, 120):
        writer.store(make_row(number, event_id=uuid.uuid4().bytes, **same))
    writer.store(make_row(200, user_id="bob", properties=b'{"deep": {"a": [1, 2.50, null, "\xc3\xa9"]}}'))
    relay()
    wait_relayed(owner, node, keyspace)
    for arguments in (
        ["ann", "--json"],
        ["ann", "--json", "--limit", "7"],
        ["ann", "--json", "--type", "type-1", "--type", "type-2"],
        ["ann", "--json", "--source", "blog", "--limit", "3"],
        ["bob", "--json"],
        ["nobody"],
    ):
        from_service, from_cassandra = both(*arguments)
        assert from_cassandra == from_service, arguments
    table, other = both("bob")
    assert [line.split() for line in table.splitlines()[1:]] == [line.split() for line in other.splitlines()[1:]]


def test_what_it_needs_is_named(keyspace, sign_in, monkeypatch):
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(events, ["ann", "--from", "cassandra", *arguments])
        assert result.exit_code != 0
        return result.output

    assert "Set CASSANDRA_HOSTS for --from cassandra." in run()
    for name, value in sign_in.items():
        monkeypatch.setenv(name, str(value))
    assert "--from cassandra has no --filter" in run("--filter", "property.number:gte:2")
    assert "Cassandra:" in run()  # there is no table yet
    monkeypatch.setenv("CASSANDRA_PASSWORD", "wrong")
    assert "See CASSANDRA_USER and CASSANDRA_PASSWORD" in run()
