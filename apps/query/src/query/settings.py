"""The query service's settings."""

from dataclasses import dataclass

from core.database_url import check_database_url
from core.settings import ServiceSettings, setting, validate
from query.access.signing import Signer

NO_CONTROL = (
    "AUTH=required, the default, needs it: tokens and people are looked up there. On a machine of one's own AUTH=open does without; "
    "`tracker up` sets all of it."
)

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
    control_database_url: str = setting(
        "PostgreSQL connection URL of the role `control`, which signs people in and manages. Empty: there are no tokens and no "
        "sign-in, and nothing under /admin.",
        default="", check=check_database_url, secret=True,
    )  # fmt: skip
    signing_key: str = setting(
        "Ed25519 private keys in PEM, one or more: the first signs, all verify. Needed with CONTROL_DATABASE_URL.",
        default="", secret=True,
    )  # fmt: skip
    erase_seconds: float = setting(
        "PostgreSQL's `statement_timeout` for each statement that erases or anonymises a user; longer is a 504.",
        kind="float", default=600.0, check=validate.Range(0.01, 86_400),
    )  # fmt: skip
    access_minutes: int = setting(
        "How long an access token of POST /auth/sign-in counts.",
        kind="int",
        default=10,
        check=validate.Range(1, 24 * 60),
    )
    refresh_days: int = setting(
        "How long a sign-in lasts that isn't used.", kind="int", default=30, check=validate.Range(1, 365)
    )

    def contradictions(self) -> dict[str, list[str]]:
        """What is wrong with settings that are each right."""
        found = super().contradictions()
        if self.auth == "required" and not self.control_database_url:
            found["CONTROL_DATABASE_URL"] = [NO_CONTROL]
        if self.control_database_url:
            try:
                Signer(self.signing_key)
            except ValueError as error:
                found["SIGNING_KEY"] = [str(error)]
        return found
