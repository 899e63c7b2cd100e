"""Settings: read once from the environment into a frozen dataclass, every mistake reported in one list.

A setting is a dataclass field made with `setting(...)`; its environment variable is the field's name in capitals.
Secrets may be given as a file instead: `DATABASE_URL_FILE=/run/secrets/database_url`. A connection URL may be given in parts:
`DATABASE_HOST`, `DATABASE_PASSWORD_FILE` and so on.
"""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from ipaddress import ip_address
from typing import Any, Self

from environs import EnvError, EnvValidationError, FileAwareEnv, validate

from event_tracker.core.postgres.database_parts import build_connection_string, find_part_mistakes, part_names
from event_tracker.core.postgres.database_url import check_database_url

__all__ = ["InvalidSettingsError", "ServiceSettings", "Settings", "setting", "validate"]

OPEN_ANYWHERE = (
    "open would let whoever reaches HOST={host} send and read events. Set AUTH=required, the default (docs/operations.md says how "
    "the first key and the first admin are made); or HOST=127.0.0.1; or, if something in front keeps strangers out, "
    "AUTH_OPEN_ANYWHERE=true."
)

DATABASE_URL_DOC = "PostgreSQL connection URL, `postgresql://user:password@host:5432/database`."


class InvalidSettingsError(Exception):
    """Raised with every mistake in the environment at once, one a line."""

    def __init__(self, mistakes: dict[str, list[str]]) -> None:
        super().__init__("\n".join(f"{name}: {' '.join(why)}" for name, why in sorted(mistakes.items())))
        self.mistakes = mistakes


