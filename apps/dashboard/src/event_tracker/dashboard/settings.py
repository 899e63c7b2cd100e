"""Settings: read from the environment."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self, cast

from environs import Env, EnvValidationError, validate


@dataclass(frozen=True)
class Settings:
    """What the dashboard is told."""

    host: str
    port: int
    query_url: str
    """Where the query service is, without a slash at the end."""

    collector_url: str
    """Where sites and apps send events, without a slash at the end; it stands in what is copied from the page Sources."""

    https: bool
    """Whether people open the dashboard over HTTPS, which a proxy in front of it speaks."""

    @classmethod
    def read(cls) -> Self:
        """Read the environment; leave the process with every mistake, one a line, if there are any."""
        env = Env(eager=False)
        host = env.str("HOST", "127.0.0.1")
        port = env.int("PORT", 8501, validate=validate.Range(1, 65535))
        query_url = env.str(
            "QUERY_URL", "http://127.0.0.1:8001", validate=validate.URL(schemes={"http", "https"}, require_tld=False)
        )
        collector_url = env.str(
            "COLLECTOR_URL",
            "http://127.0.0.1:8000",
            validate=validate.URL(schemes={"http", "https"}, require_tld=False),
        )
        https = env.bool("HTTPS", not _is_loopback(host))
        try:
            env.seal()
        except EnvValidationError as error:
            messages = cast("dict[str, list[str]]", error.error_messages)
            mistakes = [f"{name}: {' '.join(why)}" for name, why in sorted(messages.items())]
            raise SystemExit("\n".join(mistakes)) from None
        return cls(host, port, query_url.rstrip("/"), collector_url.rstrip("/"), https)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
