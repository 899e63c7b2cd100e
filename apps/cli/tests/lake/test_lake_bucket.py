"""`tracker lake` with a bucket of S3 (moto, over HTTP)."""

import json

import pytest
from lake_bucket import LakeBucket
from lake_files import files_with, tree

from event_tracker.core.storage import bucket as bucket_storage


@pytest.fixture
def bucket(moto):
    return LakeBucket(moto)


def test_a_bucket_gets_what_a_folder_gets(run, stored, bucket, tmp_path):
    stored.add(3)
    stored.add(3, day=1)
    said = run("export", bucket.target, **bucket.settings).output
    assert said == run("export", tmp_path / "lake").output
    in_bucket, in_folder = tree(bucket.download(tmp_path / "copy")), tree(tmp_path / "lake")
    assert in_bucket.keys() == in_folder.keys()
    for name, content in in_folder.items():
        if name.endswith(".parquet"):
            assert in_bucket[name] == content
    assert "0 days written" in run("export", bucket.target, **bucket.settings).output
    assert ": 0 differences" in run("verify", bucket.target, "--events", **bucket.settings).output


def test_no_object_has_anything_of_a_user_who_was_erased(run, stored, owner, bucket, tmp_path):
    stored.add(3)
    stored.add(user_id="gone-7f3a", properties=json.dumps({"note": "mark-91bc"}))
    stored.add(day=1, user_id="gone-7f3a")
    run("export", bucket.target, **bucket.settings)
    assert len(files_with(bucket.download(tmp_path / "before"), "gone-7f3a", "mark-91bc")) == 2
    owner.execute("delete from events where user_id = 'gone-7f3a'")
    owner.execute("delete from event_counts where hour >= '2026-03-02 00:00Z'")
    said = run("export", bucket.target, **bucket.settings).output
    assert "2026-03-02: has no events any more, removed" in said
    assert files_with(bucket.download(tmp_path / "after"), "gone-7f3a", "mark-91bc") == []
    assert not [key for key in bucket.list_keys() if "2026-03-02" in key]


def test_an_object_that_somebody_has_replaced_is_written_again(run, stored, bucket):
    stored.add(3)
    run("export", bucket.target, **bucket.settings)
    key = "of/shop/events/day=2026-03-01/part-0.parquet"
    size = bucket.s3.head_object(Bucket=bucket.name, Key=key)["ContentLength"]
    bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=b"x" * size)
    said = run("verify", bucket.target, code=1, **bucket.settings).output
    assert "2026-03-01: part-0.parquet has another SHA-256 than in the manifest" in said
    assert "2026-03-01: part-0.parquet isn't Parquet" in said
    assert "1 days written" in run("export", bucket.target, **bucket.settings).output
    run("verify", bucket.target, **bucket.settings)


def test_a_file_that_is_too_large_for_one_request_and_what_is_left_of_one(run, stored, bucket, monkeypatch):
    monkeypatch.setattr(bucket_storage, "MAX_BYTES_AT_ONCE", 1)
    key = "of/shop/events/day=2026-03-01/part-0.parquet"
    bucket.s3.create_multipart_upload(Bucket=bucket.name, Key=key)
    bucket.s3.create_multipart_upload(Bucket=bucket.name, Key="of/others")
    stored.add(3)
    run("export", bucket.target, **bucket.settings)
    left = bucket.s3.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    assert [upload["Key"] for upload in left] == ["of/others"]
    assert "0 days written" in run("export", bucket.target, **bucket.settings).output
    run("verify", bucket.target, **bucket.settings)


def test_uploads_of_others_are_left_alone(run, stored, bucket):
    """Of other programs in the same bucket, and of the lake's own exporter, if it is of another database."""
    theirs = ["events/day=2026-03-01/other.parquet", "events/part-0.parquet", "links/a/part-0.parquet", "else"]
    ours = ["events/day=2026-03-01/part-0.parquet", "links/part-0.parquet", "persons/part-0.parquet"]
    for key in (*theirs, *ours):
        bucket.s3.create_multipart_upload(Bucket=bucket.name, Key=key)

    def left():
        return {upload["Key"] for upload in bucket.s3.list_multipart_uploads(Bucket=bucket.name)["Uploads"]}

    target = f"s3://{bucket.name}"
    bucket.s3.put_object(Bucket=bucket.name, Key="_lake.json", Body=b'{"schema": 1, "database": "7/1"}')
    assert "holds the events of another database" in run("export", target, code=2, **bucket.settings).output
    assert left() == {*theirs, *ours}
    bucket.s3.delete_object(Bucket=bucket.name, Key="_lake.json")
    run("export", target, **bucket.settings)
    assert left() == set(theirs)


def test_what_s3_refuses_ends_the_command_with_its_reason(run, stored, bucket):
    stored.add()
    said = run("export", "s3://there-is-none/x", code=2, **bucket.settings).output
    assert "NoSuchBucket" in said
    assert "Run it again: what was done stays." in said
    assert "names no bucket" in run("export", "s3://", code=2).output
    assert "is neither a folder nor s3://bucket/prefix" in run("export", "gs://bucket", code=2).output
