"""The query service's settings."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urlsplit

from event_tracker.core.settings import ServiceSettings, database_url_setting, is_loopback, setting, validate
from event_tracker.query.auth.principal import ROLES
from event_tracker.query.auth.signing import Signer

NO_CONTROL = (
    "AUTH=required, the default, needs it: tokens and people are looked up there. On a machine of one's own AUTH=open does without; "
    "`tracker up` sets all of it."
)

MAX_HOURS = 24 * 366 * 10
MAX_SECONDS = MAX_HOURS * 3600


@dataclass(frozen=True, kw_only=True)
class QuerySettings(ServiceSettings):
    """Settings of the query service, in addition to those of every service."""

    port: int = setting("Port to listen on.", kind="int", default=8001, check=validate.Range(1, 65535))
    pool_max: int = setting(
        "Most database connections of this process. As many questions of analytics as there are connections but two are asked at once, "
        "and one client has half of these places: a page of the dashboard asks four at once.",
        kind="int", default=6, check=validate.Range(1, 100),
    )  # fmt: skip
    window_hours: int = setting(
        "How far back `GET /events` looks when it is told neither `user_id` nor `from`.",
        kind="int", default=24, check=validate.Range(1, MAX_HOURS),
    )  # fmt: skip
    window_max_hours: int = setting(
        "The widest `from` to `to` of `GET /events` without a `user_id`; wider is a 422.",
        kind="int", default=24 * 7, check=validate.Range(1, MAX_HOURS),
    )  # fmt: skip
    longest_session_seconds: int = setting(
        "How long a session lasts at most where a question doesn't say (`longest`).",
        kind="int", default=86_400, check=validate.Range(1, MAX_SECONDS),
    )  # fmt: skip
    statement_seconds: float = setting(
        "How long one question may take, and PostgreSQL's `statement_timeout` for it; longer is a 504.",
        kind="float", default=5.0, check=validate.Range(0.01, 600),
    )  # fmt: skip
    cache_folder: str = setting(
        "Where columns of events are kept on the local disk, for questions of analytics. Only the service's account may read it. A process "
        "that starts deletes what killed ones left. Empty: a folder in the system's temporary one. Several processes may share it.",
        default="",
    )
    cache_max_bytes: int = setting(
        "The most that this process keeps there: three quarters in columns, a quarter for what doesn't fit into memory. If a question "
        "reads more, the answer is a 503.",
        kind="int", default=4 * 2**30, check=validate.Range(2**20, 2**50),
    )  # fmt: skip
    analytics_memory_bytes: int = setting(
        "The most memory that all questions of analytics together take in this process, beside the 250 MiB of the service itself. Beyond "
        "that they write to CACHE_FOLDER; if that isn't enough either, the answer is a 503.",
        kind="int", default=512 * 2**20, check=validate.Range(64 * 2**20, 2**44),
    )  # fmt: skip
    analytics_threads: int = setting(
        "The most threads of all questions of analytics together in this process, beside the one that serves requests.",
        kind="int", default=2, check=validate.Range(1, 256),
    )  # fmt: skip
    lake: str = setting(
        "The lake that has events which PostgreSQL has no more (`tracker maintain --archive-first`): a folder, or `s3://bucket/prefix`. "
        "Questions of analytics are answered over these, too. It is only read. Empty: they are about what PostgreSQL has.",
        default="",
    )
    sql: bool = setting(
        "Whether people may ask in SQL (`POST /sql`), who have the scope for it: one SELECT over the events that they may see.",
        kind="bool", default=False,
    )  # fmt: skip
    sql_statements: int = setting(
        "Statements in SQL that are run at once; further ones wait. A token or person has one of them.",
        kind="int", default=2, check=validate.Range(1, 100),
    )  # fmt: skip
    sql_seconds: float = setting(
        "How long a statement in SQL may take, with the copying of what it reads; longer is a 504.",
        kind="float", default=15.0, check=validate.Range(0.1, 600),
    )  # fmt: skip
    sql_memory_bytes: int = setting(
        "The most memory that DuckDB takes for each statement in SQL, in a process of its own; more is a 422. Where SQL is on, the service "
        "takes 128 MiB more, and for each of SQL_STATEMENTS this and 192 MiB.",
        kind="int", default=256 * 2**20, check=validate.Range(64 * 2**20, 2**44),
    )  # fmt: skip
    sql_copy_bytes: int = setting(
        "The most bytes of what a statement in SQL reads, copied into CACHE_FOLDER while it runs; more is a 422. Copies are there beside "
        "CACHE_MAX_BYTES, one for each of SQL_STATEMENTS.",
        kind="int", default=256 * 2**20, check=validate.Range(2**20, 2**44),
    )  # fmt: skip
    explain: bool = setting(
        "Whether `explain=true` is allowed: it tells plans, and asks each question twice.", kind="bool", default=False
    )
    exports: int = setting(
        "Exports (`GET /events/export`) streamed at once; one more is a 503. A token or person has half of them at most (429).",
        kind="int", default=4, check=validate.Range(1, 100),
    )  # fmt: skip
    live_clients: int = setting(
        "Clients of `GET /events/live` at once; one more is a 503. A token or person has half of them at most (429).",
        kind="int", default=50, check=validate.Range(1, 10_000),
    )  # fmt: skip
    control_database_url: str = database_url_setting(
        "PostgreSQL connection URL of the role `control`, which signs people in and manages. Empty: there are no tokens and no "
        "sign-in, and nothing under /admin.",
        default="",
    )
    signing_key: str = setting(
        "Ed25519 private keys in PEM, one or more: the first signs, all verify. Needed with CONTROL_DATABASE_URL.",
        default="", secret=True,
    )  # fmt: skip
    erase_seconds: float = setting(
        "PostgreSQL's `statement_timeout` for each statement that erases or anonymises a user; longer is a 504.",
        kind="float", default=600.0, check=validate.Range(0.01, 86_400),
    )  # fmt: skip
    topic_archive_days: int = setting(
        "For how many days archives of Kafka's topics have an event: files that are made of a topic; 0: there are none. Erasures don't "
        "reach them, and receipts say until when they have the user's events.",
        kind="int", default=0, check=validate.Range(0, 36_500),
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
    oidc_issuer: str = setting(
        "Issuer of an OpenID Connect provider by which people sign in, as it writes itself. Empty: they do by password alone.",
        default="",
    )  # fmt: skip
    oidc_client_id: str = setting("What the provider calls this client.", default="")
    oidc_client_secret: str = setting("The client's secret.", default="", secret=True)
    oidc_redirect_uri: str = setting(
        "Where the provider sends browsers: the dashboard's address with `/sign-in/oidc/callback`.", default=""
    )
    oidc_scopes: Sequence[str] = setting(
        "What is asked of the provider, separated by commas.", kind="list", default=("openid", "email", "profile")
    )
    oidc_name_claim: str = setting(
        "Claim of the ID token with a person's name here. `email` counts only if the provider has verified it.",
        default="email",
    )  # fmt: skip
    oidc_role_claim: str = setting(
        "Claim of the ID token, a text or a list, by which OIDC_ROLES tells the role.", default="groups"
    )
    oidc_roles: Sequence[str] = setting(
        "Roles of values of that claim, separated by commas: `platform=admin,staff=viewer`. A person with none of them is refused.",
        kind="list", default=(),
    )  # fmt: skip
    oidc_sources: Sequence[str] = setting(
        "Sources whose events people see who come by the provider, separated by commas, until an admin says otherwise. Empty: all.",
        kind="list", default=(),
    )  # fmt: skip
    oidc_hours: int = setting(
        "After how long a sign-in by the provider ends, used or not: then it is asked again.",
        kind="int", default=12, check=validate.Range(1, 24 * 30),
    )  # fmt: skip

    @property
    def cache_path(self) -> Path:
        """The folder of CACHE_FOLDER. Whose account it is is part of the default one's name."""
        return Path(self.cache_folder or Path(gettempdir()) / f"event-tracker-query-{os.getuid()}")

    @property
    def oidc_role_of(self) -> dict[str, str]:
        """Value of the role claim → role."""
        return dict(_pair(line) for line in self.oidc_roles)

    def contradictions(self) -> dict[str, list[str]]:
        """Errors in combinations of settings that are each valid."""
        found = super().contradictions()
        if self.auth == "required" and not self.control_database_url:
            found["CONTROL_DATABASE_URL"] = [NO_CONTROL]
        if self.control_database_url:
            try:
                Signer(self.signing_key)
            except ValueError as error:
                found["SIGNING_KEY"] = [str(error)]
        return {**found, **self._oidc_contradictions()} if self.oidc_issuer else found

    def _oidc_contradictions(self) -> dict[str, list[str]]:
        found = {}
        for name in ("control_database_url", "oidc_client_id", "oidc_client_secret", "oidc_redirect_uri", "oidc_roles"):
            if not getattr(self, name):
                found[name.upper()] = ["OIDC_ISSUER needs it."]
        for name in ("oidc_issuer", "oidc_redirect_uri"):
            if getattr(self, name) and not _is_safe_url(getattr(self, name)):
                found[name.upper()] = ["Must be an https URL without query and fragment; http is for loopback alone."]
        if "openid" not in self.oidc_scopes:
            found["OIDC_SCOPES"] = ["Must hold openid."]
        if any(not value or role not in ROLES for value, role in map(_pair, self.oidc_roles)):
            found["OIDC_ROLES"] = [f"Must be VALUE=ROLE, separated by commas; roles are {', '.join(ROLES)}."]
        return found


def _pair(line: str) -> tuple[str, str]:
    value, _, role = line.strip().rpartition("=")
    return value, role


def _is_safe_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        host = url.hostname or ""
    except ValueError:
        return False
    safe = url.scheme == "https" or (url.scheme == "http" and is_loopback(host))
    return bool(safe and host) and not (url.query or url.fragment or url.username)
