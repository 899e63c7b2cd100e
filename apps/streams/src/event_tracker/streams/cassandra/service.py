"""Builds the relay from its parts, and runs it."""

import math
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack

import structlog
from cassandra.cluster import Session

from event_tracker.core.cassandra.connection import (
    ERRORS,
    CassandraRefusedError,
    CassandraUnreachableError,
    describe_error,
    find_refusal,
    open_session,
)
from event_tracker.core.cassandra.settings import CassandraSettings
from event_tracker.model.cassandra.user_event_writer import UserEventWriter
from event_tracker.model.cassandra.user_events import make_table
from event_tracker.model.relaying.relay import Relay
from event_tracker.streams.cassandra import metrics
from event_tracker.streams.cassandra.cassandra_relay import CassandraRelay
from event_tracker.streams.cassandra.settings import CassandraRelaySettings
from event_tracker.streams.process.database import exit_if_refused, open_database
from event_tracker.streams.process.lifecycle import LoopState, serve_metrics_and_checks
from event_tracker.streams.process.relay_loop import RETRY_SECONDS

NAME = "cassandra-relay"

DESTINATION = "cassandra"
"""Where it writes to, as receipts of erasures name it."""

log = structlog.get_logger(NAME)


def run(settings: CassandraRelaySettings) -> None:
    """Relay until SIGTERM or Ctrl-C.

    Raises:
        SystemExit: with an error message, if a person must do something.
    """
    loop, is_ready = LoopState(), threading.Event()
    with exit_if_refused(NAME), ExitStack() as stack:
        serve_metrics_and_checks(NAME, settings, {"/livez": loop.is_alive, "/readyz": is_ready.is_set}, stack)
        try:
            writer = open_writer(settings, loop.wait, stack)
            if writer is None:
                return
            relay = Relay(
                stack.enter_context(
                    open_database(
                        settings.database_url,
                        NAME,
                        settings.statement_seconds,
                        max_lifetime_seconds=math.inf,  # the turn is the session's
                    )
                ),
                settings.relay_name,
                destination=DESTINATION,
                from_earliest=settings.relay_from == "earliest",
                wants_erasures=True,
                max_events=settings.batch_events,
                max_bytes=settings.batch_bytes,
            )
            cassandra = CassandraRelay(relay, writer, settings, loop.wait, on_round=is_ready.set)
            metrics.LAG_SECONDS.set_function(cassandra.measure_lag)
            log.info("starts", hosts=list(settings.cassandra_hosts), keyspace=settings.cassandra_keyspace)
            cassandra.run()
        except CassandraRefusedError as error:
            sys.exit(f"{NAME}: Cassandra: {error}")
        log.info("stops")


def open_writer(settings: CassandraSettings, wait: Callable[[float], bool], stack: ExitStack) -> UserEventWriter | None:
    """Wait until a node answers, make the table if it isn't there, and return what writes to it. None if the process is to stop before.

    Raises:
        CassandraRefusedError: if waiting doesn't help.
    """
    session: Session | None = None
    while wait(RETRY_SECONDS if session else 0.0):
        try:
            if session is None:
                session = open_session(settings)
                stack.callback(session.cluster.shutdown)
            make_table(session)
            return UserEventWriter(session)
        except CassandraUnreachableError as error:
            log.warning("waits for Cassandra", cause=str(error))
            if not wait(RETRY_SECONDS):
                return None
        except ERRORS as error:
            if refusal := find_refusal(error, settings):
                raise CassandraRefusedError(refusal) from None
            log.warning("waits for Cassandra", cause=describe_error(error))
    return None
