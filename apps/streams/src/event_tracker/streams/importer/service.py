"""Builds the importer from its parts, and runs it."""

from event_tracker.streams.consuming.loop import ConsumerLoop
from event_tracker.streams.consuming.service import Process, run_consumer
from event_tracker.streams.consuming.subscription import Subscription
from event_tracker.streams.importer import metrics
from event_tracker.streams.importer.collector import Collector, CollectorRefusedError, CollectorUnavailableError
from event_tracker.streams.importer.importer import Importer
from event_tracker.streams.importer.mapping import EventMapping
from event_tracker.streams.importer.settings import ImporterSettings

ADVICE = "Stop the importers, set the offsets of the group where they are to go on (kafka-consumer-groups.sh), and start them."


def run(settings: ImporterSettings, mapping: EventMapping) -> None:
    """Import until SIGTERM or Ctrl-C; then the request that is under way is finished, and its offsets are committed.

    Raises:
        SystemExit: with an error message, if a person must do something, or if a new process may do better.
    """

    def work(process: Process) -> None:
        collector = Collector(settings.collector_url, settings.write_key)
        process.stack.callback(collector.close)
        subscription = Subscription(client="importer", topics=[settings.input_topic], done="imported", advice=ADVICE)
        ConsumerLoop(
            process.open_source(subscription),
            Importer(mapping, collector).store,
            process.liveness,
            retried_errors=(CollectorUnavailableError,),
            max_records=settings.batch_events,
            max_bytes=settings.batch_bytes,
            is_stopping=process.is_stopping,
        ).run()

    run_consumer("importer", settings, [settings.input_topic], metrics.CONSUMER, work, (CollectorRefusedError,))
