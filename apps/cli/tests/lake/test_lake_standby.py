"""`tracker lake` on a standby, also one that lags."""

import psycopg
from click.testing import CliRunner
from lake_files import files_with, rows
from replicas import standby_of
from stored import Stored
from waiting import wait_until

from event_tracker.cli.lake.command import lake


def test_a_standby_that_lags_brings_nobody_back_who_was_erased(own_postgres, tmp_path):
    target = tmp_path / "lake"

    def export(server, code=0):
        done = CliRunner().invoke(lake, ["export", str(target)], env={"DATABASE_URL": server.url("events", "query")})
        assert done.exit_code == code, done.output
        return done.output

    with (
        psycopg.connect(own_postgres.url("events"), autocommit=True, options="-c timezone=UTC") as owner,
        standby_of(own_postgres) as standby,
        psycopg.connect(standby.url("events"), autocommit=True) as there,
    ):
        stored = Stored(owner, tmp_path)
        stored.add(3)
        stored.add(user_id="gone-7f3a")
        stored.add(day=1, user_id="gone-7f3a")
        owner.execute(
            "insert into links (source, alias, person, at, event_id) values ('default', 'gone-7f3a', 'ann', now(), gen_random_uuid())"
        )
        ((written,),) = owner.execute("select pg_current_wal_lsn()").fetchall()
        wait_until(
            lambda: there.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", [written]).fetchone() == (True,),
            "the standby has replayed the events",
        )
        assert "2 days written (5 events" in export(standby)
        assert len(files_with(target, "gone-7f3a")) == 4
        standby.cut()
        with owner.transaction():
            owner.execute("delete from events where user_id = 'gone-7f3a'")
            owner.execute("delete from links")
            owner.execute(
                "update event_counts as counts set count = stored.count from (select date_bin('1 hour', \"timestamp\","
                " '2000-01-01 00:00Z') as hour, event_type, count(*) from events group by 1, 2) as stored"
                " where (counts.hour, counts.event_type) = (stored.hour, stored.event_type)"
            )
            owner.execute(
                "delete from event_counts where not exists (select from events where date_bin('1 hour', \"timestamp\","
                " '2000-01-01 00:00Z') = hour and events.event_type = event_counts.event_type)"
            )
        assert "1 days written (3 events" in export(own_postgres)
        said = export(standby, code=2)
        assert "2026-03-01: the lake is ahead of this database" in said
        assert "links: the lake is ahead of this database" in said
        assert files_with(target, "gone-7f3a") == []
        assert len(rows(target)) == 3
