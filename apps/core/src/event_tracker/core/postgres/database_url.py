"""Checks connection URLs. libpq's own errors may contain the password; the error here never does."""

import re

import psycopg
from marshmallow import ValidationError
from psycopg.conninfo import conninfo_to_dict

LOOKS_LIKE = (
    "Must be a connection URL, `postgresql://user:password@host:5432/database`; "
    "in a password, characters such as @ : / ? # % and spaces are written %40 %3A %2F %3F %23 %25 %20."
)


def check_database_url(url: str) -> None:
    """Return if libpq can read it, or it is empty.

    Raises:
        ValidationError: if it can't, or if a part of the password seems to have been read as another part.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        raise ValidationError(LOOKS_LIKE) from None
    host, name = str(parts.get("host", "")), str(parts.get("dbname", ""))
    if (
        "@" in name
        or ("@" in host and not host.startswith("/"))
        or not re.fullmatch("[0-9,]*", str(parts.get("port", "")))
    ):
        raise ValidationError(LOOKS_LIKE)
