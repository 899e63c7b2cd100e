"""Metrics of a storer, a publisher, and a collector that sends to Kafka, without Kafka: the programs' own, with values made here."""

from collections.abc import Iterator
from contextlib import contextmanager

from ports import free_port
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.metrics import MetricWrapperBase

from event_tracker.collector import metrics as collector
from event_tracker.core import metrics as core
from event_tracker.streams.publisher import metrics as publisher
from event_tracker.streams.storer import metrics as storer

TOPIC = "analytics.events"


def _own(module: object, prefix: str = "") -> list[MetricWrapperBase]:
    """A module's metrics whose names in it begin so."""
    return [one for name, one in vars(module).items() if isinstance(one, MetricWrapperBase) and name.startswith(prefix)]


class KafkaMetrics:
    """The pages of all three, by their addresses `host:port`."""

    def __init__(self, storer_address: str, collector_address: str, publisher_address: str) -> None:
        self.storer_address, self.collector_address = storer_address, collector_address
        self.publisher_address = publisher_address

    def record(self) -> None:
        """Count as if a group of records had gone through; of everything at least one."""
        collector.BUFFER_RECORDS.labels("acknowledged").inc(3)
        collector.BUFFER_SECONDS.observe(0.01)
        collector.BUFFER_QUEUE.set(1)
        collector.BUFFER_BROKERS.set(3)
        storer.RECORDS.labels("stored").inc(3)
        storer.CONSUMER.lag_records.labels(TOPIC, "0").set(2)
        storer.EVENT_LAG.observe(0.5)
        storer.GROUP_RECORDS.observe(3)
        storer.STATEMENT_SECONDS.observe(0.01)
        storer.CONSUMER.assigned.set(15)
        storer.CONSUMER.brokers_up.set(3)
        storer.CONSUMER.last_progress.set_to_current_time()
        publisher.RECORDS.labels("analytics.stored").inc(3)
        publisher.ACTIVE.set(1)


@contextmanager
def kafka_metrics() -> Iterator[KafkaMetrics]:
    """Serve the pages. The definitions are this process's own, so the counts outlive it."""
    of_storer, of_collector, of_publisher = CollectorRegistry(), CollectorRegistry(), CollectorRegistry()
    ProcessCollector(registry=of_storer)
    core.BUILD_INFO.labels("storer", "1.0.0", "made-for-tests").set(1)
    for one in [*_own(storer), *vars(storer.CONSUMER).values(), core.BUILD_INFO]:
        of_storer.register(one)
    for one in _own(collector, "BUFFER_"):
        of_collector.register(one)
    for one in _own(publisher):
        of_publisher.register(one)
    ports = free_port(), free_port(), free_port()
    servers = [
        start_http_server(port, "127.0.0.1", registry)[0]
        for port, registry in zip(ports, (of_storer, of_collector, of_publisher), strict=True)
    ]
    try:
        yield KafkaMetrics(*(f"127.0.0.1:{port}" for port in ports))
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
