"""`tracker maintain` keeps no erased ids for relays that don't run any more."""

from click.testing import CliRunner

from event_tracker.cli.database.maintain import maintain


def test_a_relay_that_passes_no_erasures_on_is_named_and_then_removed(owner, postgres, database):
    owner.execute("insert into relays values ('gone', now(), true), ('late', now(), true), ('works', now(), true)")
    owner.execute("""
        insert into relay_erasures (relay, user_id, at)
        select relay, 'ann', now() - days * interval '1 day'
        from (values ('gone', 31), ('gone', 1), ('late', 8), ('late', 1), ('works', 6)) as given (relay, days)
    """)
    environment = {"DATABASE_URL": postgres.url(database)}
    preview = CliRunner().invoke(maintain, ["--dry-run"], env=environment)
    assert (preview.exit_code, preview.output.count("would remove the relay")) == (0, 1)
    removed = "would remove the relay gone, which hasn't passed on erasures for 30 days, and 2 erased ids"
    assert removed in preview.output
    assert owner.execute("select count(*) from relay_erasures").fetchone() == (5,)
    result = CliRunner().invoke(maintain, env=environment)
    assert result.exit_code == 1
    assert "removed the relay gone" in result.output
    assert "2 erased ids wait for the relay late" in result.output
    assert "works" not in result.output
    assert owner.execute("select name from relays order by 1").fetchall() == [("late",), ("works",)]
    assert owner.execute("select count(*) from relay_erasures").fetchone() == (3,)
    owner.execute("delete from relays where name = 'late'")
    result = CliRunner().invoke(maintain, env=environment)
    assert result.exit_code == 0, result.output
