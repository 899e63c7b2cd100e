"""Opens a session with Cassandra, and says what an error of the driver means."""

import logging
import ssl
from collections.abc import Mapping

from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    RequestValidationException,
    Unauthorized,
    UnresolvableContactPoints,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.connection import ConnectionBusy, ConnectionException
from cassandra.policies import DCAwareRoundRobinPolicy, ExponentialReconnectionPolicy, TokenAwarePolicy
from cassandra.protocol import ErrorMessage

from event_tracker.core.cassandra.settings import CassandraSettings

PROTOCOL_VERSION = 4
"""Cassandra speaks it since 2.2. If none is given, the driver opens several connections to find one that works."""

CONNECT_SECONDS = 20.0
ANSWER_SECONDS = 20.0
MAX_RECONNECT_SECONDS = 5.0
"""The longest pause before the driver tries again to reach a node that was down."""

ERRORS: tuple[type[Exception], ...] = (
    DriverException,
    NoHostAvailable,
    ErrorMessage,
    ConnectionException,
    ConnectionBusy,
)
"""All errors that a statement may raise. Those that `find_refusal` doesn't know may pass by themselves."""


class CassandraRefusedError(Exception):
    """A person must change something first."""


class CassandraUnreachableError(Exception):
    """No node answers, which may pass."""


def open_session(settings: CassandraSettings) -> Session:
    """Connect to the nodes, in the keyspace of the settings. Its `cluster.shutdown()` closes it.

    Raises:
        CassandraRefusedError, CassandraUnreachableError: with the cause.
    """
    # The driver would log each failed try. It also raises their causes, which the caller logs.
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(settings.cassandra_datacenter)),
        consistency_level=ConsistencyLevel.name_to_value[settings.cassandra_consistency.upper()],
        request_timeout=ANSWER_SECONDS,
    )
    try:
        cluster = Cluster(
            list(settings.cassandra_hosts),
            port=settings.cassandra_port,
            protocol_version=PROTOCOL_VERSION,
            connect_timeout=CONNECT_SECONDS,
            control_connection_timeout=CONNECT_SECONDS,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            reconnection_policy=ExponentialReconnectionPolicy(1.0, MAX_RECONNECT_SECONDS, max_attempts=None),
            **_security_options(settings),
        )
    except UnresolvableContactPoints:
        hosts = ", ".join(settings.cassandra_hosts)
        raise CassandraUnreachableError(f"None of these names is known: {hosts} (CASSANDRA_HOSTS).") from None
    try:
        session = cluster.connect()
        # Not as an argument of `connect`, whose error doesn't say that the keyspace is the reason.
        session.set_keyspace(settings.cassandra_keyspace)
    except ERRORS as error:
        cluster.shutdown()
        if refusal := find_refusal(error, settings):
            raise CassandraRefusedError(refusal) from None
        raise CassandraUnreachableError(f"No node answers (CASSANDRA_HOSTS): {describe_error(error)}") from None
    return session


def describe_error(error: BaseException) -> str:
    """An error in a line. That of no node is made of what each node's was."""
    if causes := _find_causes(error):
        return "; ".join(f"{node}: {describe_error(cause)}" for node, cause in causes.items())
    return " ".join(str(error).split()) or type(error).__name__


def find_refusal(error: BaseException, settings: CassandraSettings) -> str | None:
    """What a person must change, if waiting doesn't cure this error."""
    for cause in _find_causes(error).values() or [error]:
        text = describe_error(cause)
        if isinstance(cause, AuthenticationFailed):
            return f"The nodes refuse the user. See CASSANDRA_USER and CASSANDRA_PASSWORD: {text}"
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return f"A node's certificate isn't valid. See CASSANDRA_CA and CASSANDRA_SERVER_NAME: {text}"
        if "WRONG_VERSION_NUMBER" in text:
            return f"The nodes don't speak TLS at this port. See CASSANDRA_SECURITY and CASSANDRA_PORT: {text}"
        if isinstance(cause, InvalidRequest) and "Keyspace" in text and "does not exist" in text:
            return (
                f"There is no keyspace {settings.cassandra_keyspace} (CASSANDRA_KEYSPACE). docs/cassandra.md makes one."
            )
        if isinstance(cause, Unauthorized):
            return f"The user {settings.cassandra_user} has too few rights (docs/cassandra.md lists them): {text}"
        if isinstance(cause, RequestValidationException):
            return f"The nodes refuse a statement: {text}"
    return None


def _find_causes(error: BaseException) -> Mapping[object, BaseException]:
    """Why each node doesn't answer, by the node; empty if that isn't known."""
    return error.errors if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict) else {}


def _security_options(settings: CassandraSettings) -> dict[str, object]:
    """The arguments of `Cluster` for TLS and for the password, which is sent only with TLS."""
    if settings.cassandra_security == "plain":
        return {}
    options: dict[str, object] = {"ssl_context": ssl.create_default_context(cafile=settings.cassandra_ca or None)}
    if settings.cassandra_server_name:
        options["ssl_options"] = {"server_hostname": settings.cassandra_server_name}
    if settings.cassandra_user:
        options["auth_provider"] = PlainTextAuthProvider(settings.cassandra_user, settings.cassandra_password)
    return options
