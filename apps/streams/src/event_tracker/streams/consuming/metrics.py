"""The metrics that every consumer has, each under its own name."""

from prometheus_client import Counter, Gauge


class ConsumerMetrics:
    """The metrics of one consumer.

    Args:
        name: of the process, with which the metrics' names begin.
        done: what is done with a record, such as "stored".
        hindrance: while what it reads nothing, such as "PostgreSQL is unavailable".
    """

    def __init__(self, name: str, *, done: str, hindrance: str) -> None:
        self.lag_records = Gauge(
            f"{name}_lag_records",
            f"Records of a partition of this process that aren't {done} yet.",
            ["topic", "partition"],
        )
        self.lag_seconds = Gauge(
            f"{name}_lag_seconds",
            f"Of the partition that is behind the most: the age of the newest record that is {done}, or the time since all were {done}, "
            "whichever is less; after a start, that of the first record that was read. 0 if nothing waits. It also grows while "
            f"{hindrance}.",
        )
        self.commit_failures = Counter(
            f"{name}_offset_commit_failures",
            "Commits of offsets that failed, such as during a rebalance. Nothing is lost: they are committed later, or records are read "
            "again, which changes nothing.",
        )
        self.rebalances = Counter(
            f"{name}_rebalances", "How often partitions were assigned, revoked or lost.", ["kind"]
        )
        self.assigned = Gauge(f"{name}_assigned_partitions", "Partitions that this process reads.")
        self.paused = Gauge(f"{name}_paused", f"1 while it reads nothing, since {hindrance}; 0 otherwise.")
        self.last_progress = Gauge(
            f"{name}_last_progress_timestamp_seconds",
            f"When records were last {done}, or it was seen that none wait; 0: not yet.",
        )
        self.brokers_up = Gauge(f"{name}_brokers_up", "Brokers with a connection.")
        self.errors = Counter(f"{name}_errors", "Errors of Kafka, by librdkafka's name of them.", ["code"])
