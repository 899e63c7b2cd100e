"""The dashboard Kafka: whether accepted events are stored, how far behind that is, and whether brokers can be reached."""

from grafana_foundation_sdk.builders import dashboard
from parts import Panel, board, lines, number
from service_rows import none, percentiles, process
from sources import now, over_time

JOB = 'job="storer"'
COLLECTOR = 'job="collector"'
PUBLISHER = 'job="publisher"'
IMPORTER = 'job="importer"'
ARCHIVE = 'job="archive"'


def rate(metric: str, selector: str, label: str) -> str:
    """A counter's rate by a label; 0 for counters that have no series before their first event."""
    return f"sum by ({label}) (rate({metric}{{{selector}}}[$__rate_interval])) or on () {none(label)}"


def kafka() -> dashboard.Dashboard:
    return board(
        "kafka",
        "Kafka",
        "Where events go through Kafka: the way in, the lag, the storers, the publisher, the importer, the archive. "
        "Without Kafka it has no data.",
        {
            "Now": at_a_glance(),
            "From the collectors": way_in(),
            "Lag": lag(),
            "The storers": storing(),
            "The publisher": publishing(),
            "The importer": importing(),
            "The archive": archiving(),
            "Process": process(JOB),
        },
    )


def at_a_glance() -> list[Panel]:
    return [
        number(
            "Lag now",
            "How old the newest event is that anybody can see, of the partition that is behind the most; 0 if nothing waits.",
            "s",
            now(f"max(storer_lag_seconds{{{JOB}}})"),
            steps=[(60, "orange"), (300, "red")],
        ),
        number(
            "Records that wait",
            "Of all partitions that a storer reads.",
            "short",
            now(f"sum(storer_lag_records{{{JOB}}})"),
        ),
        number(
            "Partitions read",
            "Of both topics together, by all storers. If it is less than they have, some are read by nobody.",
            "short",
            now(f"sum(storer_assigned_partitions{{{JOB}}})"),
            below="red",
            steps=[(1, "green")],
        ),
        number(
            "Storers paused",
            "A storer is paused while PostgreSQL is unavailable.",
            "short",
            now(f"sum(storer_paused{{{JOB}}})"),
            steps=[(1, "orange")],
        ),
    ]


