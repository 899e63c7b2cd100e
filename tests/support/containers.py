"""Our images as containers of a real Docker engine, hardened as infra/compose.yaml and k8s/ run them."""

import json
import secrets
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import requests
import yaml
from ports import free_port
from tools import ROOT, not_checked, run, tool

APPS = ("collector", "query", "dashboard", "tracker", "streams")

HARDENED = (
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=128",
    "--memory=256m",
    "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=16m",
    # The host's network, so that clients see the service's own behaviour and not that of a proxy in between.
    "--network=host",
)

START_SECONDS = 120

HEALTH = {"dashboard": "/_stcore/health"}
"""The path at which an app says that it is ready, where that isn't /readyz."""


class Container:
    """One running container of ours."""

    def __init__(self, name: str, url: str, health: str = "/readyz") -> None:
        self.name, self.url, self.health = name, url, health

    def inspect(self) -> Any:
        return json.loads(run(tool("docker"), "inspect", self.name).stdout)[0]

    def logs(self) -> str:
        done = run(tool("docker"), "logs", self.name)
        return done.stdout + done.stderr

    def stop(self, seconds: int = 35) -> int:
        """SIGTERM, and after so many seconds SIGKILL; returns the exit code."""
        run(tool("docker"), "stop", "--time", str(seconds), self.name)
        return int(self.inspect()["State"]["ExitCode"])

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.inspect()["State"]["Running"]:
            try:
                if requests.get(f"{self.url}{self.health}", timeout=2).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{self.name} isn't ready:\n{self.logs()}")


class Server:
    """A PostgreSQL container, set up as infra/compose.yaml does: owner and database by the init script, the rest by `migrate`."""

    ROLES = ("owner", "collector", "query", "control", "relay", "grafana")

    def __init__(self, folder: Path) -> None:
        self.name, self.port, self.folder = f"event-tracker-test-postgres-{uuid.uuid4().hex[:8]}", free_port(), folder
        self.passwords = {role: secrets.token_hex(16) for role in (*self.ROLES, "superuser")}
        folder.chmod(0o755)  # the containers' users are others
        for role, password in self.passwords.items():
            (folder / role).write_text(password)
        (folder / "owner-url").write_text(self.url("owner"))

    def start(self) -> None:
        init = ROOT / "infra" / "postgres" / "init"
        run(
            tool("docker"), "run", "--detach", "--name", self.name, "--network=host", "--user=postgres", "--shm-size=256m",
            f"--volume={self.folder}:/secrets:ro", f"--volume={init}:/docker-entrypoint-initdb.d:ro",
            "--env=POSTGRES_PASSWORD_FILE=/secrets/superuser", "--env=OWNER_PASSWORD_FILE=/secrets/owner", f"--env=PGPORT={self.port}",
            compose_image("postgres"),
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("owner"), connect_timeout=2).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, run(tool("docker"), "logs", self.name).stderr
                time.sleep(0.1)
            else:
                break
        self.migrate()

    def url(self, role: str) -> str:
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/events"

    def execute(self, sql: str) -> list[Any]:
        """Execute SQL as the owner, and return the rows."""
        with psycopg.connect(self.url("owner"), autocommit=True) as connection:
            result = connection.execute(sql.encode())
            return result.fetchall() if result.description else []

    def migrate(self) -> None:
        """Run the image of the command line, as compose's and Kubernetes' `migrate` do."""
        files = ["DATABASE_URL_FILE=/secrets/owner-url"]
        files += [f"{role.upper()}_PASSWORD_FILE=/secrets/{role}" for role in self.ROLES if role != "owner"]
        env = [f"--env={setting}" for setting in files]
        run(
            tool("docker"),
            "run",
            "--rm",
            *HARDENED,
            f"--volume={self.folder}:/secrets:ro",
            *env,
            "event-tracker/tracker:dev",
            "migrate",
        )

    def remove(self) -> None:
        subprocess.run([tool("docker"), "rm", "--force", "--volumes", self.name], capture_output=True, check=False)


def compose_image(name: str) -> str:
    """The image that infra/compose.yaml runs, with its tag; skips where the engine doesn't have it and can't get it."""
    services = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())["services"]
    image = str(next(service["image"] for service in services.values() if service["image"].startswith(f"{name}:")))
    inspected = subprocess.run([tool("docker"), "image", "inspect", image], capture_output=True, check=False)
    if (
        inspected.returncode != 0
        and subprocess.run([tool("docker"), "pull", "--quiet", image], capture_output=True, check=False).returncode != 0
    ):
        not_checked(f"{image} can't be pulled; tests/platform/fixtures/stand-ins makes a local one")
    return image


@contextmanager
def containers() -> Iterator[Callable[..., Container]]:
    """Gives a function that starts services in containers, and removes them at the end."""
    started: list[str] = []

    def start(app: str, **settings: Any) -> Container:
        port = settings.setdefault("PORT", free_port())
        settings.setdefault("HOST", "127.0.0.1")
        settings.setdefault("AUTH", "open")
        name = f"event-tracker-test-{app}-{uuid.uuid4().hex[:8]}"
        env = [f"--env={key}={value}" for key, value in settings.items()]
        started.append(name)
        run(
            tool("docker"),
            "run",
            "--detach",
            "--name",
            name,
            *HARDENED,
            *env,
            f"event-tracker/{app}:dev",
        )
        container = Container(name, f"http://127.0.0.1:{port}", HEALTH.get(app, "/readyz"))
        container.wait_ready()
        return container

    try:
        yield start
    finally:
        for name in started:
            subprocess.run([tool("docker"), "rm", "--force", name], capture_output=True, check=False)
