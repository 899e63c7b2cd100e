"""`tracker maintain --archive-first`: only what the lake has is deleted, and the lake keeps it from then on."""

import json

import pytest
from lake_bucket import LakeBucket
from lake_files import files_with, manifest, rows, tree

from event_tracker.cli.database.partitions import Month, make_partition
from event_tracker.cli.lake.archive import LakeArchive

MARCH = Month(2026, 3)


def stored_rows(owner):
    """The number of events in PostgreSQL."""
    return owner.execute("select count(*) from events").fetchone()[0]


def archived(owner):
    """The days and sources that only the lake has."""
    return owner.execute(
        "select (day at time zone 'UTC')::date::text, source from archived_days order by 1, 2"
    ).fetchall()


@pytest.mark.parametrize("is_month", [True, False], ids=["a month's partition", "the default partition"])
def test_what_the_lake_has_is_deleted_and_stays_in_the_lake(run, archive, stored, owner, target, is_month):
    if is_month:
        make_partition(owner, MARCH)
    for day in range(3):
        stored.add(4, day=day)
    run("export", target)
    before = rows(target)
    assert "freed 12 rows" in archive()
    assert stored_rows(owner) == 0
    assert archived(owner) == [(f"2026-03-0{day}", "default") for day in (1, 2, 3)]
    if is_month:
        assert owner.execute("select to_regclass('events_2026_03')").fetchone() == (None,)
    assert "0 days written (0 events, 0 bytes), 0 removed, 3 unchanged" in run("export", target).output
    assert "3 days, 12 rows: 0 differences" in run("verify", target, "--events").output
    assert rows(target) == before
    assert "3 days written" in run("export", target, "--again").output
    assert rows(target) == before


@pytest.mark.parametrize("wrong", ["a late event", "an erased event", "no file", "another file", "fewer rows"])
def test_a_month_stays_if_the_lake_has_not_all_of_it(run, archive, stored, owner, target, wrong):
    """The command names the day and says why. Once it is exported, the month is deleted."""
    make_partition(owner, MARCH)
    for day in range(3):
        stored.add(4, day=day)
    run("export", target)
    folder = target / "events/day=2026-03-02"
    match wrong:
        case "a late event":
            stored.add(day=1)
        case "an erased event":
            owner.execute(
                "delete from events where event_id in (select event_id from events where \"timestamp\" >= '2026-03-02' limit 1)"
            )
            owner.execute(
                "update event_counts set count = count - 1 where ctid = (select ctid from event_counts where hour >= '2026-03-02' and count > 1 limit 1)"
            )
        case "no file":
            (folder / "part-0.parquet").unlink()
        case "another file":
            (folder / "part-0.parquet").write_bytes((target / "events/day=2026-03-01/part-0.parquet").read_bytes())
        case "fewer rows":
            owner.execute(
                "update event_counts set count = count + 1 where ctid = (select ctid from event_counts where hour >= '2026-03-02' limit 1)"
            )
            run("export", target)
    events = stored_rows(owner)
    said = archive(code=1)
    assert "not deleted, since the lake hasn't got it: 2026-03-0" in said
    assert "2026-03-02: " in said or wrong == "an erased event"
    assert "2026-03-01: " not in said
    assert stored_rows(owner) == events
    assert archived(owner) == []
    if wrong != "fewer rows":
        run("export", target)
        archive()
        assert stored_rows(owner) == 0
        assert len(rows(target)) == events


@pytest.mark.parametrize("is_month", [True, False], ids=["a month's partition", "the default partition"])
def test_events_that_took_the_place_of_lost_ones_are_not_deleted(run, archive, stored, owner, target, is_month):
    """A failover lost an exported event, and another one came in: counts and epoch are those of the manifest."""
    if is_month:
        make_partition(owner, MARCH)
    stored.add(4)
    stored.add(2, source="shop")
    run("export", target)
    with owner.transaction():
        owner.execute("set local session_replication_role = replica")
        owner.execute(
            "update events set user_id = 'new-7f3a' where ctid = (select ctid from events where source = 'shop' limit 1)"
        )
    assert "1 unchanged" in run("export", target).output
    assert "2026-03-01: its file has other events of shop than the database" in archive(code=1)
    assert stored_rows(owner) == 6
    assert archived(owner) == []
    run("export", target, "--again")
    archive()
    assert stored_rows(owner) == 0
    assert len([row for row in rows(target) if "new-7f3a" in row]) == 1


def test_other_days_of_the_default_partition_are_deleted(run, archive, stored, owner, target):
    for day in range(3):
        stored.add(4, day=day)
    run("export", target)
    stored.add(day=1)
    said = archive(code=1)
    assert "2026-03-02: events of default were added or changed since it was exported" in said
    assert "events_default: 8 rows" in said
    assert archived(owner) == [("2026-03-01", "default"), ("2026-03-03", "default")]


def test_events_that_come_between_the_check_and_the_drop_keep_their_month(
    run, archive, stored, owner, target, monkeypatch
):
    """Marks keep them out; should a collector not look at these, the transaction that deletes finds them."""
    make_partition(owner, MARCH)
    stored.add(4)
    run("export", target)
    check = LakeArchive.check

    def check_late(self, day, sources):
        check(self, day, sources)
        stored.add()

    monkeypatch.setattr(LakeArchive, "check", check_late)
    assert "2026-03-01: events of default were added or changed since" in archive(code=1)
    assert stored_rows(owner) == 5
    assert archived(owner) == []


