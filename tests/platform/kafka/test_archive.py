"""The archive on a real Kafka: each record is in exactly one file, whatever happens."""

import os
import signal
import uuid

import boto3
import pytest
from archived import check_archive, read_file, read_folder, wait_archived
from moto_server import CREDENTIALS, FailingProxy, moto_server
from storers import Sender, ends, is_all_committed
from stream_processes import stream_processes
from waiting import wait_until

KILLS = int(os.environ.get("KAFKA_KILLS", "10"))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "archive"


@pytest.fixture
def start(tmp_path, kafka, topic, folder):
    """A function that starts an archive of the topic, with 10 records a file."""
    common = {"ARCHIVE_TOPIC": topic, "KAFKA_GROUP": topic, "ARCHIVE_TARGET": folder, "ARCHIVE_RECORDS": 10}
    with stream_processes(tmp_path, kafka, "archive", common) as start_archive:
        yield start_archive


@pytest.mark.parametrize(
    ("format_", "compression"), [("ndjson", "none"), ("ndjson", "zstd"), ("csv", "gzip"), ("parquet", "zstd")]
)
def test_records_are_in_files_of_ten(kafka, topic, folder, start, format_, compression):
    sender = Sender(kafka, topic)
    sender.send(500)
    sender.send_record(None, key=b"user-1")
    sender.send_record(b"{", key=b"user-1")
    archive = start(ARCHIVE_SECONDS=1, ARCHIVE_FORMAT=format_, ARCHIVE_COMPRESSION=compression)
    wait_archived(folder, 502)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    files = read_folder(folder)
    check_archive(files, ends(kafka, topic))
    assert max(map(len, files.values())) == 10
    assert sum(len(lines) == 10 for lines in files.values()) > 40
    assert all(name.startswith(f"{topic}/date=") for name in files)
    assert archive.metric("archive_records_total") == 502
    assert archive.metric("archive_files_total") == len(files)
    wait_until(lambda: archive.metric("archive_lag_records") == 0, "no lag")
    assert archive.stop(signal.SIGTERM) == 0


def test_a_killed_archive_has_each_record_in_one_file(kafka, topic, folder, start):
    sender = Sender(kafka, topic)
    settings = {"ARCHIVE_SECONDS": 0.1}
    with sender.sending(each=20):
        for kill in range(1, KILLS + 1):
            # Each cuts files at other places, so that only what is decided before makes them agree.
            archive = start(**settings, ARCHIVE_RECORDS=5 + kill)
            wait_archived(folder, kill * 200)
            archive.kill()
    start(**settings)
    wait_archived(folder, len(sender.acknowledged))
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check_archive(read_folder(folder), ends(kafka, topic))


def test_one_that_stalls_and_loses_its_partitions_writes_no_record_again(kafka, topic, folder, start):
    sender = Sender(kafka, topic)
    settings = {"ARCHIVE_SECONDS": 0.1}
    with sender.sending(each=5):
        first = start(**settings, ARCHIVE_RECORDS=50)
        second = start(**settings, ARCHIVE_RECORDS=70)
        for _ in range(3):
            for stalled, other in ((first, second), (second, first)):
                wait_until(lambda other=other: other.metric("archive_assigned_partitions") > 0, "both have some")
                os.killpg(stalled.process.pid, signal.SIGSTOP)
                wait_until(lambda other=other: other.metric("archive_assigned_partitions") == 6, "it has all")
                os.killpg(stalled.process.pid, signal.SIGCONT)
    wait_archived(folder, len(sender.acknowledged))
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check_archive(read_folder(folder), ends(kafka, topic))
    assert first.process.poll() is None
    assert second.process.poll() is None


def test_a_folder_that_takes_no_files_is_waited_for(kafka, topic, folder, start):
    folder.mkdir()
    (folder / topic).write_text("in the way")
    sender = Sender(kafka, topic)
    sender.send(100)
    archive = start(ARCHIVE_SECONDS=1)
    wait_until(lambda: archive.metric("archive_paused") == 1, "it waits")
    assert archive.metric("archive_target_errors_total", kind="folder") >= 1
    sender.send(100)
    (folder / topic).unlink()
    wait_archived(folder, 200)
    wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
    check_archive(read_folder(folder), ends(kafka, topic))
    assert archive.metric("archive_paused") == 0


def test_one_killed_after_a_file_is_written_leaves_it_to_its_successor(tmp_path, kafka, topic, start):
    """In a bucket: it is killed when S3 has the object, and before it hears of that. The successor has other settings."""
    with moto_server(tmp_path) as url:
        s3 = boto3.client(
            "s3", endpoint_url=url, region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-"
        )
        name = f"archive-{uuid.uuid4().hex}"
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        proxy = FailingProxy(url)
        settings = {
            **CREDENTIALS, "AWS_ENDPOINT_URL": proxy.url, "ARCHIVE_TARGET": f"s3://{name}/of/shop", "ARCHIVE_SECONDS": 1,
        }  # fmt: skip

        def read() -> dict[str, list[dict[str, object]]]:
            keys = [one["Key"] for one in s3.list_objects_v2(Bucket=name).get("Contents", [])]
            assert all(key.startswith("of/shop/") for key in keys)
            return {key: read_file(key, s3.get_object(Bucket=name, Key=key)["Body"].read()) for key in keys}

        Sender(kafka, topic).send(300)
        archive = start(**settings, wait=False)
        puts = []

        def kill(method: str, path: str) -> None:
            if method == "PUT":
                puts.append(path)
                if len(puts) == 9:
                    archive.kill()

        proxy.hook = kill
        archive.process.wait(60)
        wait_until(lambda: len(read()) == 9, "the object is there")
        proxy.hook = lambda _method, _path: None
        start(**settings, ARCHIVE_RECORDS=8, ARCHIVE_FORMAT="csv")
        wait_until(lambda: is_all_committed(kafka, topic), "all offsets committed")
        files = read()
        check_archive(files, ends(kafka, topic))
        assert {name.partition(".")[2] for name in files} == {"ndjson.gz", "csv.gz"}
        proxy.shutdown()
        proxy.server_close()


def test_wrong_settings_end_it(start):
    archive = start(wait=False, ARCHIVE_FORMAT="xml", ARCHIVE_RECORDS=0)
    assert archive.process.wait(60) == 1
    said = archive.log.read_text()
    assert "ARCHIVE_FORMAT" in said
    assert "ARCHIVE_RECORDS" in said
