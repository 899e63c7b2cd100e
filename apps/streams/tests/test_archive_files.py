"""What files have of records, and where they are."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime

import pytest
from archived import read_file, read_parquet

from event_tracker.core.settings import InvalidSettingsError
from event_tracker.core.storage.files import StorageError
from event_tracker.core.storage.folder import FolderStorage
from event_tracker.streams.archive.archive import make_path
from event_tracker.streams.archive.claim import Claim, read_claim
from event_tracker.streams.archive.formats import encode_file
from event_tracker.streams.archive.lines import Line, make_line
from event_tracker.streams.archive.settings import ArchiveSettings


@pytest.fixture
def lines(record):
    """An event, a tombstone, JSON's null, and what is no JSON and no text."""
    headers = [("v", b"1"), ("v", b"\xff"), ("none", None)]
    records = [
        record(b'{"a": 1.10,\n "b": "x,\\"\\u0000", "big": 12345678901234567890123}', 0, key=b"ann", headers=headers),
        record(None, 1, key=b"ann"),
        record(b"null", 2),
        record(b"\xff\x00", 3, key=b"\xfe", timestamp=(0, -1)),
        record(b"[" * 5000, 4, key=b"a\x00b"),
        record(b'"caf\xc3\xa9\xe2\x80\xa8"', 7, key=b""),
    ]
    return [make_line(one) for one in records]


def test_a_line_has_all_of_a_record(lines):
    first, tombstone, null, raw, deep, last = lines
    assert first == Line(
        1, 0, "2026-03-01T12:00:00.123Z", "ann", None, '[["v","1"],["v",{"base64":"/w=="}],["none",null]]',
        '{"a":1.10,"b":"x,\\"\\u0000","big":12345678901234567890123}', None,
    )  # fmt: skip
    assert (tombstone.value, tombstone.raw_value) == (None, None)
    assert (null.value, null.raw_value) == (None, b"null")
    assert (raw.timestamp, raw.key, raw.raw_key, raw.value, raw.raw_value) == (None, None, b"\xfe", None, b"\xff\x00")
    assert (deep.key, deep.raw_key, deep.value, deep.raw_value) == (None, b"a\x00b", None, b"[" * 5000)
    assert (last.key, last.value) == ("", '"caf\u00e9\u2028"')


def test_ndjson(lines):
    content = encode_file(lines, "ndjson", "none")
    assert content.count(b"\n") == len(lines)
    assert b'"value":{"a":1.10,' in content  # digit for digit
    read = [json.loads(line) for line in content.splitlines()]
    assert read[0].keys() == {"partition", "offset", "timestamp", "key", "headers", "value"}
    assert read[1]["value"] is None
    assert read[3]["raw_value"] == "/wA="
    assert read[3]["raw_key"] == "/g=="


def test_csv(lines):
    rows = list(csv.reader(io.StringIO(encode_file(lines, "csv", "none").decode())))
    assert rows[0] == list(Line._fields)
    assert rows[1][6] == lines[0].value
    assert rows[2] == ["1", "1", "2026-03-01T12:00:00.123Z", "ann", "", "[]", "", ""]
    assert rows[4][7] == "/wA="


def test_parquet(lines, tmp_path):
    file = tmp_path / "file.parquet"
    file.write_bytes(encode_file(lines, "parquet", "zstd"))
    read = read_parquet(file)
    assert [list(row) for row in read] == [list(Line._fields)] * len(lines)
    assert [row["offset"] for row in read] == [0, 1, 2, 3, 4, 7]
    assert read[0]["timestamp"] == datetime(2026, 3, 1, 12, 0, 0, 123000, UTC)
    for row, line in zip(read, lines, strict=True):
        assert {**row, "timestamp": line.timestamp} == line._asdict()


@pytest.mark.parametrize("format_", ["ndjson", "csv", "parquet"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_the_same_records_make_the_same_bytes(lines, format_, compression):
    assert encode_file(lines, format_, compression) == encode_file(lines, format_, compression)


def test_compressed_files_have_the_same_content(lines):
    plain = encode_file(lines, "ndjson", "none")
    compressed = encode_file(lines, "ndjson", "gzip")
    assert gzip.decompress(compressed) == plain
    assert compressed[4:8] == bytes(4)  # not the time
    assert len(read_file("a.ndjson.zst", encode_file(lines, "ndjson", "zstd"))) == len(lines)


def test_a_path_tells_topic_hour_and_offsets(record):
    claim = Claim(17, "csv", "zstd")
    name = "orders-1-00000000000000000003-00000000000000000017.csv.zst"
    assert make_path(record(b"", 3), claim) == f"orders/date=2026-03-01/hour=12/{name}"
    assert make_path(record(b"", 3, timestamp=(0, -1)), claim).startswith("orders/date=1970-01-01/hour=00/")
    assert make_path(record(b"", 3, timestamp=(1, 2**60)), claim).startswith("orders/date=1970-01-01/hour=00/")


def test_a_claim_is_read_as_it_was_written():
    claim = Claim(17, "ndjson", "gzip")
    assert read_claim(str(claim)) == claim
    for other in (
        "",
        "x",
        "archive to=1 format=xml compression=gzip",
        f"{claim} ",
        "archive to=-1 format=csv compression=none",
    ):
        assert read_claim(other) is None


def test_a_file_appears_whole_in_a_folder(tmp_path):
    folder = FolderStorage(str(tmp_path / "a"))
    folder.put("topic/x.csv", b"1")
    (tmp_path / "a" / ".writing" / "x.csv.left").write_bytes(b"torn")
    (tmp_path / "a" / ".writing" / "y.csv.left").write_bytes(b"another's")
    folder.put("topic/x.csv", b"12")
    assert (tmp_path / "a" / "topic" / "x.csv").read_bytes() == b"12"
    assert [path.name for path in (tmp_path / "a" / ".writing").iterdir()] == ["y.csv.left"]
    assert folder.has("topic/x.csv")
    assert not folder.has("topic/y.csv")


def test_a_folder_that_takes_no_file_is_an_error_that_may_pass(tmp_path):
    (tmp_path / "topic").write_bytes(b"")
    with pytest.raises(StorageError) as raised:
        FolderStorage(str(tmp_path)).put("topic/x.csv", b"1")
    assert raised.value.kind == "folder"


@pytest.mark.parametrize(
    ("target", "why"),
    [("s3://", "names no bucket"), ("s3:///x", "names no bucket"), ("gs://x", "neither a folder nor")],
)
def test_a_wrong_target_is_named(target, why):
    with pytest.raises(InvalidSettingsError, match=f"ARCHIVE_TARGET: It .*{why}"):
        ArchiveSettings.read(kafka_brokers="localhost:1", archive_target=target)


def test_a_long_line_is_in_parquet_too(record, tmp_path):
    value = b'"%s"' % (b"x" * 20_000_000)
    file = tmp_path / "file.parquet"
    file.write_bytes(encode_file([make_line(record(value)), make_line(record(b"{}", 1))], "parquet", "zstd"))
    assert [len(str(row["value"])) for row in read_parquet(file)] == [len(value), 2]
