"""Decompresses files. The compression is told by the first bytes, whatever the name."""

import bz2
import gzip
import io
import lzma
import sys
import zlib
from typing import cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from event_tracker.cli.ingest.entries import Stream

READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError)
"""What reading a file raises if it is unreadable or incomplete."""

SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
"""The endings of compressed files' names, behind the one that tells the format."""

GZIP, BZIP2, XZ, ZSTANDARD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"


def decompressed(stream: io.BufferedReader) -> Stream:
    """The stream's content. It may be of several compressed streams, one behind the other, as rotated logs are."""
    start = stream.peek(6)
    if start.startswith(GZIP):
        return gzip.GzipFile(fileobj=stream)
    if start.startswith(BZIP2):
        return bz2.BZ2File(stream)
    if start.startswith(XZ):
        return lzma.LZMAFile(stream)
    return cast(Stream, zstd.ZstdFile(stream)) if start.startswith(ZSTANDARD) else stream
