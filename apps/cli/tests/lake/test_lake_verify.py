"""`tracker lake verify` says each difference between manifests, files and the table, and nothing else."""

import json
import shutil

import duckdb
import pytest
from stored import DAY

from event_tracker.cli.lake.parquet_writer import ParquetWriter


@pytest.fixture
def target(tmp_path, stored, run):
    """A lake of two days."""
    stored.add(3)
    stored.add(5, day=1)
    run("export", tmp_path / "lake")
    return tmp_path / "lake"


def differences(run, target, *options):
    """The lines, but the last."""
    *lines, last = run("verify", target, *options, code=1).output.splitlines()
    assert last.endswith(f": {len(lines)} differences")
    return lines


def test_a_lake_that_is_as_the_table_says_has_none(run, target):
    assert run("verify", target, "--events").output == "2 days, 8 rows: 0 differences\n"


def test_what_has_changed_in_the_table(run, stored, owner, target):
    stored.add(source="shop")
    stored.add(day=2)
    owner.execute(
        "update events set properties = '{}' where timestamp >= %s and source = 'default'", [DAY.replace(day=2)]
    )
    assert differences(run, target) == [
        "2026-03-01: the table has changed since it was written: shop has 1 events, and had none",
        "2026-03-02: the table has changed since it was written: default has counted 5 events (epoch 1), and had 5 (epoch 0)",
        "2026-03-03: has no manifest",
    ]
    run("export", target)
    owner.execute("delete from event_counts where source = 'shop'")
    owner.execute("delete from event_counts where hour >= '2026-03-03 00:00Z'")
    assert differences(run, target) == [
        "2026-03-01: the table has changed since it was written: shop has no events, and had 1",
        "2026-03-03: has 1 events, and the table none",
    ]


def test_what_is_wrong_with_files(run, target):
    first, second = target / "events/day=2026-03-01", target / "events/day=2026-03-02"
    (first / "part-0.parquet").unlink()
    shutil.copy(second / "part-0.parquet", second / "part-1.parquet")
    with (second / "part-0.parquet").open("ab") as file:
        file.write(b"more")
    (target / "links/_manifest.json").write_text("{")
    (target / "_lake.json").unlink()
    assert differences(run, target) == [
        "_lake.json is missing, or can't be read",
        "2026-03-01: part-0.parquet is missing",
        "2026-03-02: part-1.parquet isn't in the manifest",
        "2026-03-02: part-0.parquet has {} bytes, and {} in the manifest".format(
            *(f"{(second / name).stat().st_size:,}" for name in ("part-0.parquet", "part-1.parquet"))
        ),
        "2026-03-02: part-0.parquet isn't Parquet",
        "links: the manifest can't be read",
    ]


def test_a_manifest_that_says_otherwise_than_its_file(run, target):
    path = target / "events/day=2026-03-01/_manifest.json"
    said = json.loads(path.read_bytes())
    said["files"][0]["rows"] = 4
    said["schema"] = 7
    path.write_text(json.dumps(said))
    assert differences(run, target) == [
        "2026-03-01: is of schema 7, and this is 1",
        "2026-03-01: part-0.parquet has 3 rows, and 4 in the manifest",
    ]


def test_a_link_that_was_made_since(run, owner, target):
    owner.execute(
        "insert into links (source, alias, person, at, event_id) values ('default', 'a', 'b', now(), gen_random_uuid())"
    )
    assert differences(run, target) == [
        f"{folder}: links have changed since it was written" for folder in ("links", "persons")
    ]


@pytest.mark.parametrize(
    "change", ["set properties = '{}'", "set session_id = 'x'", "set received_at = now() - interval '1 day'", None]
)
def test_events_that_are_others_while_counts_and_epoch_are_the_same(run, owner, target, change):
    """As after a restore from a backup of an earlier time."""
    statement = f"update events {change}" if change else "delete from events"
    owner.execute("alter table events disable trigger user")
    owner.execute(f"{statement} where ctid = (select min(ctid) from events where timestamp < '2026-03-02 00:00Z')")
    run("verify", target)
    said = (
        "events in part-0.parquet are others than in the table"
        if change
        else "part-0.parquet has 3 events, and the table 2"
    )
    assert differences(run, target, "--events") == [f"2026-03-01: {said}"]
    run("export", target, "--again")
    run("verify", target, "--events")


def test_a_file_that_was_made_by_hand(run, target):
    """Its manifest is right, and its events aren't."""
    day = target / "events/day=2026-03-01"
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create table e as from read_parquet('{day}/part-0.parquet', hive_partitioning = false)")
        connection.execute("update e set user_id = user_id || 'x'")
        connection.execute(f"copy e to '{day}/part-0.parquet' (format parquet)")
    assert any("SHA-256" in line or "bytes" in line for line in differences(run, target, "--events"))


def test_copies_of_a_verify_that_was_killed_are_deleted_by_the_next(run, target, tmp_path, monkeypatch):
    folders = []
    count = ParquetWriter.count

    def leave(writer, copy):
        folders.append(copy.parent)
        return count(writer, copy)

    monkeypatch.setattr(ParquetWriter, "count", leave)
    run("verify", target)
    (folder,) = set(folders)
    assert folder.parent == tmp_path
    assert not folder.exists()
    folder.mkdir()
    (folder / "99.parquet").write_bytes(b"a day")
    run("verify", target)
    assert set(folders) == {folder}
    assert not folder.exists()
