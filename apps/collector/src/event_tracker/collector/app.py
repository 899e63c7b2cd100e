"""Builds the collector from its parts."""

from datetime import UTC, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from event_tracker.collector import metrics
from event_tracker.collector.authentication import Authenticator, SourceCache
from event_tracker.collector.parsing.parser import Parser
from event_tracker.collector.post_event import Intake, PostEvents
from event_tracker.collector.protocols.protocol import MAX_LOG_RECORDS
from event_tracker.collector.protocols.routes import protocol_routes
from event_tracker.collector.rate_limit import RateLimit
from event_tracker.collector.rejections.recorder import QUEUE_ROWS, RejectionRecorder
from event_tracker.collector.rejections.replay import Replayer
from event_tracker.collector.routes import collector_routes
from event_tracker.collector.settings import CollectorSettings
from event_tracker.collector.source_copy import SourceCopyFile
from event_tracker.collector.writer import EventWriter, Writer
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.health import Check, Health
from event_tracker.core.http.middleware import Middleware
from event_tracker.core.http.openapi import Document
from event_tracker.core.http.routes import RouteTable
from event_tracker.core.http.service import create_service
from event_tracker.core.postgres.pool import ConnectionPool, open_pool
from event_tracker.core.postgres.replication import Replication
from event_tracker.model.storing.store_events import EventStore

if TYPE_CHECKING:
    from event_tracker.collector.kafka.client import KafkaClient
    from event_tracker.collector.kafka.rejection_sender import RejectionSender

PACKAGE = "event-tracker-collector"

MIGRATION = "0034-clients-of-rejections"
"""The newest migration that this code needs."""

DELIVERY_SHARE = 0.9
"""Of the time that a request waits: what is acknowledged later would be acknowledged to nobody."""

POOL_SECONDS = 2.0
"""How long the writer waits for a connection. In an outage, requests are answered well before their deadline."""


def create_app(settings: CollectorSettings) -> Middleware:
    """Build the WSGI application. Call it in the process that serves: it starts a connection pool and a greenlet."""
    pool = open_pool(
        settings.database_url,
        name="collector",
        size=settings.pool_max,
        timeout=POOL_SECONDS,
        options={"statement_timeout": f"{int(settings.statement_seconds * 1000)}ms"},
    )
    events = EventStore(lambda reason: metrics.LINKS_REFUSED.labels(reason).inc())
    kafka = open_kafka(settings) if settings.kafka_brokers else None
    writer = kafka.buffer if kafka else make_writer(pool, events, settings)

    def queue() -> dict[str, int]:
        if writer.queue.events >= settings.queue_events:
            raise Problem(503, "queue_full", "Too many events are waiting to be stored.")
        return {"events": writer.queue.events, "bound": settings.queue_events}

    replication = Replication(pool, requires_standbys=settings.require_sync)
    checks: dict[str, Check] = {"queue": queue, "replication": replication.check}
    if kafka:
        checks["kafka"] = kafka.client.report
    document = Document(
        "Event Tracker: collector",
        version(PACKAGE),
        "Events in. 200 and 201 mean committed, 202 that Kafka's brokers have it; resending is always safe.",
    )
    folder = settings.source_copy_folder
    source_cache = SourceCache(pool, SourceCopyFile(Path(folder)) if folder else None)

    def require_ready() -> None:
        if kafka:
            kafka.client.require_ready()
        # While it knows no source it answers 503 to every request: it mustn't take the place of an instance that knows them.
        if not source_cache.has_sources:
            raise Problem(
                503,
                "database_unavailable",
                "The database hasn't been reached yet, and there is no copy of its sources.",
            )

    health = Health(pool, MIGRATION, checks, writes=True, ready=require_ready if kafka else None)
    rejections = RejectionRecorder(
        pool,
        kept=settings.rejections_kept,
        days=settings.rejection_days,
        most_bytes=settings.rejection_bytes,
        sender=kafka.rejections if kafka else None,
    )
    earliest = datetime.combine(settings.earliest_timestamp, time(), UTC)
    parser = Parser(settings.max_event_bytes, settings.max_body_bytes, earliest)
    replays = Replayer(pool, source_cache, parser, events)

    def close() -> None:
        replication.close()
        replays.close()
        writer.close()
        rejections.close()
        source_cache.close()
        if kafka:
            kafka.client.close()
        pool.close()

    authenticator = Authenticator(source_cache, required=settings.auth == "required")
    rate_limit = RateLimit(pool, source_cache.is_stale if kafka else None)
    intake = Intake(settings, authenticator, rate_limit, parser, writer, rejections)
    table = RouteTable()
    table.add(collector_routes(PostEvents(intake).post_events))
    table.add(protocol_routes(intake, settings.protocols))
    service = create_service("collector", PACKAGE, settings, health, document, table)
    middleware = Middleware(
        service.wsgi_app,
        most_held=settings.max_bodies_bytes,
        mounts=table.mounts(service.wsgi_app),
        cors_origins=settings.cors_origins,
        is_ready=health.is_ready,
        drain=health.draining.set,
        close=close,
    )

    def allow(origins: frozenset[str]) -> None:
        # A preflight carries no key: its answer allows the origins of all sources. The request itself is checked against its own.
        middleware.post_origins = origins.union(settings.cors_origins)

    source_cache.start(allow)
    return middleware


def make_writer(
    pool: ConnectionPool[psycopg.Connection], events: EventStore, settings: CollectorSettings
) -> EventWriter:
    """What stores events in PostgreSQL."""
    return Writer(
        pool,
        events,
        queue_events=settings.queue_events,
        group_events=settings.group_events,
        store_seconds=settings.store_seconds,
    )


class KafkaParts(NamedTuple):
    """What sends events and refused events to Kafka."""

    client: "KafkaClient"
    buffer: EventWriter
    rejections: "RejectionSender"


def open_kafka(settings: CollectorSettings) -> KafkaParts:
    """Make them. Only here is anything of Kafka imported."""
    from event_tracker.collector.kafka.buffer import Buffer
    from event_tracker.collector.kafka.client import KafkaClient
    from event_tracker.collector.kafka.rejection_sender import RejectionSender

    client = KafkaClient(
        settings,
        settings.topics,
        delivery_seconds=settings.store_seconds * DELIVERY_SHARE,
        # A source's only request is always admitted, and refused events wait beside the others.
        queue_records=settings.queue_events + max(settings.max_events, MAX_LOG_RECORDS) + QUEUE_ROWS,
    )
    buffer = Buffer(
        client, settings.kafka_topic, queue_events=settings.queue_events, store_seconds=settings.store_seconds
    )
    return KafkaParts(client, buffer, RejectionSender(client, settings.kafka_rejections_topic))
