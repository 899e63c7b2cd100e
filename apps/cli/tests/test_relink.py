"""`tracker maintain --relink`: the links are those of the stored events again, and what was removed stays removed."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from click.testing import CliRunner
from links import Link, links_of
from storing import store

from event_tracker.cli.database.maintain import maintain

T0 = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
LINKS = "select source, alias, person, at, event_id from links order by 1, 2, 3"


def identify(number, user_id, alias, minutes=0, **more):
    return {
        "user_id": user_id,
        "event_type": "identify",
        "timestamp": T0 + timedelta(minutes=minutes),
        "event_id": UUID(int=number),
        "properties": json.dumps({"anonymous_id": alias}),
        "source": "default",
        **more,
    }


def test_links_are_made_again(postgres, database, owner):
    def run():
        result = CliRunner().invoke(maintain, ["--relink"], env={"DATABASE_URL": postgres.url(database)})
        assert result.exit_code == 0, result.output
        return result.output

    events = [
        identify(1, "ann", "a"), identify(2, "ann", "a", 5), identify(3, "ann", "b", 1), identify(4, "ann", "null"),
        identify(5, "bob", "c", properties='{"previous_id": "c"}', event_type="alias"), identify(6, "bob", "d", source="shop"),
        identify(7, "bob", "e", event_type="view"),
    ]  # fmt: skip
    store(owner, *events)
    made = [Link(*row) for row in owner.execute(LINKS)]
    assert made == sorted(links_of(events))
    assert "made or moved 0 links" in run()
    # As if they had been stored before there were links, but for one that was removed, whose later event was stored since.
    owner.execute("delete from links where alias <> 'a'")
    owner.execute("update links set removed_at = now(), at = %s, event_id = %s", [events[1]["timestamp"], UUID(int=2)])
    # And one whose event retention has deleted.
    old = Link("default", "gone", "ann", T0 - timedelta(days=90), UUID(int=9))
    owner.execute("insert into links (source, alias, person, at, event_id) values (%s, %s, %s, %s, %s)", old)
    assert "made or moved 4 links" in run()
    assert [Link(*row) for row in owner.execute(LINKS)] == sorted([*made, old])
    assert owner.execute("select alias from links where removed_at is not null").fetchall() == [("a",)]


def test_links_of_another_server_are_renumbered(postgres, database, owner):
    """Its transactions may be ahead of this server's."""
    store(owner, identify(1, "ann", "a"), identify(2, "ann", "b"))
    owner.execute("update links set changed = '999999999999' where alias = 'a'")
    (before,) = owner.execute("select changed from links where alias = 'b'").fetchone()
    result = CliRunner().invoke(maintain, env={"DATABASE_URL": postgres.url(database)})
    assert result.exit_code == 0, result.output
    ahead = "select count(*) from links where changed >= pg_snapshot_xmax(pg_current_snapshot())"
    assert owner.execute(ahead).fetchone() == (0,)
    assert owner.execute("select changed from links where alias = 'b'").fetchone() == (before,)
