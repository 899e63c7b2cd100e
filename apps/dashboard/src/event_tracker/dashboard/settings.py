"""The settings, read from the environment."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self, cast

from environs import Env, EnvValidationError, validate


@dataclass(frozen=True)
class Settings:
    """The settings of the dashboard."""

    host: str
    port: int
    query_url: str
    """The URL of the query service, without a slash at the end."""

    collector_url: str
    """The URL to which sites and apps send events, without a slash at the end. The page Sources shows it in snippets to copy."""

    https: bool
    """Whether people open the dashboard over HTTPS, through a proxy in front of it."""

    @classmethod
    def read(cls) -> Self:
        """Read the environment. If there are mistakes, end the process with a message: one line for each."""
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
