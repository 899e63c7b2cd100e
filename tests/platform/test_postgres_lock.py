"""The StatefulSet's PostgreSQL: a second server on the same data folder waits for the first to end.

After `kubectl delete pod --force` both run at once. Without the lock, 1,045 of 4,772 acknowledged events were gone.
"""

import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from containers import compose_image
from stack import eventually
from tools import ROOT, run, tool

STATEFULSET = ROOT / "k8s" / "components" / "postgres" / "statefulset.yaml"

SECONDS_OF_A_START = 5
"""A server that doesn't wait is up sooner."""


class Postgres:
    """A container that runs what the StatefulSet's does, on a volume that it shares."""

    def __init__(self, volume: str, secrets: Path) -> None:
        container = yaml.safe_load(STATEFULSET.read_text())["spec"]["template"]["spec"]["containers"][0]
        self.name = f"event-tracker-test-lock-{uuid.uuid4().hex[:8]}"
        entrypoint, *arguments = [*container["command"], *container["args"]]
        run(
            tool("docker"), "run", "--detach", "--name", self.name, "--user=postgres", "--network=none", "--shm-size=256m",
            f"--volume={volume}:/var/lib/postgresql", f"--volume={secrets}:/secrets:ro", "--env=POSTGRES_PASSWORD_FILE=/secrets/password",
            f"--entrypoint={entrypoint}", compose_image("postgres"), *arguments,
        )  # fmt: skip

    def ready(self) -> bool:
        asked = subprocess.run(
            [tool("docker"), "exec", self.name, "pg_isready", "--quiet", "--host=127.0.0.1"], check=False
        )
        return asked.returncode == 0

    def remove(self) -> None:
        subprocess.run([tool("docker"), "rm", "--force", self.name], capture_output=True, check=False)


@pytest.fixture
def volume(docker: str) -> Iterator[str]:
    name = f"event-tracker-test-lock-{uuid.uuid4().hex[:8]}"
    run(docker, "volume", "create", name)
    yield name
    run(docker, "volume", "rm", "--force", name)


def test_a_second_server_on_the_same_data_waits_for_the_first_to_end(volume: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "password").write_text("for this test")
    servers = []
    try:
        servers.append(Postgres(volume, tmp_path))
        eventually(servers[0].ready, "the first server is ready")
        servers.append(Postgres(volume, tmp_path))
        time.sleep(SECONDS_OF_A_START)
        assert not servers[1].ready()
        servers[0].remove()
        eventually(servers[1].ready, "the second server is ready")
    finally:
        for server in servers:
            server.remove()
