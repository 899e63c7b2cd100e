"""A database that may not be the one, or not as new, as the lake was written from leaves the lake alone."""

import json
from datetime import UTC, datetime

import pytest
from lake_files import files_with, rows, tree


@pytest.fixture
def target(tmp_path):
    return tmp_path / "lake"


def test_a_lake_of_another_database_is_left_alone(run, stored, target):
    stored.add()
    run("export", target)
    (target / "_lake.json").write_text('{"schema": 1, "database": "7/1"}')
    (target / ".writing").mkdir()
    (target / ".writing/of-its-exporter").write_text("half")
    before = tree(target)
    assert "holds the events of another database" in run("export", target, code=2).output
    assert tree(target) == before
    assert "1 days written" in run("export", target, "--again").output
    assert "0 days written" in run("export", target).output


def test_a_lake_without_a_marker_may_be_of_another_database(run, stored, owner, target):
    """An empty one would delete all of it."""
    stored.add()
    run("export", target)
    (target / "_lake.json").unlink()
    before = tree(target)
    assert "has days, and no _lake.json that says of which database they are" in run("export", target, code=2).output
    assert tree(target) == before
    assert "1 days written" in run("export", target, "--again").output
    assert "0 days written" in run("export", target).output


@pytest.mark.parametrize("later", [{"epoch": 1}, {"counted": 4}])
def test_a_database_that_is_behind_the_lake_changes_nothing(run, stored, target, later):
    """A standby that lags, or one that was restored to an earlier time."""
    stored.add(3)
    stored.add(day=1)
    run("export", target)
    path = target / "events/day=2026-03-01/_manifest.json"
    said = json.loads(path.read_bytes())
    said["made_from"][0] |= later
    path.write_text(json.dumps(said))
    stored.add(day=1)
    before = tree(target)
    output = run("export", target, code=2).output
    assert "2026-03-01: the lake is ahead of this database" in output
    assert "1 days written (2 events" in output
    assert {name for name, content in tree(target).items() if before[name] != content} == {
        "events/day=2026-03-02/_manifest.json", "events/day=2026-03-02/part-0.parquet",
    }  # fmt: skip
    assert "2 days written" in run("export", target, "--again").output
    assert "0 days written" in run("export", target).output


@pytest.mark.parametrize("lost", ["a day", "a source of a day"])
def test_a_database_that_has_lost_events_deletes_none_of_the_lake(run, stored, owner, target, lost):
    """As a standby that lags, or a restore of an earlier time: neither events nor counts nor epochs are there."""
    stored.add(3, source="shop")
    if lost == "a source of a day":
        stored.add(3, source="blog")
    run("export", target)
    before = tree(target)
    owner.execute("delete from events where source = 'shop'")
    owner.execute("delete from event_counts where source = 'shop'")
    owner.execute("delete from block_epochs")
    said = run("export", target, code=2).output
    assert "2026-03-01: the lake is ahead of this database" in said
    assert "0 removed, 0 unchanged, 1 failed" in said
    assert tree(target) == before
    # Events that were deleted have moved the epoch.
    owner.execute("insert into block_epochs (day, source, epoch) values ('2026-03-01 00:00Z', 'shop', 1)")
    run("export", target)
    assert "shop" not in {source for (source,) in rows(target, "source")}


def test_links_that_were_written_from_a_later_state_are_left_alone(run, stored, owner, target):
    """So that a standby that lags brings no id back that was erased."""
    stored.add()
    add = "insert into links (source, alias, person, at, event_id) values ('default', %s, 'ann', now(), gen_random_uuid())"
    owner.execute(add, ["a"])
    run("export", target)
    owner.execute(add, ["gone-7f3a"])
    paths = [target / folder / "_manifest.json" for folder in ("links", "persons")]
    before = tree(target)
    for path in paths:
        said = path.read_text()
        path.write_text(json.dumps(json.loads(said) | {"as_of": "2100-01-01T00:00:00Z"}))
        assert "links: the lake is ahead of this database" in run("export", target, code=2).output
        assert files_with(target, "gone-7f3a") == []
        path.write_text(said)
    assert tree(target) == before
    run("export", target)
    assert files_with(target, "gone-7f3a") == ["links/part-0.parquet", "persons/part-0.parquet"]


@pytest.mark.parametrize("whole", [True, False], ids=["a day", "a source of a day"])
def test_what_was_erased_later_does_not_come_back(run, stored, owner, target, whole):
    """From a standby that has it still: neither a day that was removed, nor a source that its day's manifest doesn't name any more."""
    stored.add(user_id="gone-7f3a", source="shop")
    if not whole:
        stored.add(source="blog")
    run("export", target)
    owner.execute("delete from events where source = 'shop'")
    owner.execute("delete from event_counts where source = 'shop'")
    run("export", target)
    path = target / ("_lake.json" if whole else "events/day=2026-03-01/_manifest.json")
    name = "removed_as_of" if whole else "as_of"
    said = json.loads(path.read_bytes())
    assert datetime.fromisoformat(said[name]) <= datetime.now(UTC)
    path.write_text(json.dumps(said | {name: "2100-01-01T00:00:00Z"}))
    stored.add(user_id="gone-7f3a", source="shop")
    assert "2026-03-01: the lake is ahead of this database" in run("export", target, code=2).output
    assert files_with(target, "gone-7f3a") == []
    path.write_text(json.dumps(said))
    run("export", target)
    assert files_with(target, "gone-7f3a") == ["events/day=2026-03-01/part-0.parquet"]
