"""The settings of the Cassandra relay, the times of its writes, and what it does while nodes fail. No Cassandra is needed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cassandra import InvalidRequest, OperationTimedOut
from storers import make_row

from event_tracker.core.cassandra.connection import CassandraRefusedError
from event_tracker.core.settings import InvalidSettingsError
from event_tracker.model.relaying.mark import Mark
from event_tracker.model.relaying.relay import ErasedUser
from event_tracker.model.relaying.stored_event import StoredEvent
from event_tracker.streams.cassandra.cassandra_relay import CassandraRelay, WriteTimes
from event_tracker.streams.cassandra.settings import CassandraRelaySettings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MARK = Mark(NOW, NOW, None, None, None)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., CassandraRelaySettings]:
    def read(**changed: str) -> CassandraRelaySettings:
        needed = {"CASSANDRA_HOSTS": "one,two", "DATABASE_URL": "postgresql://relay@localhost/events"}
        for name, value in {**needed, **changed}.items():
            monkeypatch.setenv(name, value)
        return CassandraRelaySettings.read()

    return read


def test_what_must_be_set_is_little(read):
    settings = read()
    assert (settings.cassandra_hosts, settings.relay_name, settings.relay_from) == (
        ["one", "two"],
        "cassandra",
        "earliest",
    )


@pytest.mark.parametrize(
    ("changed", "name", "said"),
    [
        ({"CASSANDRA_HOSTS": ""}, "CASSANDRA_HOSTS", "Shorter than"),
        ({"CASSANDRA_USER": "relay"}, "CASSANDRA_USER", "set CASSANDRA_SECURITY=tls"),
        ({"CASSANDRA_PASSWORD": "secret"}, "CASSANDRA_PASSWORD", "set CASSANDRA_SECURITY=tls"),
        ({"CASSANDRA_CA": "/dev/null"}, "CASSANDRA_CA", "set CASSANDRA_SECURITY=tls"),
        ({"CASSANDRA_SERVER_NAME": "node"}, "CASSANDRA_SERVER_NAME", "set CASSANDRA_SECURITY=tls"),
        ({"CASSANDRA_SECURITY": "tls", "CASSANDRA_USER": "a"}, "CASSANDRA_PASSWORD", "needed together"),
        ({"CASSANDRA_SECURITY": "tls", "CASSANDRA_PASSWORD": "a"}, "CASSANDRA_USER", "needed together"),
        ({"CASSANDRA_SECURITY": "tls", "CASSANDRA_CA": "/missing.crt"}, "CASSANDRA_CA", "no file /missing.crt"),
        ({"CASSANDRA_KEYSPACE": "x; drop"}, "CASSANDRA_KEYSPACE", "not match"),
        ({"CASSANDRA_CONSISTENCY": "any"}, "CASSANDRA_CONSISTENCY", "one of"),
        ({"RELAY_NAME": "ann's"}, "RELAY_NAME", "not match"),
        ({"RELAY_FROM": "tomorrow"}, "RELAY_FROM", "one of"),
    ],
)
def test_wrong_settings_are_named(read, changed, name, said):
    with pytest.raises(InvalidSettingsError) as wrong:
        read(**changed)
    assert said in " ".join(wrong.value.mistakes[name])


def test_the_password_may_be_in_a_file_and_is_not_shown(read, tmp_path: Path):
    (tmp_path / "password").write_text("secret\n")
    file = str(tmp_path / "password")
    settings = read(CASSANDRA_SECURITY="tls", CASSANDRA_USER="relay", CASSANDRA_PASSWORD_FILE=file)
    assert settings.cassandra_password == "secret"
    assert "secret" not in repr(settings)


def test_each_time_is_later_than_the_one_before_also_if_the_clock_goes_back():
    times = WriteTimes()
    marks = [
        MARK,
        MARK,
        Mark(NOW - timedelta(hours=1), None, None, None, None),
        MARK,
        MARK._replace(latest=NOW + timedelta(seconds=1)),
    ]
    found = [times.next(mark) for mark in marks]
    first = int(NOW.timestamp()) * 1_000_000
    assert found == [first, first + 1, first + 2, first + 3, first + 1_000_000]


class Table:
    """Takes events and erasures. The calls in `fails` raise an error, or fail some events."""

    def __init__(self, *fails: Exception | None) -> None:
        self.fails = list(fails)
        self.done: list[tuple[object, int]] = []

    def write(self, events: list[StoredEvent], at: int) -> list[tuple[StoredEvent, Exception]]:
        error = self.fails.pop(0) if self.fails else None
        failed = [] if error is None else [(event, error) for event in events[::2]]
        self.done += [(event, at) for event in events if event not in [one for one, _ in failed]]
        return failed

    def delete_user(self, user_id: str, at: int) -> None:
        if self.fails and (error := self.fails.pop(0)):
            raise error
        self.done.append((user_id, at))

    def delete_events(self, user_id: str, sources: list[str], at: int) -> None:
        self.done.append(((user_id, sources), at))


class Turn:
    """A relay whose turn it may be."""

    def __init__(self, *, is_its: bool = True) -> None:
        self.is_its = is_its

    def has_turn(self) -> bool:
        return self.is_its


@pytest.fixture
def settings(read) -> CassandraRelaySettings:
    return read()


def relay_to(
    table: Table, settings: CassandraRelaySettings, turn: Turn | None = None, waits: list[float] | None = None
):
    waits = [] if waits is None else waits
    return CassandraRelay(turn or Turn(), table, settings, lambda seconds: waits.append(seconds) or True, lambda: None)


EVENTS = [StoredEvent(make_row(number), NOW) for number in range(300)]


def test_what_fails_is_written_again_and_only_that(settings):
    table, waits = Table(OperationTimedOut(), None, OperationTimedOut(), OperationTimedOut()), []
    assert relay_to(table, settings, waits=waits).write_events(EVENTS, MARK)
    assert sorted(event.row.timestamp for event, _ in table.done) == [event.row.timestamp for event in EVENTS]
    assert {at for _, at in table.done} == {WriteTimes().next(MARK)}
    assert waits.count(1.0) == 3


def test_it_gives_up_when_it_is_another_s_turn(settings):
    relay = relay_to(Table(OperationTimedOut()), settings, Turn(is_its=False))
    assert not relay.write_events(EVENTS, MARK)
    relay = relay_to(Table(OperationTimedOut()), settings, Turn(is_its=False))
    assert not relay.pass_on_erasures([ErasedUser(1, "ann", None)], MARK)


def test_an_erasure_is_tried_again_and_events_that_follow_have_later_times(settings):
    table = Table(OperationTimedOut(), None)
    relay = relay_to(table, settings)
    assert relay.pass_on_erasures([ErasedUser(1, "ann", None), ErasedUser(2, "bob", ["shop"])], MARK)
    assert relay.write_events(EVENTS[:1], MARK)
    (ann, at), (bob, _), (_, later) = table.done
    assert (ann, bob) == ("ann", ("bob", ["shop"]))
    assert later > at


def test_what_waiting_does_not_cure_ends_it(settings):
    with pytest.raises(CassandraRefusedError, match="unconfigured table"):
        relay_to(Table(InvalidRequest("unconfigured table user_events")), settings).write_events(EVENTS, MARK)
