"""The command `tracker topics`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec
import structlog

from event_tracker.cli.command_group import Group
from event_tracker.cli.database.connection import database_connection, find_database_url
from event_tracker.cli.options import parse_time
from event_tracker.cli.settings import read_settings
from event_tracker.cli.terminal import printable
from event_tracker.core.kafka.settings import STORERS_GROUP, KafkaSettings
from event_tracker.core.postgres.named_sql import load_queries

if TYPE_CHECKING:
    from event_tracker.cli.kafka_cluster import Cluster

QUERIES = load_queries("event_tracker.cli.topics")

DAY_MS = 86_400_000

MIN_INSYNC = 2
"""So many brokers must have an event before it is acknowledged: what a collector asks for, unless KAFKA_SINGLE is set."""

REJECTIONS_PARTITIONS = 3
"""Of the topic of refused events, at most: there are few."""

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
group_option = click.option(
    "--group",
    default=STORERS_GROUP,
    show_default=True,
    envvar="KAFKA_GROUP",
    show_envvar=True,
    help="The consumer group.",
)


@click.group(cls=Group)
def topics() -> None:
    """Topics of Kafka, where events go through it (KAFKA_BROKERS): what is in them, and how far the storers are."""


@topics.command("list")
@json_option
def list_topics(as_json: bool) -> None:
    """List the topics: partitions, replicas, records."""
    with _cluster() as (cluster, _):
        for one in cluster.list_topics():
            _print(one._asdict(), "{name}  {partitions} partitions  {replicas} replicas  {records} records", as_json)


@topics.command()
@click.argument("topic", required=False)
@json_option
def describe(topic: str | None, as_json: bool) -> None:
    """Describe TOPIC, or KAFKA_TOPIC: partitions, replicas, records, and the options that matter."""
    with _cluster() as (cluster, settings):
        summary, options = cluster.describe(topic or settings.kafka_topic)
        _print(summary._asdict(), "{name}  {partitions} partitions  {replicas} replicas  {records} records", as_json)
        for name, value in options.items():
            _print({"option": name, "value": value}, "  {option} = {value}", as_json)


@topics.command()
@click.argument("topic", required=False)
@click.option(
    "--limit", type=click.IntRange(1), default=10, show_default=True, help="The newest records, so many at most."
)
@click.option("--follow", is_flag=True, help="Then those that come, until Ctrl-C.")
def consume(topic: str | None, limit: int, follow: bool) -> None:
    """Print records of TOPIC, or of KAFKA_TOPIC, as JSON. No group's offsets change. Records are data about people."""
    with _cluster() as (cluster, settings):
        records = cluster.read(topic or settings.kafka_topic, limit, is_following=follow)
        for record in records if follow else islice(records, limit):
            click.echo(msgspec.json.encode(record._asdict()))


@topics.command()
@group_option
@json_option
def lag(group: str, as_json: bool) -> None:
    """Show how far the storers are in each partition, and since when its first record waits."""
    with _cluster() as (cluster, settings):
        lags = cluster.measure_lag(group, [settings.kafka_topic, settings.kafka_rejections_topic])
    now = datetime.now(UTC)
    for one in lags:
        seconds = (now - one.oldest).total_seconds() if one.oldest else 0.0
        shown = {**one._asdict(), "seconds": round(seconds, 1)}
        text = "{topic}/{partition}  at {committed} of {end}  {waiting} waiting"
        _print(shown, text + ("  for {seconds} s" if one.waiting else ""), as_json)
    if not as_json:
        click.echo(f"{sum(one.waiting for one in lags)} records wait.")


def _read_start(_: click.Context, __: click.Parameter, value: str | None) -> str | datetime | None:
    if value in (None, "earliest", "latest"):
        return value
    try:
        start = datetime.fromisoformat(str(value))
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        raise click.BadParameter("It is earliest, latest, or a time with an offset, such as 2026-11-01T00:00:00Z.")
    return start


