"""Apply the numbered, forward-only migrations of `infra/migrations`.

They run under a PostgreSQL advisory lock: it ends with its session. yoyo's own lock is a row that outlives a killed
process and then blocks everyone, so it isn't used.
"""

from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from yoyo import get_backend, read_migrations

ADVISORY_LOCK = 7_311_142_570_157_092_462
"""Any number that nothing else uses: the bytes of "events.n" as a bigint."""

LOCK_TIMEOUT = "10s"
"""A migration that waits longer for a table gives up: everything that comes after it would queue behind it."""


def _yoyo_url(database_url: str) -> str:
    """yoyo's form of a connection URL: every part as a query parameter, so that sockets and options pass through."""
    parameters = {
        **conninfo_to_dict(database_url),
        "options": "-c lock_timeout=" + LOCK_TIMEOUT,
        "application_name": "migrate",
    }
    name = quote(str(parameters.pop("dbname", "")))
    query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in parameters.items())
    return f"postgresql+psycopg:///{name}?{query}"


def apply_migrations(database_url: str, directory: Path) -> list[str]:
    """Apply what is missing, in order, each in a transaction of its own; return the ids applied.

    Several callers at once are safe: one applies, the others wait for it and find nothing left to do.
    """
    migrations = read_migrations(str(directory))
    if not migrations:
        raise FileNotFoundError(f"no migrations in {directory}")
    with psycopg.connect(database_url, autocommit=True) as guard:
        guard.execute("select pg_advisory_lock(%s)", [ADVISORY_LOCK])
        backend = get_backend(_yoyo_url(database_url))
        try:
            missing = backend.to_apply(migrations)
            backend.apply_migrations(missing)
            return [migration.id for migration in missing]
        finally:
            backend.connection.close()