def test_a_late_event_of_a_source_that_is_kept_longer_takes_nothing_from_the_day(run, archive, stored, owner, target):
    owner.execute("insert into sources (name, keep) values ('shop', 30)")
    stored.add(3, source="shop")
    stored.add(3, source="blog")
    run("export", target)
    archive(keep=None)
    assert archived(owner) == [("2026-03-01", "shop")]
    assert stored_rows(owner) == 3
    stored.add(source="blog")
    shop = [row for row in rows(target) if "shop" in row]
    assert "1 days written (7 events" in run("export", target).output
    assert [row for row in rows(target) if "shop" in row] == shop
    assert "1 days, 7 rows: 0 differences" in run("verify", target, "--events").output
    assert [one["source"] for one in manifest(target, "2026-03-01")["made_from"]] == ["blog", "shop"]
    archive()
    assert stored_rows(owner) == 0
    assert "1 unchanged" in run("export", target).output


def test_a_bucket_keeps_what_was_deleted(run, archive, stored, owner, moto, tmp_path):
    bucket = LakeBucket(moto)
    stored.add(4)
    stored.add(user_id="gone-7f3a", day=1)
    stored.add(day=1)
    run("export", bucket.target, **bucket.settings)
    archive(lake=bucket.target, **bucket.settings)
    assert stored_rows(owner) == 0
    owner.execute("insert into archive_erasures (user_id) values ('gone-7f3a')")
    archive(lake=bucket.target, **bucket.settings)
    assert files_with(bucket.download(tmp_path / "copy"), "gone-7f3a") == []
    assert "2 unchanged" in run("export", bucket.target, **bucket.settings).output
    assert len(rows(tmp_path / "copy")) == 5


def test_a_file_that_is_the_only_copy_is_not_written_over(run, archive, stored, owner, target):
    """Where it is missing or damaged, an export says so, also with --again."""
    owner.execute("insert into sources (name, keep) values ('shop', 30)")
    stored.add(3, source="shop")
    stored.add(3, source="blog")
    run("export", target)
    archive(keep=None)
    path = target / "events/day=2026-03-01/part-0.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    before = tree(target)
    for options in ([], ["--again"]):
        said = run("export", target, *options, code=2).output
        assert "can't write 2026-03-01: part-0.parquet has another SHA-256 than in the manifest" in said
        assert tree(target)["events/day=2026-03-01/part-0.parquet"] == before["events/day=2026-03-01/part-0.parquet"]
    path.unlink()
    assert "can't write 2026-03-01: part-0.parquet is missing" in run("export", target, code=2).output


def test_without_the_lake_nothing_is_deleted_and_the_other_upkeep_is_done(archive, stored, owner, target):
    stored.add(3)
    said = archive(code=1)
    assert "folded" in said
    assert "built 1 blocks" in said
    assert f"nothing more was deleted: {target} is no lake yet: run `tracker lake export` first" in said
    assert stored_rows(owner) == 3


def test_only_one_lake_has_archived_events(run, archive, stored, owner, target, tmp_path):
    stored.add(3)
    other = tmp_path / "other"
    assert "is no lake yet" in archive(code=1)
    run("export", target)
    run("export", other)
    archive()
    assert "isn't the lake that has the archived events" in archive(lake=other, code=1)
    assert "1 removed" in run("export", other).output
    before = tree(target)
    (target / "_lake.json").unlink()
    for options in ([], ["--again"]):
        run("export", target, *options, code=2)
    assert {**tree(target), "_lake.json": before["_lake.json"]} == before
    (target / "_lake.json").write_bytes(before["_lake.json"])
    owner.execute("delete from archived_days")
    owner.execute("delete from archive")
    assert "has archived events of which this database doesn't know" in run("export", target, "--again", code=2).output
    assert tree(target) == before


def test_who_was_erased_is_in_no_byte_of_the_lake(run, archive, stored, owner, target):
    note = json.dumps({"note": "mark-91bc"})
    for day in range(2):
        stored.add(3, day=day)
        stored.add(user_id="gone-7f3a", properties=note, day=day, source="shop")
        stored.add(user_id="gone-7f3a", day=day, source="blog")
    stored.add(day=2)
    run("export", target)
    archive()
    before = rows(target)
    assert "erased" not in archive()
    owner.execute("insert into archive_erasures (user_id, sources) values ('gone-7f3a', '{shop,other}')")
    assert "erased 2 archived events of 1 ids: 2 of 3 days written again" in archive()
    assert files_with(target, "mark-91bc") == []
    assert rows(target) == [row for row in before if "shop" not in row]
    owner.execute("insert into archive_erasures (user_id) values ('gone-7f3a')")
    archive()
    assert files_with(target, "gone-7f3a") == []
    assert rows(target) == [row for row in before if "gone-7f3a" not in row]
    assert owner.execute("select from archive_erasures").fetchall() == []
    assert "0 days written (0 events, 0 bytes), 0 removed, 3 unchanged" in run("export", target).output
    run("verify", target, "--events")
