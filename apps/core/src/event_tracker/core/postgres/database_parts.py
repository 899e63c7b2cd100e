"""A connection URL in parts: DATABASE_HOST, DATABASE_PASSWORD and so on in place of DATABASE_URL.

Some platforms inject secrets as separate variables (Amazon ECS does). Nothing in a part needs to be encoded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo

from event_tracker.core.postgres.certificates import write_certificates

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

PEM = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Part:
    """One part.

    Args:
        suffix: the end of its variable's name, after `DATABASE_`.
        keyword: libpq's name of it.
        pattern: what its text must match as a whole.
        must: what it must be, in words; `{name}` is the variable. An error doesn't repeat the text: it may be a misplaced password.
    """

    suffix: str
    keyword: str
    doc: str
    default: str | None = None
    pattern: str = ".*"
    must: str = ""


PARTS = (
    Part("HOST", "host", "The server's name or address, or the folder of its socket."),
    Part("PORT", "port", "Its port.", default="5432", pattern=r"[0-9]{1,5}", must="Must be a port, 1 to 65535."),
    Part("NAME", "dbname", "The database."),
    Part("USER", "user", "The role to connect as."),
    Part("PASSWORD", "password", "Its password, of any characters, not encoded. Empty: none.", default=""),
    Part(
        "SSLMODE", "sslmode",
        "`disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`, as libpq takes it. Only the last makes sure that "
        "it is the right server that answers.",
        default="prefer", pattern="|".join(SSL_MODES), must=f"Must be one of: {', '.join(SSL_MODES)}.",
    ),
    Part(
        "ROOT_CERTIFICATE", "sslrootcert",
        "Certificates in PEM, one or more, of those who may sign the server's; or `system`: those that the system trusts. It is text, "
        "which is written to a file in the system's temporary folder. Empty: libpq's default, `~/.postgresql/root.crt`.",
        default="", pattern=rf"system|.*{PEM}.*",
        must="Must be certificates in PEM, or `system`. The path of a file goes into {name}_FILE.",
    ),
)  # fmt: skip


def part_names(url_name: str) -> dict[str, Part]:
    """The variables that may stand in place of a connection URL's: `CONTROL_DATABASE_URL` → `CONTROL_DATABASE_HOST` and so on."""
    return {url_name.removesuffix("URL") + part.suffix: part for part in PARTS}


def find_part_mistakes(url_name: str, texts: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong with parts, by variable. None of it repeats a value.

    Args:
        texts: the text of each part that is given, by variable.
    """
    mistakes = {}
    for name, part in part_names(url_name).items():
        text = texts.get(name, "")
        if "\0" in text or not _is_unicode(text):
            mistakes[name] = ["Must be text in UTF-8, without a zero byte."]
        elif not text and part.default is None:
            mistakes[name] = [
                f"Missing: it is needed with {', '.join(sorted(texts))}; or set {url_name} in place of them all."
            ]
        elif text and part.must and not _fits(part, text):
            mistakes[name] = [part.must.format(name=name)]
    return mistakes


def build_connection_string(url_name: str, texts: Mapping[str, str]) -> str:
    """libpq's connection string of parts that have no mistakes. It contains the password.

    Raises:
        ValueError: if libpq can't read it, or the certificates can't be written. It doesn't contain the password.
    """
    values = {part.keyword: texts.get(name) or part.default or "" for name, part in part_names(url_name).items()}
    certificate = values.pop("sslrootcert")
    if certificate:
        values["sslrootcert"] = certificate if certificate == "system" else str(write_certificates(certificate))
    try:
        return make_conninfo(**{keyword: text for keyword, text in values.items() if text})
    except psycopg.Error:
        raise ValueError("libpq can't read these parts.") from None


def _fits(part: Part, text: str) -> bool:
    if not re.fullmatch(part.pattern, text, flags=re.DOTALL):
        return False
    return part.suffix != "PORT" or 0 < int(text) < 65536


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
