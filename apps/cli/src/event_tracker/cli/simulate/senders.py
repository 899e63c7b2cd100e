"""Where simulated events are sent."""

from collections.abc import Callable, Iterable, Iterator

import click

from event_tracker.cli.client import open_client
from event_tracker.cli.ingest.delivery import Outcome, deliver, deliver_all
from event_tracker.cli.settings import read_settings
from event_tracker.cli.simulate.timeline import Event
from event_tracker.core.kafka.settings import KafkaSettings

TARGETS = ("collector", "kafka")
DEFAULT_SOURCE = "default"

SendAll = Callable[[Iterable[list[Event]]], Iterator[tuple[list[Event], Outcome]]]
"""Sends batches of events; yields each with its outcome."""


def choose_sender(
    target: str, source: str | None, collector: str, write_key: str | None, patience: float
) -> Callable[[], SendAll]:
    """What opens the connection to the target when events are about to be sent.

    Args:
        source: the events' source, with `kafka`; None is the source `default`.
        collector, write_key, patience: as `open_client` takes them.

    Raises:
        UsageError: if there is a source, and the target isn't Kafka.
    """
    if target == "kafka":
        return lambda: _open_kafka(source or DEFAULT_SOURCE)
    if source is not None:
        raise click.UsageError("Only --to kafka takes a --source; a collector knows it by the write key.")
    return lambda: _open_collector(collector, write_key, patience)


def _open_collector(collector: str, write_key: str | None, patience: float) -> SendAll:
    client = open_client("collector", collector, patience, write_key=write_key)
    return lambda batches: deliver_all(client, batches, lambda batch: deliver(client, [event.json for event in batch]))


def _open_kafka(source: str) -> SendAll:
    settings = read_settings(KafkaSettings)
    if not settings.kafka_brokers:
        raise click.UsageError("Set KAFKA_BROKERS for --to kafka.")
    from event_tracker.cli.simulate.kafka_sender import KafkaSender  # needs the extra `kafka`

    return KafkaSender(settings, source).send_all
