"""What is decided about a file before it is written: its last offset and its form.

It is the text that is committed with the offset of the file's first record. Kafka takes it of nobody but the member that has the
partition, and tells it to the next one. So whoever writes a file that begins there, for the first time or again after a crash, writes
the same records under the same name.
"""

import re
from typing import NamedTuple

from event_tracker.streams.archive.formats import COMPRESSIONS, FORMATS

TEXT = re.compile(r"archive to=(\d{1,19}) format=([a-z]+) compression=([a-z]+)")


class Claim(NamedTuple):
    """A file that is to be written.

    Attributes:
        last: the offset of its last record.
    """

    last: int
    format: str
    compression: str

    def __str__(self) -> str:
        return f"archive to={self.last} format={self.format} compression={self.compression}"


def read_claim(text: str) -> Claim | None:
    """The claim that a text is; None if it is none of ours."""
    found = TEXT.fullmatch(text)
    if found is None or found[2] not in FORMATS or found[3] not in COMPRESSIONS:
        return None
    return Claim(int(found[1]), found[2], found[3])
