"""Builds the query service from its parts."""

from datetime import timedelta
from importlib.metadata import version
from typing import Any

import psycopg
import structlog

from event_tracker.columns.engine import Engine
from event_tracker.core.background import BackgroundLoop
from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.health import Health
from event_tracker.core.http.middleware import Middleware
from event_tracker.core.http.openapi import Document
from event_tracker.core.http.routes import RouteTable
from event_tracker.core.http.service import create_service
from event_tracker.core.postgres.pool import ConnectionPool, open_pool
from event_tracker.core.postgres.replication import Replication
from event_tracker.query.admin.management import Management
from event_tracker.query.admin.sources.schema_proposals import Proposals
from event_tracker.query.answers import PROPERTY
from event_tracker.query.auth.calls import bind
from event_tracker.query.auth.guard import Guard
from event_tracker.query.auth.oidc import Oidc
from event_tracker.query.auth.oidc_provider import Provider
from event_tracker.query.auth.principal import SCOPES, Scope
from event_tracker.query.auth.routes import Access
from event_tracker.query.auth.signing import Signer
from event_tracker.query.auth.staff import Staff
from event_tracker.query.auth.tokens import Tokens
from event_tracker.query.events.parameters import WindowLimits
from event_tracker.query.events.routes import Events
from event_tracker.query.events.store import BATCHES_AT_ONCE, SESSION_SETTINGS, EventStore
from event_tracker.query.events.streams.downloads import Downloads
from event_tracker.query.events.streams.export import Exports
from event_tracker.query.events.streams.export_pages import ExportPages
from event_tracker.query.events.streams.live import Hub, Live
from event_tracker.query.events.streams.live_tail import Tail
from event_tracker.query.routes import TABLES
from event_tracker.query.settings import QuerySettings
from event_tracker.query.sql.process import Sandboxes
from event_tracker.query.sql.routes import Sql
from event_tracker.query.sql.runner import SqlLimits, SqlRunner
from event_tracker.query.sql.saved import SavedQueries
from event_tracker.query.stats.columns.asking import Asker, Stats
from event_tracker.query.stats.questions.top_types import TypeCounter
from event_tracker.query.stats.store import StatsStore
from event_tracker.query.users.erasure import Eraser
from event_tracker.query.users.routes import UserData
from event_tracker.query.users.user_export import Exporter

log = structlog.get_logger("query")

PACKAGE = "event-tracker-query"

MIGRATION = "0034-clients-of-rejections"
"""The newest migration that this code needs."""

MANAGEMENT_CONNECTIONS = 2
"""How many connections of the role `control` serve admin requests at once. Each admin has at most one of them."""

CONTROL_CONNECTIONS = MANAGEMENT_CONNECTIONS + 2
"""One more may be busy with an erasure. One is left for sign-ins and token lookups."""

REFRESH_SECONDS = 30.0
"""How often what is erased is looked for in the files of columns on the local disk (docs/privacy.md)."""

POOL_SECONDS = 2.0
"""How long a query waits for a connection. It is short, so that clients learn of an outage soon."""


