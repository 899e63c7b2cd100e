"""`tracker lake export` to a folder: a day's file is as the table is, and is written again exactly when that has changed."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import duckdb
import psycopg
import pytest
from click.testing import CliRunner
from lake_files import files_with, manifest, rows, tree
from stored import DAY

from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.lake import event_database
from event_tracker.cli.lake.event_database import LOCK, EventDatabase
from event_tracker.cli.lake.parquet_writer import ParquetWriter

NOON = DAY + timedelta(hours=12)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "lake"


def test_each_day_is_a_file_with_all_that_is_stored_in_the_order_of_user_time_and_id(run, stored, owner, target):
    properties = '{"n": 1.50, "big": 123456789012345678901234567890, "none": null, "text": "a,\\"b\\"\\n\\u2028", "deep": {"a": [1]}}'
    first, second = uuid.UUID(int=1), uuid.UUID(int=2)
    stored.add(user_id="zoe", timestamp=NOON, properties="{}")
    stored.add(user_id="ann", timestamp=NOON, event_id=second, source="shop", properties=properties)
    stored.add(user_id="ann", timestamp=NOON, event_id=first, source="blog", properties="{}")
    stored.add(user_id="\ufeffann", timestamp=NOON - timedelta(microseconds=1), properties="{}")
    stored.add(day=1)
    owner.execute("""update events set session_id = 'a,"b"', violations = '[{"field": "n"}]' where source = 'shop'""")
    owner.execute("delete from block_epochs")
    said = run("export", target).output
    assert "2026-03-01: 4 events, " in said
    assert "2 days written (5 events, " in said
    assert set(tree(target)) == {
        "_lake.json", "events/day=2026-03-01/_manifest.json", "events/day=2026-03-01/part-0.parquet",
        "events/day=2026-03-02/_manifest.json", "events/day=2026-03-02/part-0.parquet",
        "links/_manifest.json", "links/part-0.parquet", "persons/_manifest.json", "persons/part-0.parquet",
    }  # fmt: skip
    columns = "user_id, event_id, event_type, session_id, source, properties, violations, timestamp, received_at"
    expected = owner.execute(
        "select user_id, event_id::text, event_type, session_id, source, properties::text, violations::text,"
        ' "timestamp", received_at from events where "timestamp" < %s order by user_id, "timestamp", event_id',
        [DAY + timedelta(days=1)],
    ).fetchall()
    assert rows(target, columns)[:4] == expected
    assert [row[1] for row in expected[:2]] == [str(first), str(second)]
    assert json.loads(expected[1][5])["text"] == 'a,"b"\n\u2028'
    assert '"n": 1.50' in expected[1][5]
    described = duckdb.sql(
        f"select name, type, converted_type from parquet_schema('{target}/events/day=2026-03-01/part-0.parquet') where type is not null"
    ).fetchall()
    assert ("timestamp", "INT64", "TIMESTAMP_MICROS") in described
    assert ("event_id", "BYTE_ARRAY", "UTF8") in described


def test_the_manifest_says_of_what_state_the_files_are(run, stored, target):
    stored.add(3, source="shop")
    stored.add(2, source="blog")
    run("export", target)
    said = manifest(target, "2026-03-01")
    (file,) = said.pop("files")
    content = (target / "events/day=2026-03-01/part-0.parquet").read_bytes()
    assert (file["name"], file["rows"], file["bytes"]) == ("part-0.parquet", 5, len(content))
    assert said["made_from"] == [
        {"source": "blog", "counted": 2, "deleted": 0, "epoch": 0},
        {"source": "shop", "counted": 3, "deleted": 0, "epoch": 0},
    ]
    assert said["schema"] == 1
    assert said["database"] == json.loads((target / "_lake.json").read_bytes())["database"]
    assert datetime.fromisoformat(said["as_of"]) <= datetime.now(UTC)


def test_only_days_that_have_changed_are_written_again(run, stored, owner, target):
    stored.add(3)
    stored.add(3, day=1)
    stored.add(3, day=2)
    run("export", target)
    before = tree(target)
    assert "0 days written (0 events, 0 bytes), 0 removed, 3 unchanged" in run("export", target).output
    assert tree(target) == before
    stored.add(day=1, user_id="late")
    said = run("export", target).output
    assert "1 days written (4 events, " in said
    assert "2 unchanged" in said
    changed = {name for name, content in tree(target).items() if before[name] != content}
    assert changed == {"events/day=2026-03-02/_manifest.json", "events/day=2026-03-02/part-0.parquet"}
    # Changed, and the same number of events.
    owner.execute("update events set properties = '{}' where user_id = 'late'")
    assert "1 days written" in run("export", target).output
    assert manifest(target, "2026-03-02")["made_from"][0]["epoch"] == 1
    # All events of a day are gone.
    owner.execute("delete from events where timestamp < %s", [DAY + timedelta(days=1)])
    owner.execute("delete from event_counts where hour < %s", [DAY + timedelta(days=1)])
    said = run("export", target).output
    assert "2026-03-01: has no events any more, removed" in said
    assert "1 removed, 2 unchanged" in said
    assert not (target / "events/day=2026-03-01").exists()


@pytest.mark.parametrize("mode", ["--anonymise", None])
def test_nothing_in_any_file_is_left_of_a_user_who_was_erased(
    guarded_query, tracker, run, stored, owner, target, tmp_path, mode
):
    """The id, and a mark in their properties, looked for in every byte and in every value."""
    texts = ("gone-7f3a", "mark-91bc")
    for day in (0, 2):
        stored.add(5, day=day)
        stored.add(2, day=day, user_id=texts[0], properties=json.dumps({"note": texts[1], "more": {"x": texts[1]}}))
    stored.add(5, day=1)
    owner.execute(
        "insert into links (source, alias, person, at, event_id) values ('default', %s, 'user-1', now(), gen_random_uuid()),"
        " ('default', 'user-3', 'user-4', now(), gen_random_uuid())",
        [texts[0]],
    )
    run("export", target)
    holding = [f"events/day=2026-03-0{day}/part-0.parquet" for day in (1, 3)]
    assert files_with(target, texts[0]) == [*holding, "links/part-0.parquet", "persons/part-0.parquet"]
    assert files_with(target, texts[1]) == holding
    done = tracker("erase", texts[0], str(tmp_path / "receipt"), "--raw", *([mode] if mode else []))
    assert done.returncode == 0, done.stderr
    said = run("export", target).output
    assert "2 days written" in said
    assert "1 unchanged" in said
    assert files_with(target, *texts) == []
    assert len(rows(target)) == (19 if mode else 15)
    assert run("verify", target, "--events").output.endswith(": 0 differences\n")


def test_what_retention_deletes_leaves_the_lake(run, stored, owner, target, postgres, database):
    stored.add(3, source="shop", user_id="ann")
    stored.add(3, source="blog", user_id="bob")
    stored.add(3, day=1, source="shop", user_id="ann")
    run("export", target)
    owner.execute("insert into sources (name, keep) values ('shop', 30)")
    assert CliRunner().invoke(maintain, [], env={"DATABASE_URL": postgres.url(database)}).exit_code == 0
    said = run("export", target).output
    assert "1 days written (3 events, " in said
    assert "1 removed" in said
    assert {user for (user,) in rows(target, "user_id")} == {"bob"}
    assert "0 differences" in run("verify", target, "--events").output


def test_a_file_is_of_the_snapshot_of_its_counts(run, stored, target, monkeypatch):
    stored.add(3)
    copy = EventDatabase.copy_day

    def copy_late(*given):
        stored.add(user_id="late")
        return copy(*given)

    with monkeypatch.context() as patch:
        patch.setattr(EventDatabase, "copy_day", copy_late)
        assert "2026-03-01: 3 events" in run("export", target).output
    assert manifest(target, "2026-03-01")["made_from"][0]["counted"] == len(rows(target)) == 3
    assert "2026-03-01: 4 events" in run("export", target).output


def test_the_open_day_is_exported_on_request_and_from_then_on_always(run, stored, target):
    today = datetime.now(UTC)
    stored.add(user_id="ann", timestamp=today)
    assert "0 days written" in run("export", target).output
    assert "1 days written (1 events" in run("export", target, "--open-days").output
    stored.add(user_id="bob", timestamp=today)
    assert "1 days written (2 events" in run("export", target).output


def test_a_range_of_days(run, stored, target):
    for day in range(4):
        stored.add(day=day)
    run("export", target, "--from", "2026-03-02", "--to", "2026-03-04")
    assert sorted(path.name for path in (target / "events").iterdir()) == ["day=2026-03-02", "day=2026-03-03"]
    assert "isn" not in run("verify", target, "--from", "2026-03-02", "--to", "2026-03-04").output
    assert "2026-03-01: has no manifest" in run("verify", target, code=1).output
    assert "is no day such as" in run("export", target, "--from", "yesterday", code=2).output


def test_an_erasure_reaches_days_outside_the_range(run, stored, owner, target):
    """They are in the lake already. `--again` means those of the range only."""
    for day in range(3):
        stored.add(day=day)
        stored.add(day=day, user_id="gone-7f3a")
    run("export", target, "--to", "2026-03-03")
    owner.execute("delete from events where user_id = 'gone-7f3a' and timestamp < '2026-03-02 00:00Z'")
    said = run("export", target, "--from", "2026-03-02", "--to", "2026-03-03", "--again").output
    assert "2026-03-01: 1 events" in said
    assert "2 days written (3 events" in said
    assert files_with(target, "gone-7f3a") == ["events/day=2026-03-02/part-0.parquet"]
    said = run("export", target, "--from", "2026-03-02", "--to", "2026-03-03", "--again").output
    assert "1 days written (2 events" in said


def test_one_exports_at_a_time(run, stored, target, postgres, database):
    stored.add()
    with psycopg.connect(postgres.url(database, "query"), autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [LOCK])
        for command in ("export", "verify"):
            said = run(command, target, code=2).output
            assert "another `tracker lake` command of this database is running" in said
        assert not target.exists()
    run("export", target)


def test_a_day_whose_counters_say_otherwise_is_named(run, stored, owner, target):
    stored.add(3)
    owner.execute("update event_counts set count = count + 1 where ctid = (select min(ctid) from event_counts)")
    said = run("export", target).output
    assert "warning: 2026-03-01: 3 events are stored, and 4 are counted" in said
    assert "0 days written" in run("export", target).output


def test_a_file_of_many_events_is_in_order(tmp_path):
    """More than a row group, sorted by two threads."""
    csv, parquet = tmp_path / "events.csv", tmp_path / "sorted.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select range * 7919 % 1000003, 0, 'user-' || (hash(range) % 1000), uuid(), 'view', null, 'shop', '{}', null"
            f" from range(300000)) to '{csv}' (format csv, header false)"
        )
    files = ParquetWriter(tmp_path)
    assert files.write_events([csv], parquet) == files.count(parquet) == 300_000
    files.close()
    with duckdb.connect() as connection:
        found = connection.execute(f"select user_id, timestamp, event_id from read_parquet('{parquet}')").fetchall()
    assert found == sorted(found)


def test_a_day_that_is_read_in_pieces(run, stored, owner, target, monkeypatch):
    """Each with a whole number of rows, whatever is in them."""
    monkeypatch.setattr(event_database, "CSV_BYTES", 300)
    stored.add(20, properties='{"text": "a,\\"b\\"\\n"}')
    stored.add(20, event_type="two\nlines")
    owner.execute(
        "insert into links (source, alias, person, at, event_id)"
        " select 'default', 'one-' || n, 'two\n' || n, now(), gen_random_uuid() from generate_series(1, 20) as n"
    )
    sizes = []
    write = ParquetWriter.write_events
    monkeypatch.setattr(
        ParquetWriter, "write_events", lambda files, csv, parquet: sizes.append(len(csv)) or write(files, csv, parquet)
    )
    said = run("export", target).output
    assert sizes[0] > 10
    assert "links: 20 links, 20 ids that lead to another" in said
    assert "0 differences" in run("verify", target, "--events").output
