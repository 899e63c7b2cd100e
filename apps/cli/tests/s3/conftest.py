"""A bucket of logs on loopback, and `tracker s3` on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moto_server import CREDENTIALS, FailingProxy, LogBucket, moto_server
from sent_files import VISITOR_SECRET

from event_tracker.cli.ingest.s3.command import s3


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of S3 and SQS."""
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def bucket(moto: str) -> LogBucket:
    return LogBucket(moto)


@pytest.fixture
def proxy(moto: str) -> Iterator[FailingProxy]:
    """A way to S3 that fails where a test says so."""
    server = FailingProxy(moto)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def environment(store: Any, proxy: FailingProxy) -> dict[str, str]:
    return {
        **CREDENTIALS, "AWS_ENDPOINT_URL": proxy.url, "VISITOR_SECRET": VISITOR_SECRET, "COLLECTOR_URL": store.url,
    }  # fmt: skip


@pytest.fixture
def read(bucket: LogBucket, environment: dict[str, str]) -> Callable[..., Result]:
    """Runs `tracker s3 BUCKET --once`."""

    def run(*arguments: object, **more: str) -> Result:
        given = [bucket.name, "--prefix", "logs/", "--once", *map(str, arguments)]
        return CliRunner().invoke(s3, given, env={**environment, **more})

    return run
