"""Metrics of Kafka's processes, and of a collector that sends to Kafka, without Kafka: the programs' own, with values made here."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import HTTPServer

from ports import free_port
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.metrics import MetricWrapperBase

from event_tracker.collector import metrics as collector
from event_tracker.core import metrics as core
from event_tracker.streams.archive import metrics as archive
from event_tracker.streams.importer import metrics as importer
from event_tracker.streams.publisher import metrics as publisher
from event_tracker.streams.storer import metrics as storer

TOPIC = "analytics.events"
CONSUMERS = {"storer": storer, "importer": importer, "archive": archive}


def _own(module: object, prefix: str = "") -> list[MetricWrapperBase]:
    """A module's metrics whose names in it begin so."""
    return [one for name, one in vars(module).items() if isinstance(one, MetricWrapperBase) and name.startswith(prefix)]


class KafkaMetrics:
    """The pages, by job.

    Args:
        addresses: of each job, `host:port`.
    """

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses

    def record(self) -> None:
        """Count as if a group of records had gone through; of everything at least one."""
        collector.BUFFER_RECORDS.labels("acknowledged").inc(3)
        collector.BUFFER_SECONDS.observe(0.01)
        collector.BUFFER_QUEUE.set(1)
        collector.BUFFER_BROKERS.set(3)
        storer.RECORDS.labels("stored").inc(3)
        storer.EVENT_LAG.observe(0.5)
        storer.GROUP_RECORDS.observe(3)
        storer.STATEMENT_SECONDS.observe(0.01)
        publisher.RECORDS.labels("analytics.stored").inc(3)
        publisher.ACTIVE.set(1)
        importer.RECORDS.labels("stored").inc(3)
        importer.REQUEST_SECONDS.observe(0.01)
        archive.RECORDS.inc(3)
        archive.FILES.inc()
        archive.BYTES.inc(300)
        archive.WRITE_SECONDS.observe(0.01)
        for module in CONSUMERS.values():
            module.CONSUMER.lag_records.labels(TOPIC, "0").set(2)
            module.CONSUMER.assigned.set(15)
            module.CONSUMER.brokers_up.set(3)
            module.CONSUMER.last_progress.set_to_current_time()


@contextmanager
def kafka_metrics() -> Iterator[KafkaMetrics]:
    """Serve the pages. The definitions are this process's own, so the counts outlive it."""
    core.BUILD_INFO.labels("storer", "1.0.0", "made-for-tests").set(1)
    pages = {
        "collector": _own(collector, "BUFFER_"),
        "publisher": _own(publisher),
        **{job: [*_own(module), *vars(module.CONSUMER).values()] for job, module in CONSUMERS.items()},
    }
    pages["storer"].append(core.BUILD_INFO)
    addresses = {}
    with ExitStack() as stack:
        for job, metrics in pages.items():
            registry = CollectorRegistry()
            if job == "storer":
                ProcessCollector(registry=registry)
            for one in metrics:
                registry.register(one)
            port = free_port()
            stack.callback(_stop, start_http_server(port, "127.0.0.1", registry)[0])
            addresses[job] = f"127.0.0.1:{port}"
        yield KafkaMetrics(addresses)


def _stop(server: HTTPServer) -> None:
    server.shutdown()
    server.server_close()
