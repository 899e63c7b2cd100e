"""Files in a folder and in a bucket (moto, over HTTP): the same calls do the same."""

import boto3
import pytest
from moto_server import CREDENTIALS, moto_server

from event_tracker.core.storage.bucket import split_s3_url
from event_tracker.core.storage.files import StorageError
from event_tracker.core.storage.folder import FolderStorage
from event_tracker.core.storage.opening import open_storage

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an S3 with an empty bucket, `files`."""
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def s3(server, monkeypatch):
    """A client of that S3, which is also what `open_storage` finds."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("s3")
    client.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    for one in client.list_objects_v2(Bucket="files").get("Contents", []):
        client.delete_object(Bucket="files", Key=one["Key"])
    client.delete_bucket(Bucket="files")


@pytest.fixture(params=["folder", "bucket"])
def storage(request, s3, tmp_path):
    return open_storage({"folder": str(tmp_path / "of"), "bucket": "s3://files/of"}[request.param], attempts=1)


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://lake", "lake", ""),
        ("s3://lake/", "lake", ""),
        ("s3://lake/a/b", "lake", "a/b/"),
        ("s3://lake//a/b//", "lake", "a/b/"),
        ("s3:///a", "", "a/"),
    ],
)
def test_a_bucket_and_how_its_keys_begin(url, bucket, prefix):
    assert split_s3_url(url) == (bucket, prefix)


def test_what_is_put_or_moved_is_read_listed_and_deleted(storage, tmp_path):
    storage.put("days/1/a.csv", b"first")
    storage.put("days/1/a.csv", b"second")
    source = tmp_path / "of" / "made" if isinstance(storage, FolderStorage) else tmp_path / "made"
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(b"moved")
    moved = storage.move(source, "days/2/b.csv")
    storage.put("other/c.csv", b"")
    assert not source.exists()
    assert storage.read("days/1/a.csv") == b"second"
    assert storage.fetch("days/2/b.csv", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"moved"
    assert storage.has("days/2/b.csv")
    listed = storage.list(["days/", "other/c.csv", "nothing.json"])
    assert {path: file.bytes for path, file in listed.items()} == {
        "days/1/a.csv": 6,
        "days/2/b.csv": 5,
        "other/c.csv": 0,
    }
    assert listed["days/2/b.csv"] == moved
    storage.delete("days/2/b.csv")
    assert storage.list(["days/"]).keys() == {"days/1/a.csv"}


def test_what_is_not_there_is_no_error(storage, tmp_path):
    assert storage.read("a.csv") is None
    assert not storage.fetch("a.csv", tmp_path / "copy")
    assert not storage.has("a.csv")
    assert storage.list(["days/", "a.csv"]) == {}


def test_what_a_bucket_refuses_has_a_kind(s3):
    gone = open_storage("s3://another-one/of", attempts=1)
    with pytest.raises(StorageError) as refused:
        gone.put("a.csv", b"1")
    assert refused.value.kind == "access"
    assert not gone.has("a.csv")


def test_a_bucket_that_does_not_answer_has_a_kind(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError) as failed:
        open_storage("s3://files/of", attempts=1).put("a.csv", b"1")
    assert failed.value.kind == "connection"


def test_a_name_without_a_bucket_is_refused():
    with pytest.raises(ValueError, match="names no bucket"):
        open_storage("s3:///of", attempts=1)