@topics.command()
@click.option(
    "--partitions",
    type=click.IntRange(1),
    default=12,
    show_default=True,
    help="Of the topics that are made: of events, at least as many as there will be storers. Refused events have 3 at most.",
)
@click.option(
    "--also",
    multiple=True,
    metavar="TOPIC",
    help="Also make this topic, such as one that a publisher writes to. May be repeated.",
)
@click.option("--replicas", type=click.IntRange(1), default=3, show_default=True, help="Of a topic that is made.")
@click.option(
    "--retention-days",
    type=click.FloatRange(0, min_open=True),
    default=7.0,
    show_default=True,
    help="Of a topic that is made.",
)
@click.option(
    "--from",
    "start",
    callback=_read_start,
    help="Also set where the group reads next: earliest, latest, or a time. With the storers stopped.",
)
@group_option
def init(
    partitions: int,
    also: tuple[str, ...],
    replicas: int,
    retention_days: float,
    start: str | datetime | None,
    group: str,
) -> None:
    """Make the topics of events and refused events, if they aren't there; a topic that is there stays as it is."""
    options = {
        "retention.ms": str(int(retention_days * DAY_MS)),
        "min.insync.replicas": str(min(MIN_INSYNC, replicas)),
    }
    with _cluster() as (cluster, settings):
        names = [settings.kafka_topic, settings.kafka_rejections_topic]
        for name in [*names, *also]:
            is_small = name == settings.kafka_rejections_topic
            number = min(partitions, REJECTIONS_PARTITIONS) if is_small else partitions
            made = cluster.create(name, number, replicas, options)
            click.echo(f"{name}: {'made' if made else 'is there already'}")
        if start is not None:
            for place, offset in cluster.set_start(group, names, start).items():
                click.echo(f"{place.topic}/{place.partition}: {group} reads next {offset}")


@topics.command()
@click.option(
    "--from",
    "start",
    required=True,
    callback=parse_time,
    metavar="TIME",
    help="Records that were written from then on (RFC 3339).",
)
@click.option(
    "--to", "end", callback=parse_time, metavar="TIME", help="And before this time.  [default: all until now]"
)
@click.option("--topic", help="Of which topic; a storer must have read it.  [default: KAFKA_TOPIC]")
@json_option
def replay(start: str, end: str | None, topic: str | None, as_json: bool) -> None:
    """Store records of the topic of events again, in DATABASE_URL, beside storers or without them.

    What is stored already is a duplicate, and changes nothing. Records of users who were erased after they were written are left out. No
    group's offsets change. A replay that was stopped says where to go on.
    """
    settings = _read_kafka()
    from event_tracker.cli.topics.replay import describe_outcomes, replay_records  # needs the extra

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # what the database refuses is logged
    since, until = (msgspec.convert(one, datetime) if one else None for one in (start, end))
    with database_connection(find_database_url(None)) as connection:
        outcomes = replay_records(connection, settings, topic or settings.kafka_topic, cast(datetime, since), until)
    _print(dict(outcomes), describe_outcomes(outcomes), as_json)


@topics.command()
@click.argument("topic")
def forget(topic: str) -> None:
    """Forget that storers have read TOPIC into DATABASE_URL, once they never will again: receipts of erasures name it no more.

    Two hours after its last storer has stopped. Whoever stores its records later all the same brings erased people back.
    """
    with database_connection(find_database_url(None)) as connection:
        found = connection.execute(QUERIES["forget_topic"], {"topic": topic}).fetchone()
    if found is None:
        raise click.ClickException(f"No storer has read a topic {topic} into this database.")
    if not found[0]:
        raise click.ClickException(
            f"A storer has looked at the topic {topic} within the last two hours. Stop all that read it, and wait."
        )
    click.echo(f"{topic}: forgotten")


def _read_kafka() -> KafkaSettings:
    settings = read_settings(KafkaSettings)
    if not settings.kafka_brokers:
        raise click.UsageError("Set KAFKA_BROKERS: without it there are no topics.")
    return settings


@contextmanager
def _cluster() -> Iterator[tuple["Cluster", KafkaSettings]]:
    """The brokers that the environment names."""
    settings = _read_kafka()
    from event_tracker.cli.kafka_cluster import Cluster  # needs the extra, which other commands don't

    cluster = Cluster(settings)
    try:
        yield cluster, settings
    finally:
        cluster.close()


def _print(values: dict[str, Any], text: str, as_json: bool) -> None:
    click.echo(msgspec.json.encode(values) if as_json else printable(text.format(**values)))
