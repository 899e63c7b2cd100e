"""A database with events, and `tracker lake` on it."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from moto_server import moto_server
from servers import Postgres
from stored import Stored

from event_tracker.cli.database.maintain import maintain
from event_tracker.cli.lake.command import lake


@pytest.fixture
def stored(owner: psycopg.Connection, tmp_path: Path) -> Stored:
    """The events of this test."""
    return Stored(owner, tmp_path)


@pytest.fixture
def run(postgres: Postgres, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A function that runs `tracker lake` with these arguments and settings, with the rights of the role `query`."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def call(*arguments: object, code: int = 0, **settings: str) -> Result:
        environment = {"DATABASE_URL": postgres.url(database, "query"), **settings}
        result = CliRunner().invoke(lake, list(map(str, arguments)), env=environment)
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder of a lake."""
    return tmp_path / "lake"


@pytest.fixture
def archive(postgres: Postgres, database: str, target: Path) -> Callable[..., str]:
    """archive() runs the upkeep that deletes all events, if the lake has them; archive(lake=None) the upkeep without a lake."""

    def call(
        *options: str, code: int = 0, keep: str | None = "30days", lake: Path | str | None = target, **settings: str
    ) -> str:
        arguments = [*(["--keep", keep] if keep else []), *(["--archive-first", str(lake)] if lake else []), *options]
        result = CliRunner().invoke(maintain, arguments, env={"DATABASE_URL": postgres.url(database), **settings})
        assert result.exit_code == code, result.output
        return result.output

    return call


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of S3."""
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url
