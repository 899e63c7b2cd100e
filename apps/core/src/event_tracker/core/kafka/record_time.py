"""When a record was written."""

from datetime import UTC, datetime, timedelta

from confluent_kafka import Message

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Times of records count from here."""


def read_time(record: Message) -> datetime | None:
    """When a record was written, by its producer or the broker; None if it has no time, or one that no clock can show."""
    milliseconds = record.timestamp()[1]
    try:
        return EPOCH + timedelta(milliseconds=milliseconds) if milliseconds >= 0 else None
    except OverflowError:
        return None
