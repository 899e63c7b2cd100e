"""An export that is killed at any step leaves the rest to the next run, and nothing else."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import boto3
import pytest
from lake_files import manifest, tree
from moto_server import CREDENTIALS

STEPS = {
    "with the rows on the disk": ("event_tracker.cli.lake.parquet_writer:ParquetWriter.write_events", True, 2),
    "with a file that isn't in its place": (
        "event_tracker.cli.lake.parquet_writer:ParquetWriter.write_events",
        False,
        2,
    ),
    "between a file and its manifest": ("{target}.move", False, 2),
    "between a file in place of another and its manifest": ("{target}.move", False, 1),
    "with one day done": ("{target}.move", False, 3),
}
"""Step → what is stopped, whether before it or after it, and at which call."""

KILLED = """
import os, signal
from importlib import import_module
from event_tracker.cli.__main__ import main

module, name = {place!r}.split(":")
owner, step = name.split(".")
owner = getattr(import_module(module), owner)
whole, calls = getattr(owner, step), 0

def stop(*given):
    global calls
    calls += 1
    if calls == {number} and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    result = whole(*given)
    if calls == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, step, stop)
main()
"""

FOLDER, BUCKET = "event_tracker.core.storage.folder:FolderStorage", "event_tracker.core.storage.bucket:BucketStorage"


@pytest.fixture
def kill(postgres, database, tmp_path) -> Callable[..., None]:
    """A function that runs an export, and kills it at a step."""

    def call(target: object, kind: str, step: str, **settings: str) -> None:
        place, before, number = STEPS[step]
        program = KILLED.format(place=place.format(target=kind), before=before, number=number)
        environment = {
            **os.environ, "DATABASE_URL": postgres.url(database, "query"), "TMPDIR": str(tmp_path), **settings,
        }  # fmt: skip
        command = [sys.executable, "-c", program, "lake", "export", str(target)]
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr

    return call


def content(files: dict[str, bytes]) -> dict[str, bytes]:
    """Those of events and links. Manifests also say when they were made."""
    return {name: data for name, data in files.items() if not name.endswith("_manifest.json")}


@pytest.mark.parametrize("step", STEPS)
def test_the_next_run_leaves_what_a_run_without_end_had_left(kill, run, stored, owner, tmp_path, step):
    """The day of one who is erased meanwhile, too."""
    target, other = tmp_path / "lake", tmp_path / "other"
    for day in range(2):
        stored.add(3, day=day)
    stored.add(day=1, user_id="gone-7f3a")
    if "in place of another" in step:
        run("export", target)
        stored.add(day=0, user_id="late")
        stored.add(day=1, user_id="late")
    kill(target, FOLDER, step)
    owner.execute("delete from events where user_id = 'gone-7f3a'")
    owner.execute("delete from event_counts")
    owner.execute(
        "insert into event_counts select date_bin('1 hour', \"timestamp\", '2000-01-01 00:00Z'), event_type, source, 0, count(*)"
        " from events group by 1, 2, 3"
    )
    run("export", target)
    run("export", other)
    assert content(tree(target)) == content(tree(other))
    assert manifest(target, "2026-03-02")["files"] == manifest(other, "2026-03-02")["files"]
    assert not (target / ".writing").exists()
    run("verify", target, "--events")


@pytest.mark.parametrize("step", ["with the rows on the disk", "between a file and its manifest"])
def test_the_same_in_a_bucket(kill, run, stored, moto, tmp_path, step):
    settings = {**CREDENTIALS, "AWS_ENDPOINT_URL": moto}
    bucket = f"lake-{tmp_path.name.replace('_', '-')}"[:60].rstrip("-")
    s3 = boto3.client(
        "s3", endpoint_url=moto, region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-"
    )
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for day in range(2):
        stored.add(3, day=day)
    kill(f"s3://{bucket}/here", BUCKET, step, **settings)
    assert list(tmp_path.glob("tracker-lake-*/*"))
    run("export", f"s3://{bucket}/here", **settings)
    assert list(tmp_path.glob("tracker-lake-*")) == []
    run("verify", f"s3://{bucket}/here", "--events", **settings)