def way_in() -> list[Panel]:
    return [
        lines(
            "Records by outcome of the delivery",
            "Records a second. Those that failed may be in the topic all the same; their request was answered 503.",
            "suffix: records/s",
            over_time(rate("collector_buffer_records_total", COLLECTOR, "outcome"), "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Duration of the delivery",
            "From a request's first record until all of its records are acknowledged.",
            "s",
            *percentiles("collector_buffer_delivery_seconds", COLLECTOR),
        ),
        lines(
            "Records that brokers haven't acknowledged",
            "In the fullest collector. More than QUEUE_EVENTS are refused with 503.",
            "suffix: records",
            over_time(f"max(collector_buffer_queue_records{{{COLLECTOR}}})", "waiting"),
        ),
        lines(
            "Brokers with a connection",
            "Of the collector and of the storer that has the fewest.",
            "short",
            over_time(f"min(collector_buffer_brokers_up{{{COLLECTOR}}})", "collector"),
            over_time(f"min(storer_brokers_up{{{JOB}}})", "storer"),
        ),
        lines(
            "Kafka's errors",
            "By librdkafka's name: of the collectors' producers, and of the storers.",
            "suffix: errors/s",
            over_time(rate("collector_buffer_errors_total", COLLECTOR, "code"), "collector {{code}}"),
            over_time(rate("storer_errors_total", JOB, "code"), "storer {{code}}"),
            steps=[(0.1, "red")],
        ),
    ]


def lag() -> list[Panel]:
    return [
        lines(
            "Lag",
            "How old the newest event is that anybody can see. The dashed line is where the alert begins.",
            "s",
            over_time(f"max(storer_lag_seconds{{{JOB}}})", "most behind"),
            steps=[(300, "red")],
        ),
        lines(
            "Records that wait, by partition",
            "One partition alone that grows: a user who floods, or a storer that hangs.",
            "suffix: records",
            over_time(f"sum by (topic, partition) (storer_lag_records{{{JOB}}})", "{{topic}} {{partition}}"),
        ),
        lines(
            "From an event's time to its COMMIT",
            "Of each group, its oldest event. Clients that were offline, or send history, show here.",
            "s",
            *percentiles("storer_event_lag_seconds", JOB),
        ),
    ]


def storing() -> list[Panel]:
    return [
        lines(
            "Records by outcome",
            "Records a second. Duplicates were read or sent again; dead ones can't be stored, and are kept as refused events.",
            "suffix: records/s",
            over_time(rate("storer_records_total", JOB, "outcome"), "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Records stored together",
            "Groups grow with what waits, up to GROUP_EVENTS.",
            "suffix: records",
            *percentiles("storer_group_records", JOB),
        ),
        lines(
            "Duration of storing a group",
            "COMMIT included.",
            "s",
            *percentiles("storer_statement_seconds", JOB),
        ),
        lines(
            "Partitions by storer",
            "A storer without partitions has nothing to do, or isn't let into the group.",
            "short",
            over_time(f"sum by (instance) (storer_assigned_partitions{{{JOB}}})", "{{instance}}"),
            stacked=True,
        ),
        lines(
            "Rebalances",
            "How often partitions were assigned, revoked or lost. Lost ones were taken from a storer that was thought dead.",
            "cps",
            over_time(rate("storer_rebalances_total", JOB, "kind"), "{{kind}}"),
        ),
        lines(
            "Commits of offsets that failed",
            "No loss: a record that is read again is a duplicate. Lasting ones: the brokers refuse them, see the log.",
            "cps",
            over_time(f"sum(rate(storer_offset_commit_failures_total{{{JOB}}}[$__rate_interval]))", "failed"),
        ),
    ]


def publishing() -> list[Panel]:
    return [
        lines(
            "Lag of the publisher",
            "Since when it hasn't been seen that everything that is stored is published, and for how long a transaction has held that up. "
            "The dashed line is where the alert begins.",
            "s",
            over_time(f"max(publisher_lag_seconds{{{PUBLISHER}}})", "lag"),
            over_time(f"max(publisher_mark_held_seconds{{{PUBLISHER}}})", "held by a transaction"),
            steps=[(300, "red")],
        ),
        lines(
            "Records published, by topic",
            "Records of events and tombstones of erased users a second.",
            "suffix: records/s",
            over_time(rate("publisher_records_total", PUBLISHER, "topic"), "{{topic}}"),
            over_time(
                f"sum(rate(publisher_tombstones_total{{{PUBLISHER}}}[$__rate_interval])) or vector(0)", "tombstones"
            ),
        ),
        lines(
            "Publishers at work",
            "One of each name has its turn; others wait for theirs.",
            "short",
            over_time(f"sum(publisher_active{{{PUBLISHER}}})", "at work"),
        ),
        lines(
            "The publisher's errors of Kafka",
            "By librdkafka's name.",
            "suffix: errors/s",
            over_time(rate("publisher_errors_total", PUBLISHER, "code"), "{{code}}"),
            steps=[(0.1, "red")],
        ),
    ]


def importing() -> list[Panel]:
    return [
        consumer_lag("importer", IMPORTER, "imported", 900),
        lines(
            "Records imported, by outcome",
            "Records a second. Refused and unreadable ones are kept by the collector as refused events.",
            "suffix: records/s",
            over_time(rate("importer_records_total", IMPORTER, "outcome"), "{{outcome}}"),
            stacked=True,
        ),
        lines(
            "Duration of the importer's requests",
            "Until the collector's answer, of each request.",
            "s",
            *percentiles("importer_request_seconds", IMPORTER),
        ),
        lines(
            "What the importer tries again",
            "Requests by the collector's status, without an answer: silence; and Kafka's errors by librdkafka's name.",
            "suffix: errors/s",
            over_time(rate("importer_collector_errors_total", IMPORTER, "status"), "collector {{status}}"),
            over_time(rate("importer_errors_total", IMPORTER, "code"), "Kafka {{code}}"),
            steps=[(0.1, "red")],
        ),
        consumer_state("importer", IMPORTER, "the collector is unavailable or asks to wait"),
    ]


def archiving() -> list[Panel]:
    return [
        consumer_lag("archive", ARCHIVE, "in a file", 3600),
        lines(
            "Records and files archived",
            "Records wait for ARCHIVE_SECONDS, or until there are ARCHIVE_RECORDS of them.",
            "cps",
            over_time(f"sum(rate(archive_records_total{{{ARCHIVE}}}[$__rate_interval]))", "records"),
            over_time(f"sum(rate(archive_files_total{{{ARCHIVE}}}[$__rate_interval]))", "files"),
        ),
        lines(
            "Bytes archived",
            "Compressed, a second.",
            "Bps",
            over_time(f"sum(rate(archive_bytes_total{{{ARCHIVE}}}[$__rate_interval]))", "bytes"),
        ),
        lines(
            "Duration of writing a file",
            "Making it, and writing it to its place.",
            "s",
            *percentiles("archive_write_seconds", ARCHIVE),
        ),
        lines(
            "What the archive tries again",
            "Files that the folder or the bucket didn't take, by kind, and Kafka's errors by librdkafka's name.",
            "suffix: errors/s",
            over_time(rate("archive_target_errors_total", ARCHIVE, "kind"), "target {{kind}}"),
            over_time(rate("archive_errors_total", ARCHIVE, "code"), "Kafka {{code}}"),
            steps=[(0.1, "red")],
        ),
        consumer_state("archive", ARCHIVE, "the folder or the bucket takes no files"),
    ]


def consumer_lag(name: str, job: str, done: str, alert_seconds: int) -> Panel:
    return lines(
        f"Lag of the {name}",
        f"How old the newest record is that is {done}, of the partition that is behind the most; 0 if nothing waits. "
        "The dashed line is where the alert begins.",
        "s",
        over_time(f"max({name}_lag_seconds{{{job}}})", "most behind"),
        steps=[(alert_seconds, "red")],
    )


def consumer_state(name: str, job: str, hindrance: str) -> Panel:
    return lines(
        f"Partitions of the {name}",
        f"Those that are read, and the processes that read nothing, since {hindrance}.",
        "short",
        over_time(f"sum({name}_assigned_partitions{{{job}}})", "partitions"),
        over_time(f"sum({name}_paused{{{job}}})", "paused"),
    )
