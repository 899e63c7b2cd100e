"""The settings of the commands that work on the database. Each may also come from a file, as NAME_FILE."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from event_tracker.core.settings import InvalidSettingsError, Settings, database_url_setting, setting, validate

CHECKOUT_MIGRATIONS = Path(__file__).parents[5] / "infra" / "migrations"


def key_of(kind: str) -> validate.Regexp:
    """The check of a setting that is empty or a key (event_tracker.core.secrets.keys). Its message doesn't contain the value."""
    error = f"Must look like {kind}_0123456789_… : {kind}_, 10 and 40 hexadecimal digits in lower case."
    return validate.Regexp(rf"({kind}_[0-9a-f]{{10}}_[0-9a-f]{{40}})?\Z", error=error)


Kind = TypeVar("Kind", bound=Settings)


def read_settings(kind: type[Kind]) -> Kind:
    """Read the settings. Report wrong ones as lines for the terminal."""
    try:
        return kind.read()
    except InvalidSettingsError as error:
        raise click.ClickException(f"these settings are wrong:\n{error}") from None


@dataclass(frozen=True, kw_only=True)
class MaintainSettings(Settings):
    """The settings of `tracker maintain`."""

    database_url: str = database_url_setting(
        "PostgreSQL connection URL of the database's owner. Empty: the embedded server that runs on the data folder.",
        default="",
    )


@dataclass(frozen=True, kw_only=True)
class MigrateSettings(Settings):
    """The settings of `tracker migrate`."""

    database_url: str = database_url_setting("PostgreSQL connection URL of the database's owner.")
    collector_password: str = setting(
        "Password to give the role `collector`; empty: none is set.", default="", secret=True
    )
    query_password: str = setting("Password to give the role `query`; empty: none is set.", default="", secret=True)
    control_password: str = setting("Password to give the role `control`; empty: none is set.", default="", secret=True)
    relay_password: str = setting("Password to give the role `relay`; empty: none is set.", default="", secret=True)
    grafana_password: str = setting("Password to give the role `grafana`; empty: none is set.", default="", secret=True)
    admin_token: str = setting(
        "API token that may do everything, let in in place of the one that was given here before; empty: none is.",
        default="", check=key_of("rt"), secret=True,
    )  # fmt: skip
    read_token: str = setting(
        "API token that may read events and stats, let in in place of the one that was given here before; empty: none is.",
        default="", check=key_of("rt"), secret=True,
    )  # fmt: skip
    write_key: str = setting(
        "Write key of the source WRITE_KEY_SOURCE, accepted beside others; empty: none is.",
        default="", check=key_of("wk"), secret=True,
    )  # fmt: skip
    write_key_source: str = setting(
        "Source that WRITE_KEY is for, made if there is none.",
        default="default", check=validate.Regexp(r"[a-z0-9][a-z0-9_-]{0,99}\Z"),
    )  # fmt: skip
    migrations_dir: Path = setting(  # noqa: RUF009  # it makes a field
        "Folder of the migrations; the checkout's unless it is set.", kind="path", default=CHECKOUT_MIGRATIONS
    )


@dataclass(frozen=True, kw_only=True)
class UpSettings(Settings):
    """The settings of `tracker up`. The services read theirs from the same environment."""

    database_url: str = database_url_setting(
        "PostgreSQL connection URL of the database's owner. Empty: `tracker up` runs an embedded server.",
        default="",
    )
    collector_database_url: str = database_url_setting(
        "Connection URL for the collector; empty: the owner's, in the role `collector`.",
        default="",
    )
    query_database_url: str = database_url_setting(
        "Connection URL for the query service; empty: the owner's, in the role `query`.",
        default="",
    )
    control_database_url: str = database_url_setting(
        "Second connection URL for the query service, which signs people in; empty: the owner's, in the role `control`.",
        default="",
    )
    signing_key: str = setting(
        "What the query service signs with, Ed25519 private keys in PEM; empty: one that is kept in the data folder.",
        default="", secret=True,
    )  # fmt: skip
    migrations_dir: Path = setting(  # noqa: RUF009  # it makes a field
        "Folder of the migrations; the checkout's unless it is set.", kind="path", default=CHECKOUT_MIGRATIONS
    )
