"""The query service's settings."""

from dataclasses import dataclass

from core.settings import ServiceSettings, setting, validate

MOST_HOURS = 24 * 366 * 10


@dataclass(frozen=True, kw_only=True)
class QuerySettings(ServiceSettings):
    """What the query service is told beyond what every service is."""

    port: int = setting("Port to listen on.", kind="int", default=8001, check=validate.Range(1, 65535))
    window_hours: int = setting(
        "How far back `GET /events` looks when it is told neither `user_id` nor `from`.",
        kind="int", default=24, check=validate.Range(1, MOST_HOURS),
    )  # fmt: skip
    window_max_hours: int = setting(
        "The widest `from` to `to` of `GET /events` without a `user_id`; wider is a 422.",
        kind="int", default=24 * 7, check=validate.Range(1, MOST_HOURS),
    )  # fmt: skip
    statement_seconds: float = setting(
        "PostgreSQL's `statement_timeout` for one question; longer is a 504.",
        kind="float", default=5.0, check=validate.Range(0.01, 600),
    )  # fmt: skip
    explain: bool = setting(
        "Whether `explain=true` is allowed: it tells plans, and asks each question twice.", kind="bool", default=False
    )
    exports: int = setting(
        "Exports (`GET /events/export`) streamed at once; one more is a 503.",
        kind="int", default=4, check=validate.Range(1, 100),
    )  # fmt: skip
    live_clients: int = setting(
        "Clients of `GET /events/live` at once; one more is a 503.",
        kind="int", default=50, check=validate.Range(1, 10_000),
    )  # fmt: skip