def create_app(settings: QuerySettings) -> Middleware:
    """Build the WSGI application. Call it in the process that serves: it starts a connection pool."""
    pool = open_query_pool(settings)
    engine = open_engine(pool, settings)
    refreshing = BackgroundLoop(
        engine.refresh,
        REFRESH_SECONDS,
        lambda error: log.warning("columns aren't refreshed", error=type(error).__name__),
    )
    most_queries = max(1, settings.pool_max - BATCHES_AT_ONCE)
    # Without authentication, all requests may come from one address: that of a proxy.
    is_open = settings.auth == "open"
    concurrency_limit = ConcurrencyLimit(most_queries, each=most_queries if is_open else None)
    store = EventStore(pool, concurrency_limit, BATCHES_AT_ONCE if is_open else BATCHES_AT_ONCE // 2)
    control = open_control(settings) if settings.control_database_url else None
    replication = Replication(pool)
    checks = {"replication": replication.check}
    health = Health(pool, MIGRATION, checks, others={"control": control} if control else None)
    downloads = Downloads(settings.exports, health.draining.is_set)
    table = RouteTable()
    access = open_access(settings, control)
    guard = Guard(table, Tokens(control) if control else None, access.staff, required=access.is_required)
    hub = Hub(Tail(pool))
    sql = open_sql(engine, concurrency_limit, control, settings) if settings.sql else None
    window = WindowLimits(timedelta(hours=settings.window_hours), timedelta(hours=settings.window_max_hours))
    parts: list[Any] = [
        Events(store, window),
        Stats(
            Asker(engine, concurrency_limit, settings.longest_session_seconds),
            StatsStore(pool, engine.with_persons, concurrency_limit, settings.statement_seconds),
            TypeCounter(pool, concurrency_limit),
            settings.explain,
            settings.longest_session_seconds,
            bool(settings.lake),
        ),
        Sql(sql),
        Exports(ExportPages(pool, concurrency_limit), downloads),
        Live(hub, settings.live_clients, guard),
        access,
    ]
    if control and access.signer:
        management_limit = ConcurrencyLimit(MANAGEMENT_CONNECTIONS)
        management = Management(control, management_limit)
        eraser = Eraser(control, access.signer, settings.erase_seconds, settings.topic_archive_days)
        user_data = UserData(eraser, Exporter(control, management_limit), downloads)
        proposals = Proposals(management, pool, concurrency_limit)
        parts += [management, proposals, SavedQueries(management, settings.sql), user_data]
    available = {type(part): part for part in parts}
    for kind, routes in TABLES.items():
        table.add(bind(routes, available.get(kind)))
    service = create_service("query", PACKAGE, settings, health, make_document(), table)

    def drain() -> None:
        health.draining.set()
        hub.end()

    def close() -> None:
        replication.close()
        refreshing.close()
        store.close()
        if sql:
            sql.close()
        engine.close()
        pool.close()
        if control:
            control.close()

    return Middleware(
        service.wsgi_app,
        most_held=settings.max_bodies_bytes,
        mounts=table.mounts(service.wsgi_app),
        cors_origins=settings.cors_origins,
        guard=guard,
        is_ready=health.is_ready,
        drain=drain,
        close=close,
    )


def open_query_pool(settings: QuerySettings) -> ConnectionPool[psycopg.Connection]:
    """The connection pool of the role `query`, which reads events."""
    return open_pool(
        settings.database_url,
        name="query",
        size=settings.pool_max,
        timeout=POOL_SECONDS,
        options={"statement_timeout": f"{int(settings.statement_seconds * 1000)}ms", **SESSION_SETTINGS},
    )


def make_document() -> Document:
    """What the OpenAPI document says beside the routes."""
    return Document(
        "Event Tracker: query",
        version(PACKAGE),
        "Answers out: events, newest first, and exact counts. It only reads.",
        parameters_by_name={"property": PROPERTY},
        scopes=SCOPES,
    )


def open_engine(pool: ConnectionPool[psycopg.Connection], settings: QuerySettings) -> Engine:
    """What answers questions of analytics, within the settings' limits."""
    return Engine(
        pool,
        settings.cache_path,
        cache_bytes=settings.cache_max_bytes,
        memory_bytes=settings.analytics_memory_bytes,
        threads=settings.analytics_threads,
        seconds=settings.statement_seconds,
        lake=settings.lake,
    )


def open_sql(
    engine: Engine,
    query_limit: ConcurrencyLimit,
    control: ConnectionPool[psycopg.Connection] | None,
    settings: QuerySettings,
) -> SqlRunner:
    """What runs people's statements, within the settings' limits."""
    most = settings.sql_statements
    # Without authentication, all requests may come from one address.
    statement_limit = ConcurrencyLimit(most, each=most if settings.auth == "open" else 1)
    limits = SqlLimits(
        memory=settings.sql_memory_bytes,
        copy=settings.sql_copy_bytes,
        threads=settings.analytics_threads,
        seconds=settings.sql_seconds,
    )
    longest = settings.longest_session_seconds
    return SqlRunner(engine, Sandboxes(), statement_limit, query_limit, control, limits, longest)


def open_access(settings: QuerySettings, control: ConnectionPool[psycopg.Connection] | None) -> Access:
    """How the staff signs in, as far as the settings allow it."""
    signer = Signer(settings.signing_key) if control else None
    staff = open_staff(settings, control, signer) if control and signer else None
    oidc = open_oidc(settings, staff, signer) if staff and signer and settings.oidc_issuer else None
    scopes_off: frozenset[Scope] = frozenset() if settings.sql else frozenset({"sql"})
    return Access(staff, signer, oidc, settings.auth == "required", scopes_off)


def open_staff(settings: QuerySettings, control: ConnectionPool[psycopg.Connection], signer: Signer) -> Staff:
    """The staff, who may sign in."""
    return Staff(
        control,
        signer,
        access_seconds=settings.access_minutes * 60,
        refresh_days=settings.refresh_days,
        oidc_hours=settings.oidc_hours,
    )


def open_oidc(settings: QuerySettings, staff: Staff, signer: Signer) -> Oidc:
    """Sign-in by the OpenID Connect provider of the settings. No request is sent to it before the first sign-in."""
    return Oidc(
        Provider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret),
        settings.oidc_issuer,
        staff,
        signer,
        client_id=settings.oidc_client_id,
        redirect_uri=settings.oidc_redirect_uri,
        scopes=settings.oidc_scopes,
        role_claim=settings.oidc_role_claim,
        name_claim=settings.oidc_name_claim,
        roles=settings.oidc_role_of,
        sources=settings.oidc_sources,
    )


def open_control(settings: QuerySettings) -> ConnectionPool[psycopg.Connection]:
    """The connection pool of the role `control`. It is small: it serves few queries, and their results are cached for a moment."""
    return open_pool(
        settings.control_database_url,
        name="control",
        size=CONTROL_CONNECTIONS,
        timeout=POOL_SECONDS,
        options={"statement_timeout": f"{int(settings.statement_seconds * 1000)}ms"},
        watched=False,
    )
