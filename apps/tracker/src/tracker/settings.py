"""What the commands on the database are told by the environment; each may come from a file, as NAME_FILE."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from core.settings import InvalidSettingsError, Settings, setting

CHECKOUT_MIGRATIONS = Path(__file__).parents[4] / "infra" / "migrations"


Kind = TypeVar("Kind", bound=Settings)


def read_settings(kind: type[Kind]) -> Kind:
    """Read them; what is wrong becomes lines for the terminal."""
    try:
        return kind.read()
    except InvalidSettingsError as error:
        raise click.ClickException(f"these settings are wrong:\n{error}") from None


@dataclass(frozen=True, kw_only=True)
class MaintainSettings(Settings):
    """What `tracker maintain` is told."""

    database_url: str = setting(
        "PostgreSQL connection URL of the database's owner. Empty: the embedded server that runs on the data folder.",
        default="", secret=True,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MigrateSettings(Settings):
    """What `tracker migrate` is told."""

    database_url: str = setting("PostgreSQL connection URL of the database's owner.", secret=True)
    collector_password: str = setting(
        "Password to give the role `collector`; empty: none is set.", default="", secret=True
    )
    query_password: str = setting("Password to give the role `query`; empty: none is set.", default="", secret=True)
    control_password: str = setting("Password to give the role `control`; empty: none is set.", default="", secret=True)
    grafana_password: str = setting("Password to give the role `grafana`; empty: none is set.", default="", secret=True)
    migrations_dir: Path = setting(  # noqa: RUF009  # it makes a field
        "Folder of the migrations; the checkout's unless it is set.", kind="path", default=CHECKOUT_MIGRATIONS
    )


@dataclass(frozen=True, kw_only=True)
class UpSettings(Settings):
    """What `tracker up` is told; the services read theirs from the same environment."""

    database_url: str = setting(
        "PostgreSQL connection URL of the database's owner. Empty: `tracker up` runs an embedded server.",
        default="", secret=True,
    )  # fmt: skip
    collector_database_url: str = setting(
        "Connection URL for the collector; empty: the owner's, in the role `collector`.", default="", secret=True
    )
    query_database_url: str = setting(
        "Connection URL for the query service; empty: the owner's, in the role `query`.", default="", secret=True
    )
    control_database_url: str = setting(
        "Second connection URL for the query service, which signs people in; empty: the owner's, in the role `control`.",
        default="", secret=True,
    )  # fmt: skip
    signing_key: str = setting(
        "What the query service signs with, Ed25519 private keys in PEM; empty: one that is kept in the data folder.",
        default="", secret=True,
    )  # fmt: skip
    migrations_dir: Path = setting(  # noqa: RUF009  # it makes a field
        "Folder of the migrations; the checkout's unless it is set.", kind="path", default=CHECKOUT_MIGRATIONS
    )
