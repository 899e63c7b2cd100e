"""Builds the query service from its parts."""

from importlib.metadata import version

import psycopg
from flask import request

from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.health import Health
from event_tracker.core.http.middleware import Middleware
from event_tracker.core.http.openapi import Document
from event_tracker.core.http.service import create_service
from event_tracker.core.postgres.pool import ConnectionPool, open_pool
from event_tracker.core.postgres.replication import Replication
from event_tracker.query.admin.apply import apply_routes
from event_tracker.query.admin.audit import audit_routes
from event_tracker.query.admin.event_schemas import schema_routes
from event_tracker.query.admin.management import Management
from event_tracker.query.admin.openapi import describe_management
from event_tracker.query.admin.people import people_routes
from event_tracker.query.admin.rejections import rejection_routes
from event_tracker.query.admin.schema_proposals import proposal_routes
from event_tracker.query.admin.sources import source_routes
from event_tracker.query.admin.tokens import token_routes
from event_tracker.query.auth.guard import Guard
from event_tracker.query.auth.oidc import Oidc
from event_tracker.query.auth.oidc_provider import Provider
from event_tracker.query.auth.openapi import describe_auth
from event_tracker.query.auth.people import People
from event_tracker.query.auth.routes import oidc_routes, sign_in_method_routes, sign_in_routes
from event_tracker.query.auth.signing import Signer
from event_tracker.query.auth.tokens import Tokens
from event_tracker.query.events.openapi import describe_events
from event_tracker.query.events.routes import event_routes
from event_tracker.query.events.store import LANES, SESSION, EventStore
from event_tracker.query.events.streams.downloads import Downloads
from event_tracker.query.events.streams.export import export_routes
from event_tracker.query.events.streams.export_pages import ExportPages
from event_tracker.query.events.streams.live import Hub, live_routes
from event_tracker.query.events.streams.live_tail import Tail
from event_tracker.query.events.streams.openapi import describe_streams
from event_tracker.query.settings import QuerySettings
from event_tracker.query.stats.openapi import describe_stats
from event_tracker.query.stats.routes import stats_routes
from event_tracker.query.stats.store import StatsStore
from event_tracker.query.users.erasure import Eraser
from event_tracker.query.users.openapi import describe_user_data
from event_tracker.query.users.routes import user_data_routes
from event_tracker.query.users.user_export import Exporter

PACKAGE = "event-tracker-query"

MIGRATION = "0023-schemas-set-aside"
"""The newest migration that this code needs."""

MANAGEMENT_CONNECTIONS = 2
"""How many connections of the role `control` serve admin requests at once. Each admin has at most one of them."""

CONTROL_CONNECTIONS = MANAGEMENT_CONNECTIONS + 2
"""One more may be busy with an erasure. One is left for sign-ins and token lookups."""

POOL_SECONDS = 2.0
"""How long a query waits for a connection. It is short, so that clients learn of an outage soon."""


def create_app(settings: QuerySettings) -> Middleware:
    """Build the WSGI application. Call it in the process that serves: it starts a connection pool."""
    pool = open_pool(
        settings.database_url,
        name="query",
        size=settings.pool_max,
        timeout=POOL_SECONDS,
        options={"statement_timeout": f"{int(settings.statement_seconds * 1000)}ms", **SESSION},
    )
    most_queries = max(1, settings.pool_max - LANES)
    # Without authentication, all requests may come from one address: that of a proxy.
    is_open = settings.auth == "open"
    concurrency_limit = ConcurrencyLimit(most_queries, each=most_queries if is_open else None)
    store = EventStore(pool, concurrency_limit, LANES if is_open else LANES // 2)
    control = open_control(settings) if settings.control_database_url else None
    replication = Replication(pool)
    checks = {"replication": replication.check}
    health = Health(pool, MIGRATION, checks, others={"control": control} if control else None)
    document = Document(
        "Event Tracker: query", version(PACKAGE), "Answers out: events, newest first, and exact counts. It only reads."
    )
    describe_events(document)
    describe_stats(document)
    describe_streams(document)
    describe_auth(document)
    describe_management(document)
    describe_user_data(document)
    service = create_service("query", PACKAGE, settings, health, document)
    stats_store = StatsStore(pool, concurrency_limit)
    service.register_blueprint(stats_routes(stats_store, settings.explain, settings.longest_session_seconds))
    downloads = Downloads(settings.exports, health.draining.is_set)
    service.register_blueprint(export_routes(ExportPages(pool, concurrency_limit), downloads))
    signer = Signer(settings.signing_key) if control else None
    people = None
    if control and signer:
        people = People(
            control,
            signer,
            access_seconds=settings.access_minutes * 60,
            refresh_days=settings.refresh_days,
            oidc_hours=settings.oidc_hours,
        )
        management_limit = ConcurrencyLimit(MANAGEMENT_CONNECTIONS)
        management = Management(control, management_limit)
        eraser = Eraser(control, signer, settings.erase_seconds)
        service.register_blueprint(user_data_routes(eraser, Exporter(control, management_limit), downloads))
        for views in (
            source_routes,
            schema_routes,
            rejection_routes,
            token_routes,
            people_routes,
            audit_routes,
            apply_routes,
        ):
            service.register_blueprint(views(management))
        service.register_blueprint(proposal_routes(management, pool, concurrency_limit))
    service.register_blueprint(sign_in_routes(people))
    oidc = open_oidc(settings, people, signer) if people and signer and settings.oidc_issuer else None
    service.register_blueprint(oidc_routes(oidc, people))
    required = settings.auth == "required"
    service.register_blueprint(sign_in_method_routes(people, signer, required=required, oidc=oidc is not None))
    guard = Guard(Tokens(control) if control else None, people, required=settings.auth == "required")

    @service.before_request
    def check_route_scope() -> None:
        if request.url_rule is not None:
            guard.check_scope(request.environ, request.url_rule.rule)

    hub = Hub(Tail(pool))
    service.register_blueprint(live_routes(hub, settings.live_clients, guard))

    def drain() -> None:
        health.draining.set()
        hub.end()

    def close() -> None:
        replication.close()
        store.close()
        pool.close()
        if control:
            control.close()

    return Middleware(
        service.wsgi_app,
        most_held=settings.max_bodies_bytes,
        mounts=event_routes(settings, store),
        cors_origins=settings.cors_origins,
        guard=guard,
        drain=drain,
        close=close,
    )


def open_oidc(settings: QuerySettings, people: People, signer: Signer) -> Oidc:
    """Sign-in by the OpenID Connect provider of the settings. No request is sent to it before the first sign-in."""
    return Oidc(
        Provider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret),
        settings.oidc_issuer,
        people,
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
