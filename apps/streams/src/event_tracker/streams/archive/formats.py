"""Makes the content of a file. The same records make the same bytes, as long as the libraries are the same."""

import csv
import gzip
import io
import sys
from collections.abc import Callable, Sequence

import msgspec

from event_tracker.streams.archive.lines import Line, encode_bytes

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_LEVEL = 6

Encoder = Callable[[Sequence[Line]], bytes]

_encode = msgspec.json.Encoder().encode


def encode_ndjson(lines: Sequence[Line]) -> bytes:
    """One object a line; raw bytes in Base64, and only where there are some."""
    return b"".join(_encode_line(line) + b"\n" for line in lines)


def encode_csv(lines: Sequence[Line]) -> bytes:
    """RFC 4180 with a header, but for lines that end by one character. What is missing is empty; raw bytes are in Base64."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Line._fields)
    for line in lines:
        writer.writerow([encode_bytes(value) if isinstance(value, bytes) else value for value in line])
    return out.getvalue().encode()


def _encode_line(line: Line) -> bytes:
    made: dict[str, object] = {
        "partition": line.partition,
        "offset": line.offset,
        "timestamp": line.timestamp,
        "key": line.key,
        "headers": msgspec.Raw(line.headers.encode()),
        "value": None if line.value is None else msgspec.Raw(line.value.encode()),
    }
    raw = {"raw_key": encode_bytes(line.raw_key), "raw_value": encode_bytes(line.raw_value)}
    return _encode(made | {name: value for name, value in raw.items() if value is not None})


def _compress_gzip(content: bytes) -> bytes:
    return gzip.compress(content, GZIP_LEVEL, mtime=0)


FORMATS = ("ndjson", "csv", "parquet")

TEXT_ENCODERS: dict[str, Encoder] = {"ndjson": encode_ndjson, "csv": encode_csv}

COMPRESSIONS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", bytes),
    "gzip": (".gz", _compress_gzip),
    "zstd": (".zst", zstd.compress),
}
"""The ending of the file's name, and the function, by name."""


def make_suffix(format_: str, compression: str) -> str:
    """The ending of a file's name."""
    return f".{format_}" if format_ == "parquet" else f".{format_}{COMPRESSIONS[compression][0]}"


def encode_file(lines: Sequence[Line], format_: str, compression: str) -> bytes:
    """The content of a file."""
    if format_ == "parquet":
        from event_tracker.streams.archive.parquet_file import encode_parquet  # needs the extra

        return encode_parquet(lines, compression)
    return COMPRESSIONS[compression][1](TEXT_ENCODERS[format_](lines))
