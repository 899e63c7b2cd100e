"""Questions over days that only the lake has: what they say, who sees what, and what an erasure changes at once."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from click.testing import CliRunner
from lake_bucket import LakeBucket
from lake_files import files_with
from moto_server import moto_server
from world import World, an_event

from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.lake.command import lake as lake_command

KEPT = 30
"""Days for which events stay in PostgreSQL."""


def at(days, minutes=0):
    """A time so many days ago, as it is sent."""
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return (noon - timedelta(days=days) + timedelta(minutes=minutes)).isoformat()


def last(days):
    """The range of the last days, to the beginning of today."""
    today = datetime.now(UTC).date()
    return {"from": f"{today - timedelta(days=days)}T00:00:00Z", "to": f"{today}T00:00:00Z"}


class Archive:
    """A world whose old events only the lake has."""

    def __init__(self, world, target, query, folder, settings):
        self.world, self.target, self.query, self.cache, self.settings = world, target, query, folder, settings
        self.headers = world.admin()

    def run(self, *arguments):
        environment = {"DATABASE_URL": self.world.postgres.url(self.world.database), **self.settings}
        result = CliRunner().invoke(lake_command, [*arguments, str(self.target)], env=environment)
        assert result.exit_code == 0, result.output
        return result.output

    def keep(self):
        """Export everything, then delete what is older than KEPT."""
        self.run("export")
        self.world.maintain("--keep", f"{KEPT}days", "--archive-first", str(self.target))

    def get(self, path, code=200, headers=None, **parameters):
        url = f"{self.query.url}{path}"
        answer = requests.get(url, params=parameters, headers=headers or self.headers, timeout=60)
        assert answer.status_code == code, answer.text
        return answer.json()


@pytest.fixture
def archive(postgres, database, start_service, owner, tmp_path):
    world = World(postgres, database, start_service, owner)
    target, cache = tmp_path / "lake", tmp_path / "cache"
    return Archive(
        world, target, world.start_query(LAKE=str(target), CACHE_FOLDER=str(cache), EXPLAIN="true"), cache, {}
    )


def test_answers_reach_back_into_the_lake_and_say_how_far(archive):
    shop = archive.world.make_source("shop")
    archive.world.send([an_event("ann", at(40), 1), an_event("bob", at(50), 1), an_event("ann", at(3), 2)])
    archive.world.send([an_event("carol", at(45), 1)], shop)
    before = archive.get("/stats/sessions", **last(60))
    archive.keep()
    assert archive.world.owner.execute("select count(*) from events").fetchone() == (1,)
    after = archive.get("/stats/sessions", **last(60))
    unequal = {name for name in before if before[name] != after[name]}
    assert unequal == {"as_of"}
    assert after["complete_from"] == after["from"]
    explained = archive.get("/stats/sessions", explain="true", **last(60))
    assert explained["explain"]["archived_days"] == 3
    # Who sees one source sees nothing of the others there, either.
    restricted = archive.world.admin("shop")
    assert archive.get("/stats/sessions", headers=restricted, **last(60))["users"] == 1
    assert archive.get("/stats/users", headers=restricted, **last(60))["new"] == 1
    assert archive.get("/stats/users", **last(60))["new"] == 3
    # The service without the setting answers over what PostgreSQL has, as ever.
    url = f"{archive.world.query.url}/stats/sessions"
    alone = requests.get(url, params=last(60), headers=archive.headers, timeout=60).json()
    assert (alone["users"], "complete_from" in alone) == (1, False)


def test_an_answer_says_from_when_on_it_is_complete(archive):
    """Events that were deleted without an archive are gone."""
    archive.world.send([an_event("ann", at(50), 1), an_event("ann", at(40), 2), an_event("ann", at(3), 3)])
    archive.world.maintain("--keep", "45days")
    archive.keep()
    body = archive.get("/stats/sessions", **last(60))
    gone = datetime.fromisoformat(at(50)).date()
    assert (body["events"], body["complete_from"]) == (2, f"{gone + timedelta(days=1)}T00:00:00Z")
    later = archive.get("/stats/sessions", **last(45))
    assert later["complete_from"] == later["from"]


def test_who_is_erased_is_in_no_answer_at_once_and_in_no_byte_after_the_next_run(archive):
    for days in (40, 45):
        archive.world.send([an_event("gone-7f3a", at(days), 1, properties={"note": "mark-91bc"})])
        archive.world.send([an_event("ann", at(days, 1), 1)])
    archive.keep()
    range_ = last(60)
    note = {"key": "note", **range_}
    assert archive.get("/stats/top-properties", **note)["total"] == 2
    first = requests.get(f"{archive.query.url}/stats/sessions", params=range_, headers=archive.headers, timeout=60)
    assert first.json()["users"] == 2
    assert archive.world.erase("gone-7f3a").status_code == 200
    assert archive.world.owner.execute("select user_id from archive_erasures").fetchall() == [("gone-7f3a",)]
    assert files_with(archive.target, "gone-7f3a")
    conditional = {**archive.headers, "If-None-Match": first.headers["ETag"]}
    again = requests.get(f"{archive.query.url}/stats/sessions", params=range_, headers=conditional, timeout=60)
    assert (again.status_code, again.json()["users"]) == (200, 1)
    assert archive.get("/stats/top-properties", **note)["total"] == 0
    assert "erased 2 archived events of 1 ids: 2 of 2 days written again" in archive.run("erase")
    assert archive.world.owner.execute("select from archive_erasures").fetchall() == []
    assert files_with(archive.target, "gone-7f3a", "mark-91bc") == []
    assert archive.get("/stats/top-properties", **note)["total"] == 0
    assert archive.get("/stats/sessions", **range_)["users"] == 1


def test_an_erasure_notes_nobody_while_nothing_is_archived(archive):
    archive.world.send([an_event("ann", at(3), 1)])
    archive.keep()
    assert archive.world.owner.execute("select count(*) from archive").fetchone() == (1,)
    assert archive.world.erase("ann").status_code == 200
    assert archive.world.owner.execute("select from archive_erasures").fetchall() == []


def test_one_who_comes_back_after_an_erasure_is_counted_with_what_is_new(archive):
    archive.world.send([an_event("ann", at(40), 1), an_event("ann", at(3), 1)])
    archive.keep()
    archive.world.erase("ann")
    archive.world.send([an_event("ann", at(2), 1)])
    assert archive.get("/stats/sessions", **last(60))["events"] == 1


def test_without_the_lake_only_questions_that_need_it_are_refused(archive):
    archive.world.send([an_event("ann", at(40), 1), an_event("ann", at(3), 2)])
    archive.keep()
    aside = archive.target.with_name("aside")
    archive.target.rename(aside)
    body = archive.get("/stats/sessions", code=503, **last(60))
    assert body["code"] == "lake_unavailable"
    assert str(datetime.fromisoformat(at(40)).date()) in body["detail"]
    assert archive.get("/stats/sessions", **last(20))["events"] == 1
    aside.rename(archive.target)
    assert archive.get("/stats/sessions", **last(60))["events"] == 2


@pytest.mark.parametrize("wrong", ["a file", "the lake"])
def test_a_file_that_is_not_what_was_written_is_not_read(archive, wrong):
    archive.world.send([an_event("ann", at(40), 1), an_event("bob", at(41), 1)])
    archive.keep()
    if wrong == "a file":
        first, second = sorted(archive.target.glob("events/*/*.parquet"))
        first.write_bytes(second.read_bytes())
    else:
        marker = archive.target / "_lake.json"
        marker.write_text(
            marker.read_text().replace('"archive": "', '"archive": "00000000-0000-0000-0000-000000000000", "was": "')
        )
    assert archive.get("/stats/sessions", code=503, **last(60))["code"] == "lake_unavailable"


def test_a_lake_in_a_bucket_is_read(postgres, database, start_service, owner, tmp_path_factory):
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        bucket = LakeBucket(url)
        world = World(postgres, database, start_service, owner)
        query = world.start_query(LAKE=bucket.target, **bucket.settings)
        archive = Archive(world, bucket.target, query, None, bucket.settings)
        world.send([an_event("ann", at(40), 1), an_event("ann", at(3), 2)])
        archive.run("export")
        environment = {"DATABASE_URL": postgres.url(database), **bucket.settings}
        arguments = ["--keep", f"{KEPT}days", "--archive-first", bucket.target]
        result = CliRunner().invoke(maintain, arguments, env=environment)
        assert result.exit_code == 0, result.output
        assert archive.get("/stats/sessions", **last(60))["events"] == 2
        for key in bucket.list_keys():
            bucket.s3.delete_object(Bucket=bucket.name, Key=key)
        assert archive.get("/stats/sessions", **last(60))["events"] == 2
        other = world.start_query(LAKE=bucket.target, **bucket.settings)
        empty = Archive(world, bucket.target, other, None, bucket.settings)
        assert empty.get("/stats/sessions", code=503, **last(60))["code"] == "lake_unavailable"
