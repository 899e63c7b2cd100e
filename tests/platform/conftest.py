"""Fixtures for what needs a Docker engine."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from containers import Container, Server, containers
from shared import made_once
from tools import ROOT, not_checked, tool


@pytest.fixture(scope="session")
def docker() -> str:
    """The docker client, with an engine that answers."""
    docker = tool("docker")
    if subprocess.run([docker, "info"], capture_output=True, check=False).returncode != 0:
        not_checked("no Docker engine answers")
    return docker


@pytest.fixture(scope="session")
def images(docker: str, shared_folder: Path) -> None:
    """Our images, as event-tracker/APP:dev: built now by `make images`, once for all workers, or with IMAGES=published those that are
    there."""
    if os.environ.get("IMAGES") != "published":
        made_once(shared_folder / "images", build_images)


def build_images(built: Path) -> None:
    """Build them, and leave a file that says so."""
    done = subprocess.run(["make", "images"], cwd=ROOT, capture_output=True, text=True, check=False)
    if "no such host" in done.stderr or "failed to resolve" in done.stderr:
        not_checked("the base images can't be pulled; tests/platform/fixtures/stand-ins makes local ones")
    assert done.returncode == 0, done.stdout + done.stderr
    built.touch()


@pytest.fixture(scope="session")
def shared_server(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A migrated PostgreSQL in a container, for the whole run."""
    server = Server(tmp_path_factory.mktemp("secrets"))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The same server, its tables empty."""
    shared_server.execute("truncate events, event_counts")
    return shared_server


@pytest.fixture
def start(server: Server) -> Iterator[Callable[..., Container]]:
    """A function that starts a service in a container, on `server` if it needs one: start("collector", DRAIN_SECONDS=2)."""
    with containers() as start_container:

        def start_service(app: str, **settings: object) -> Container:
            database = {} if app == "dashboard" else {"DATABASE_URL": server.url(app)}
            return start_container(app, **database, **settings)

        yield start_service
