"""Fixtures for consumers without Kafka: records, and a collector whose answers a test wrote down."""

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Message
from scripted import Scripted, scripted_servers

WRITTEN = 1_772_366_400_123
"""When all records were written, in milliseconds since 1970: 2026-03-01T12:00:00.123Z."""


@pytest.fixture(scope="module")
def scripted() -> Iterator[Callable[..., Scripted]]:
    """A function that starts a server with these answers."""
    with scripted_servers() as start:
        yield start


@pytest.fixture
def record() -> Callable[..., Message]:
    """A function that makes a record of the topic `orders`, partition 1."""

    def make(value: bytes | None, offset: int = 0, **fields: object) -> Message:
        given: dict[str, object] = {
            "topic": "orders",
            "partition": 1,
            "timestamp": (1, WRITTEN),
            "headers": [],
            **fields,
        }
        return Message(value=value, offset=offset, **given)  # type: ignore[arg-type]

    return make
