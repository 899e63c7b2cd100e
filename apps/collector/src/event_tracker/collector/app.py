"""Builds the collector from its parts."""

from datetime import UTC, datetime, time
from importlib.metadata import version
from typing import TYPE_CHECKING

from event_tracker.collector import metrics
from event_tracker.collector.authentication import Authenticator, SourceCache
from event_tracker.collector.parsing.parser import Parser
from event_tracker.collector.post_event import EventWriter, PostEvents
from event_tracker.collector.rate_limit import RateLimit
from event_tracker.collector.rejections.recorder import RejectionRecorder
from event_tracker.collector.rejections.replay import Replayer
from event_tracker.collector.routes import collector_routes
from event_tracker.collector.settings import CollectorSettings
from event_tracker.collector.writer import Writer
from event_tracker.core.http.errors import Problem
from event_tracker.core.http.health import Check, Health
from event_tracker.core.http.middleware import Middleware
from event_tracker.core.http.openapi import Document
from event_tracker.core.http.routes import RouteTable
from event_tracker.core.http.service import create_service
from event_tracker.core.postgres.pool import open_pool
from event_tracker.core.postgres.replication import Replication
from event_tracker.model.storing.store_events import EventStore

if TYPE_CHECKING:
    from event_tracker.collector.buffer import Buffer

PACKAGE = "event-tracker-collector"

MIGRATION = "0025-links"
"""The newest migration that this code needs."""

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
    buffer = _make_buffer(settings)
    writer: EventWriter = buffer or Writer(
        pool,
        events,
        queue_events=settings.queue_events,
        group_events=settings.group_events,
        store_seconds=settings.store_seconds,
    )

    def queue() -> dict[str, int]:
        if writer.queue.events >= settings.queue_events:
            raise Problem(503, "queue_full", "Too many events are waiting to be stored.")
        return {"events": writer.queue.events, "bound": settings.queue_events}

    replication = Replication(pool, requires_standbys=settings.require_sync)
    checks: dict[str, Check] = {"queue": queue, "replication": replication.check}
    if buffer:
        checks["kafka"] = buffer.report
    health = Health(pool, MIGRATION, checks, writes=True, ready=buffer.require_ready if buffer else None)
    document = Document(
        "Event Tracker: collector", version(PACKAGE), "Events in. A 2xx means committed; resending is always safe."
    )
    source_cache = SourceCache(pool)
    rejections = RejectionRecorder(
        pool, kept=settings.rejections_kept, days=settings.rejection_days, most_bytes=settings.rejection_bytes
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
        pool.close()

    authenticator = Authenticator(source_cache, required=settings.auth == "required")
    post_events = PostEvents(settings, authenticator, RateLimit(pool), parser, writer, rejections)
    table = RouteTable()
    table.add(collector_routes(post_events.post_events))
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


def _make_buffer(settings: CollectorSettings) -> "Buffer | None":
    """What sends events to Kafka; None without KAFKA_BROKERS. Only then is anything of Kafka imported."""
    if not settings.kafka_brokers:
        return None
    from event_tracker.collector.buffer import Buffer

    return Buffer(settings)
