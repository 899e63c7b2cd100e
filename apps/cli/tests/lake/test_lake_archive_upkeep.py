"""What an archive changes for ids that were erased and for users, and what the upkeep does when it can't erase."""


def waiting(owner):
    """The ids whose archived events are to be erased."""
    return [user_id for (user_id,) in owner.execute("select user_id from archive_erasures order by id")]


def test_ids_wait_only_while_there_are_archived_days(run, archive, stored, owner, target):
    """Any upkeep forgets them without such days, also if a lake is ready to get events; otherwise it warns of old ones."""
    run("export", target)
    archive(keep=None)
    assert owner.execute("select count(*) from archive").fetchone() == (1,)
    owner.execute("insert into archive_erasures (user_id) values ('ann')")
    archive(lake=None)
    assert waiting(owner) == []
    stored.add(3)
    run("export", target)
    archive()
    owner.execute("insert into archive_erasures (user_id) values ('ann')")
    assert "warning: " not in archive(lake=None)
    owner.execute("insert into archive_erasures (at, user_id) values (now() - interval '8 days', 'bob')")
    assert "warning: 1 ids that were erased more than 7 days ago wait" in archive(lake=None)
    assert waiting(owner) == ["ann", "bob"]
    assert "warning: " not in archive()
    assert waiting(owner) == []


def test_nothing_more_is_archived_while_a_file_cannot_be_erased_from(run, archive, stored, owner, target):
    stored.add(user_id="ann")
    run("export", target)
    archive()
    file = target / "events/day=2026-03-01/part-0.parquet"
    whole = file.read_bytes()
    stored.add(2, day=1)
    run("export", target)
    owner.execute("insert into archive_erasures (user_id) values ('ann')")
    file.write_bytes(whole[:-1])
    said = archive(code=1)
    assert "can't erase from 2026-03-01: part-0.parquet has another SHA-256 than in the manifest" in said
    assert "no event was deleted, since erased people couldn't be taken out of the lake" in said
    assert owner.execute("select count(*) from events").fetchone() == (2,)
    assert waiting(owner) == ["ann"]
    file.write_bytes(whole)
    said = archive()
    assert "erased 1 archived events of 1 ids" in said
    assert "freed 2 rows" in said


def test_a_file_that_is_lost_for_good_keeps_nobody_waiting(run, archive, stored, owner, target):
    """As the runbook says (ArchivedErasuresWaiting)."""
    for day in range(2):
        stored.add(user_id="ann", day=day)
    run("export", target)
    archive()
    (target / "events/day=2026-03-01/part-0.parquet").unlink()
    owner.execute("insert into archive_erasures (user_id) values ('ann')")
    assert "can't erase from 2026-03-01: part-0.parquet is missing" in archive(code=1)
    owner.execute("delete from archived_days where day = '2026-03-01 00:00:00+00'")
    assert "1 removed, 1 unchanged" in run("export", target).output
    archive()
    assert waiting(owner) == []
    run("verify", target, "--events")


def users(owner):
    """The users, each with the transaction that has locked or written the row last."""
    return owner.execute("select user_id, xmin::text, xmax::text from users order by user_id").fetchall()


def test_users_go_with_their_last_event_while_nothing_is_archived(run, archive, owner, target):
    run("export", target)
    archive()
    owner.execute("insert into users (user_id, first_seen, last_hour) values ('ann', '2026-03-01', '2026-03-01')")
    archive()
    assert users(owner) == []


def test_users_without_events_are_neither_deleted_nor_locked_once_there_are_archived_days(
    run, archive, stored, owner, target
):
    stored.add(user_id="ann")
    run("export", target)
    assert "freed 1 rows" in archive()
    owner.execute("insert into users (user_id, first_seen, last_hour) values ('bob', '2026-03-01', '2026-03-01')")
    before = users(owner)
    assert [user_id for user_id, *_ in before] == ["ann", "bob"]
    archive()
    archive(lake=None)
    assert users(owner) == before