def setting(
    doc: str,
    *,
    kind: str = "str",
    default: Any = MISSING,
    check: Callable[[Any], Any] | None = None,
    secret: bool = False,
) -> Any:
    """Declare a setting: what it means (with its unit), its environs type, its default (none: required), its bounds."""
    metadata = {"doc": doc, "kind": kind, "check": check, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


def database_url_setting(doc: str, *, default: Any = MISSING) -> Any:
    """Declare a setting that is a connection URL, or its parts. It is a secret, and a text that libpq reads."""
    return setting(doc, kind="database_url", default=default, check=check_database_url, secret=True)


def _read(env: FileAwareEnv, declared: "Field[Any]") -> Any:
    if declared.metadata["kind"] == "database_url":
        return _read_database_url(env, declared)
    return _read_plain(env, declared, declared.metadata["kind"])


def _read_plain(env: FileAwareEnv, declared: "Field[Any]", kind: str) -> Any:
    read = getattr(env, kind)
    options: dict[str, Any] = {"validate": declared.metadata["check"]}
    if declared.default is not MISSING:
        options["default"] = declared.default
    return read(declared.name.upper(), **options)


def _read_database_url(env: FileAwareEnv, declared: "Field[Any]") -> Any:
    """Read a connection URL, or make it of its parts.

    Raises:
        InvalidSettingsError: if both are given, or a part is missing or wrong.
    """
    name = declared.name.upper()
    texts: dict[str, str] = {part: text for part in part_names(name) if (text := env.str(part, ""))}
    # Kubernetes sets DATABASE_PORT=tcp://… in every pod beside a Service named `database`.
    if not texts or (texts.keys() == {name.removesuffix("URL") + "PORT"} and env.str(name, "")):
        return _read_plain(env, declared, "str")
    if env.str(name, ""):
        raise InvalidSettingsError(
            {name: [f"Set either it or its parts, not both: {', '.join(texts)} would be ignored."]}
        )
    if mistakes := find_part_mistakes(name, texts):
        raise InvalidSettingsError(mistakes)
    return build_connection_string(name, texts)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of each service's settings."""

    @classmethod
    def read(cls, **given: Any) -> Self:
        """Read every setting that is not `given` from the environment.

        Raises:
            InvalidSettingsError: naming every variable that is missing or out of bounds.
        """
        env = FileAwareEnv(eager=False, strip_whitespace=True)
        mistakes: dict[str, list[str]] = {}
        values = dict(given)
        for declared in fields(cls):
            if declared.name not in given:
                try:
                    values[declared.name] = _read(env, declared)
                except InvalidSettingsError as error:
                    mistakes |= error.mistakes
                except (EnvError, ValueError) as error:  # an unreadable _FILE is raised at once
                    mistakes[declared.name.upper()] = [str(error)]
        try:
            env.seal()
        except EnvValidationError as error:
            mistakes.update(error.error_messages)  # type: ignore[arg-type]
        if mistakes:
            raise InvalidSettingsError(mistakes)
        settings = cls(**values)
        if contradictions := settings.contradictions():
            raise InvalidSettingsError(contradictions)
        return settings

    def contradictions(self) -> dict[str, list[str]]:
        """Mistakes in settings that are valid alone but not together, by setting."""
        return {}


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(Settings):
    """The settings that both services have."""

    database_url: str = database_url_setting(DATABASE_URL_DOC)
    host: str = setting("Address to listen on.", default="127.0.0.1")
    port: int = setting("Port to listen on.", kind="int", check=validate.Range(1, 65535))
    health_port: int = setting(
        "Port on which `/livez` and `/readyz` are answered at once, however busy the service is: for an orchestrator's probes, not for "
        "clients. 0: none.",
        kind="int", default=0, check=validate.Range(0, 65535),
    )  # fmt: skip
    reuse_port: bool = setting(
        "Let several processes listen on the same port; the kernel spreads connections over them.",
        kind="bool",
        default=False,
    )
    connections: int = setting(
        "HTTP connections served at once. As many more are accepted and wait for their turn, others wait in the backlog. An eighth is "
        "kept for new ones: those that have waited for their client the longest are hung up on.",
        kind="int",
        default=1000,
        check=validate.Range(1, 100_000),
    )
    max_bodies_bytes: int = setting(
        "Most bytes that requests and answers with more than 32 KiB may have together, from the first byte of a request's body until "
        "its answer has left; one that doesn't fit is a 503. One client has half of them at most (429). Memory takes three to four "
        "times as much.",
        kind="int", default=64 * 2**20, check=validate.Range(1, 2**36),
    )  # fmt: skip
    keepalive_seconds: int = setting(
        "How long an idle HTTP connection is kept, and how long a request's headers may take.",
        kind="int", default=75, check=validate.Range(1, 3600),
    )  # fmt: skip
    drain_seconds: int = setting(
        "After SIGTERM: how long to go on accepting, with `/readyz` at 503, so that load balancers notice.",
        kind="int", default=3, check=validate.Range(0, 300),
    )  # fmt: skip
    pool_max: int = setting(
        "Most database connections of this process.", kind="int", default=4, check=validate.Range(1, 100)
    )
    auth: str = setting(
        "`required`: nobody gets in without a key, a token or a sign-in. `open`, on loopback: whoever reaches the service may send "
        "events (their source is `default`) and read them.",
        default="required", check=validate.OneOf(["open", "required"]),
    )  # fmt: skip
    auth_open_anywhere: bool = setting(
        "Lets AUTH=open be on an address other than loopback, where something in front of the service keeps strangers out.",
        kind="bool", default=False,
    )  # fmt: skip
    cors_origins: Sequence[str] = setting(
        "Origins, separated by commas, whose pages may call this service; `*` is any, `http://localhost:*` any port. Empty: CORS is off.",
        kind="list", default=(),
    )  # fmt: skip
    log_level: str = setting(
        "`debug` logs every request, `info` those that were refused or failed.",
        default="info", check=validate.OneOf(["debug", "info", "warning", "error"]),
    )  # fmt: skip
    revision: str = setting("Source revision of the build, shown by `/version`.", default="unknown")

    def contradictions(self) -> dict[str, list[str]]:
        """Mistakes in settings that are valid alone but not together, by setting."""
        mistakes = super().contradictions()
        if self.health_port == self.port:
            mistakes["HEALTH_PORT"] = ["It must be another port than PORT."]
        if self.auth != "required" and not self.auth_open_anywhere and not is_loopback(self.host):
            mistakes["AUTH"] = [OPEN_ANYWHERE.format(host=self.host)]
        return mistakes


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only. Of names, only `localhost` counts as loopback."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
