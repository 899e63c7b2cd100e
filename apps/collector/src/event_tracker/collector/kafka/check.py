"""Checks before the start that the topic is as it must be: a collector whose password is wrong must not seem to start.

It is a process of its own, `python -m event_tracker.collector.kafka.check`: the process that forks the collector's must have no threads.
"""

import subprocess
import sys

from event_tracker.collector.settings import CollectorSettings


def check_kafka(settings: CollectorSettings) -> None:
    """Exit with 1 if the brokers refuse us, or the topic isn't as it must be; the process that finds out writes the cause.

    If no broker answers, the collector starts all the same, and isn't ready until one does.
    """
    if settings.kafka_brokers:
        found = subprocess.run([sys.executable, "-m", __name__], check=False)  # noqa: S603
        if found.returncode:
            sys.exit(1)


def main() -> None:
    """Check, and write what is wrong."""
    from event_tracker.core.kafka.topic import KafkaRefusedError, KafkaUnreachableError, check_topic

    settings = CollectorSettings.read()
    try:
        for name, least_bytes in settings.topics.items():
            check_topic(settings, name, "collector", least_bytes=least_bytes)
    except KafkaUnreachableError as error:
        sys.stderr.write(f"collector: {error} It starts all the same.\n")
    except KafkaRefusedError as error:
        sys.exit(f"collector: {error}")


if __name__ == "__main__":
    main()
