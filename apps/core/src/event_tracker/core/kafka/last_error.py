"""The last error that librdkafka reported beside the records: why brokers can't be reached. A failed record says only `timed out`."""

import threading
import time
from typing import NamedTuple

import structlog
from confluent_kafka import KafkaError

log = structlog.get_logger("core.kafka")

LOG_LEVEL = 6

LOG_SECONDS = 60.0
"""The same error is logged once in so many seconds."""

REFUSALS = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""Errors that waiting doesn't cure: somebody must change a setting."""

ALL_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN).name()

HANGS_UP = ("APIVERSION_QUERY", "closed by peer")
"""Parts of the only line that librdkafka has for a broker that wants to be spoken to encrypted: it hangs up at the first question."""


class Cause(NamedTuple):
    """Why something failed.

    Attributes:
        code: librdkafka's name, such as `_AUTHENTICATION`.
        detail: its sentence.
        is_refusal: whether waiting doesn't cure it.
    """

    code: str
    detail: str
    is_refusal: bool

    def __str__(self) -> str:
        return f"{self.detail} ({self.code})"


class LastCause:
    """Remembers the last cause, and does nothing else: a real thread beside gevent's may use it. Its `note` is a client's `error_cb`.

    Attributes:
        cause: the last one since `forget`; that all brokers are down replaces no cause, since it only follows from one.
        hangs_up: whether the last line that was read by `log` says that a broker hung up at the first question.
    """

    def __init__(self) -> None:
        self.cause: Cause | None = None
        self.hangs_up = False

    def note(self, error: KafkaError) -> None:
        """Remember an error."""
        self.remember(make_cause(error))

    def remember(self, cause: Cause) -> None:
        """The same, of a cause."""
        follows = cause.code == ALL_DOWN and self.cause
        if not follows and not (self.cause and self.cause.is_refusal and not cause.is_refusal):
            self.cause = cause

    def log(self, _: int, text: str, *arguments: object) -> None:
        """Read a line of librdkafka's log: this object may be a client's `logger`, with the log level that LOG_LEVEL is."""
        line = text % arguments if arguments else text
        if "FAIL" in line:
            self.hangs_up = all(part in line for part in HANGS_UP)

    def forget(self) -> None:
        """Call it when something succeeded."""
        self.cause = None


class LastError(LastCause):
    """Also logs each cause, if the same wasn't logged in the last minute."""

    def __init__(self) -> None:
        super().__init__()
        self._logged: dict[str, float] = {}
        self._lock = threading.Lock()

    def remember(self, cause: Cause) -> None:
        """Remember a cause, and log it."""
        with self._lock:
            super().remember(cause)
            now = time.monotonic()
            is_new = now - self._logged.get(cause.code, float("-inf")) > LOG_SECONDS
            if is_new:
                self._logged[cause.code] = now
        if is_new:
            log.warning("Kafka", code=cause.code, error=cause.detail)


def make_cause(error: KafkaError) -> Cause:
    """The cause that an error of librdkafka is."""
    text = error.str()
    return Cause(error.name(), text, error.code() in REFUSALS)
