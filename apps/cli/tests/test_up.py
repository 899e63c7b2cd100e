"""`tracker up` as a user sees it: a command in a terminal, URLs, and a data folder."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import requests
from click.testing import CliRunner
from folders import MEMORY_FOLDER
from stack_up import Up

from event_tracker.cli.local import embedded
from event_tracker.cli.local.embedded import embedded_postgres, running_url
from event_tracker.cli.local.process import Process
from event_tracker.cli.local.services import url_in_role
from event_tracker.cli.local.system_account import account_for
from event_tracker.cli.local.up import _settings_of_services
from event_tracker.cli.settings import UpSettings
from event_tracker.cli.simulate.verify import verify

pytestmark = pytest.mark.services

EVENT = {"user_id": "ann", "event_type": "view"}


@pytest.fixture(scope="module")
def folders() -> Iterator[Path]:
    """Where the data folders are. Not in pytest's: each run of pytest closes that to other users, and when root runs the
    tests PostgreSQL is one."""
    with tempfile.TemporaryDirectory(prefix="folders of a user ", dir=MEMORY_FOLDER) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def running(folders: Path) -> Iterator[Up]:
    """A `tracker up` started in an empty folder, for tests that don't change it."""
    up = Up(folders / "running", cwd=folders).wait_ready()
    yield up
    up.stop()


@pytest.fixture(scope="module")
def data(folders: Path) -> Path:
    """A data folder that tests use one after the other, since creating PostgreSQL's files takes a second or two."""
    return folders / "not there yet"


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """A function that starts `tracker up` on a folder."""
    started: list[Up] = []

    def start(data: Path, *arguments: str, **settings: str) -> Up:
        started.append(Up(data, *arguments, cwd=tmp_path, **settings))
        return started[-1]

    yield start
    for up in started:
        if up.process.poll() is None:
            up.stop()


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=60)[1]


def printed_lines_work(up: Up) -> None:
    lines = [line for line in up.output.splitlines() if line.startswith("  curl ")]
    answers = [subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout for line in lines]
    for expected, answer in zip(('"status":"stored"', '"user_id":"ann"', '"count":1'), answers, strict=True):
        assert expected in answer


@pytest.mark.skipif(not shutil.which("curl"), reason="the printed lines are for curl")
def test_the_printed_lines_send_an_event_read_it_and_count_it(running: Up):
    printed_lines_work(running)


def ask_in_sql(up: Up, **headers: str) -> requests.Response:
    return requests.post(f"{up.query}/sql", json={"sql": "select 7 as n"}, headers=headers, timeout=60)


def test_on_its_own_server_sql_can_be_tried_without_a_token_and_with_the_one_in_the_folder(running: Up):
    assert ask_in_sql(running).json()["rows"] == [[7]]
    token = (running.data / "admin-token").read_text()
    assert ask_in_sql(running, Authorization=f"Bearer {token}").json()["rows"] == [[7]]


@pytest.mark.parametrize(
    ("database_url", "environment", "given"),
    [
        ("", {}, "on"),
        ("", {"SQL": "off"}, None),
        ("", {"SQL_FILE": "/a/file"}, None),
        ("postgresql://owner@db.example/events", {}, None),
    ],
    ids=["its own server", "off", "a file says", "another server"],
)
def test_sql_is_on_only_with_its_own_server_and_where_nobody_says_otherwise(
    monkeypatch, tmp_path, database_url, environment, given
):
    for name in ("SQL", "SQL_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = _settings_of_services(
        UpSettings(database_url=database_url), "postgresql://owner@db.example/events", tmp_path, "open"
    )
    assert settings["query"].get("SQL") == given


@pytest.mark.skipif(not shutil.which("curl"), reason="the printed lines are for curl")
def test_with_auth_required_the_printed_lines_carry_a_key_and_a_token(start_up, folders, postgres, database, owner):
    data = folders / "it's required"
    settings = {"DATABASE_URL": postgres.url(database), "AUTH": "required"}
    up = start_up(data, **settings).wait_ready()
    printed_lines_work(up)
    assert requests.post(f"{up.collector}/events", json=EVENT, timeout=30).status_code == 401
    assert requests.get(f"{up.query}/stats/top-types", timeout=30).status_code == 401
    secrets = {name: data / name for name in ("signing-key.pem", "write-key", "admin-token")}
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.values()} == {0o600}
    kept = {name: path.read_text() for name, path in secrets.items()}
    assert kept["write-key"] not in up.output
    assert kept["admin-token"] not in up.output
    refused = ask_in_sql(up, Authorization=f"Bearer {kept['admin-token']}")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_required")
    (scopes,) = owner.execute("select scopes from api_tokens where name = 'tracker up'").fetchone()
    assert "sql" not in scopes
    up.stop()
    owner.execute("update write_keys set revoked_at = now()")
    again = start_up(data, **settings).wait_ready()
    assert {name for name, path in secrets.items() if path.read_text() != kept[name]} == {"write-key"}
    key = {"X-Write-Key": secrets["write-key"].read_text()}
    assert requests.post(f"{again.collector}/events", json=EVENT, headers=key, timeout=30).status_code == 201


def one_time_password(up: Up) -> str | None:
    found = re.search("as admin, once, with the password ([^ ]+)", up.output)
    return found[1] if found else None


def sign_in(up: Up, password: str | None) -> requests.Response:
    return requests.post(f"{up.query}/auth/sign-in", json={"name": "admin", "password": password}, timeout=30)


def test_each_start_prints_a_password_for_one_sign_in_until_the_admin_has_set_one(
    start_up, folders, postgres, database
):
    data, url = folders / "sign-in", postgres.url(database)
    first = start_up(data, DATABASE_URL=url).wait_ready()
    password = one_time_password(first)
    signed_in = sign_in(first, password).json()
    assert (signed_in["person"]["role"], signed_in["must_set_password"]) == ("admin", True)
    assert sign_in(first, password).status_code == 401
    first.stop()

    second = start_up(data, DATABASE_URL=url).wait_ready()
    assert one_time_password(second) not in (None, password)
    signed_in = sign_in(second, one_time_password(second)).json()
    of_first = {"Authorization": f"Bearer {signed_in['access_token']}"}
    own = {"password": "correct horse battery"}
    assert requests.post(f"{second.query}/auth/password", json=own, headers=of_first, timeout=30).status_code == 204
    of_before = {"Authorization": f"Bearer {sign_in(second, own['password']).json()['access_token']}"}
    second.stop()

    third = start_up(data, DATABASE_URL=url).wait_ready()
    assert one_time_password(third) is None
    assert "as admin, with the password that you have set" in third.output
    # The signing key was kept: what it signed counts after the restart.
    assert requests.get(f"{third.query}/auth/me", headers=of_before, timeout=30).json()["name"] == "admin"
    assert sign_in(third, own["password"]).status_code == 200


def test_a_second_start_on_the_same_folder_is_refused_and_disturbs_nothing(running: Up, start_up):
    second = start_up(running.data)
    assert second.process.wait(60) == 1
    assert second.output == (
        f"Error: `tracker up` already runs on {running.data} (process {running.process.pid}): "
        "stop it, or choose another folder with --data\n"
    )
    assert requests.get(f"{running.collector}/healthz", timeout=30).ok


def test_only_the_two_services_listen_and_only_the_owner_gets_to_the_socket(running: Up):
    listening = set()
    for process in running.running():
        with suppress(psutil.NoSuchProcess):  # PostgreSQL's come and go
            listening |= {one.laddr for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", port) for port in running.ports.values()}
    postgres = running.data / "postgres"
    sockets = Path((postgres / "postmaster.pid").read_text().split("\n")[4])
    assert stat.S_IMODE((sockets / ".s.PGSQL.5432").stat().st_mode) == 0o700
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert sockets.stat().st_uid == postgres.stat().st_uid
    assert stat.S_IMODE(postgres.stat().st_mode) == 0o700


def test_no_other_account_may_read_the_folder_or_its_logs(running: Up):
    data, logs = running.data, running.data / "logs"
    assert data.stat().st_mode & 0o066 == 0, (
        "PostgreSQL's account may pass through it where root starts it, and no more"
    )
    assert logs.stat().st_mode & 0o077 == 0
    written = [path for path in logs.iterdir() if path.suffix == ".log"]
    assert written
    assert [path.name for path in written if path.stat().st_mode & 0o077] == []


def test_maintain_finds_the_server_of_the_folder(running: Up, tmp_path):
    assert maintain(running.data).returncode == 0
    elsewhere = maintain(tmp_path)
    assert elsewhere.returncode == 1
    assert elsewhere.stderr.startswith(f"Error: DATABASE_URL isn't set, and no `tracker up` runs on {tmp_path}")


def test_the_upkeep_is_done_in_the_background(start_up, tmp_path, postgres, database, owner):
    owner.execute(
        "insert into events (user_id, \"timestamp\", event_id, event_type) values ('ann', '2026-03-01', gen_random_uuid(), 'view')"
    )
    owner.execute("insert into event_counts values ('2026-03-01', 'view', 'default', 0, 1)")
    up = start_up(tmp_path / "data", DATABASE_URL=postgres.url(database)).wait_ready()
    deadline = time.monotonic() + 60
    while not owner.execute("select from blocks").fetchall():
        assert time.monotonic() < deadline, (tmp_path / "data" / "logs" / "upkeep.log").read_text()
        time.sleep(0.1)
    assert up.output.endswith("Ctrl-C stops everything.\n")
    assert up.stop() == 0


def test_however_it_ends_nothing_is_left_running_and_the_data_stays(start_up, data):
    def store(up: Up, user: str) -> None:
        event = {"user_id": user, "event_type": "view"}
        assert requests.post(f"{up.collector}/events", json=event, timeout=30).status_code == 201

    def stored(up: Up, user: str) -> bool:
        return len(requests.get(f"{up.query}/events", {"user_id": user}, timeout=30).json()["events"]) == 1

    ctrl_c = start_up(data).wait_ready()
    processes = ctrl_c.running()
    store(ctrl_c, "ann")
    assert ctrl_c.stop(signal.SIGINT) == 0
    assert ctrl_c.output.endswith("Stopped.\n")
    assert gone(processes)

    sigkill = start_up(data).wait_ready()
    processes = sigkill.running()
    assert stored(sigkill, "ann")
    store(sigkill, "bob")
    sigkill.process.kill()

    sigterm = start_up(data).wait_ready()
    assert gone(processes)
    processes = sigterm.running()
    assert stored(sigterm, "bob")
    assert sigterm.stop(signal.SIGTERM) == 0
    assert gone(processes)


def test_a_killed_service_is_named_and_everything_else_stopped(start_up, data):
    up = start_up(data).wait_ready()
    processes = up.running()
    up.kill("collector")
    assert up.process.wait(60) == 1
    assert f"Error: the collector was killed by SIGKILL. The end of {data}/logs/collector.log:" in up.output
    assert gone(processes)


def test_a_killed_postgresql_is_named_and_everything_else_stopped(start_up, data):
    up = start_up(data).wait_ready()
    processes = up.running()
    up.kill("postgres")
    assert up.process.wait(60) == 1
    assert f"Error: PostgreSQL was killed by SIGKILL. The end of {data}/logs/postgres.log:" in up.output
    assert gone(processes)


def test_a_server_that_outlived_its_up_makes_room_for_the_next(data):
    (data / "logs").mkdir(parents=True, exist_ok=True)
    with embedded_postgres(data) as (leftover, _), embedded_postgres(data) as (server, url):
        assert leftover.wait(0) == 0
        assert server.wait(0) is None
        assert running_url(data) == url


def test_a_number_that_another_process_got_is_not_taken_for_a_server(data):
    """As after the crash of a container: the number in the file is that of a running process that isn't PostgreSQL."""
    (data / "logs").mkdir(parents=True, exist_ok=True)
    with embedded_postgres(data):
        left = (data / "postgres" / "postmaster.pid").read_text()
    (data / "postgres" / "postmaster.pid").write_text(left.replace(left.split("\n")[0], str(os.getpid()), 1))
    with embedded_postgres(data) as (server, _):
        assert server.wait(0) is None


def test_what_breaks_off_while_files_are_made_is_made_again(folders):
    folder = folders / "broken off"
    (folder / "logs").mkdir(parents=True)
    (folder / "postgres.new").mkdir()
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    with embedded_postgres(folder) as (_, url), psycopg.connect(url) as connection:
        assert connection.info.dbname == "events"


def test_a_long_path_and_odd_characters_work(folders):
    folder = folders / ("a, b & c%20? " * 9)
    (folder / "logs").mkdir(parents=True)
    with embedded_postgres(folder) as (_, url):
        assert running_url(folder) == url
    assert running_url(folder) is None


def test_maintain_finds_the_server_whatever_its_own_folder_for_temporary_files(running: Up, tmp_path):
    environment = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    command = [sys.executable, "-m", "event_tracker.cli", "maintain", "--data", str(running.data)]
    said = subprocess.run(command, env={**environment, "TMPDIR": str(tmp_path)}, capture_output=True, check=False)
    assert (said.returncode, b"built " in said.stdout) == (0, True), said.stderr


def test_a_base_backup_of_a_running_server_starts_beside_it(folders):
    folder, copy = folders / "original", folders / "copy"
    for one in (folder, copy):
        (one / "logs").mkdir(parents=True)
    with embedded_postgres(folder) as (_, url):
        # pg_rewind fails at a socket in the data, and a backup takes along its lock, which names a process that runs.
        assert [path.name for path in (folder / "postgres").glob(".s.PGSQL*")] == []
        account = account_for(folder / "postgres")
        (copy / "postgres").mkdir(mode=0o700)
        if account:
            os.chown(copy / "postgres", *account)
        command = [str(embedded._programs() / "pg_basebackup"), "-d", url, "-D", str(copy / "postgres"), "-c", "fast"]
        with Process("pg_basebackup", command, copy / "logs" / "backup.log", account=account) as backup:
            assert backup.wait() == 0, (copy / "logs" / "backup.log").read_text()
        with embedded_postgres(copy) as (_, beside), psycopg.connect(beside) as connection:
            assert connection.execute("show data_directory").fetchone() == (str(copy / "postgres"),)
            assert running_url(folder) == url
            assert running_url(copy) == beside


def test_a_taken_port_is_named_before_anything_is_started(start_up, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = start_up(tmp_path / "data", f"--query-port={port}")
        assert up.process.wait(60) == 1
    assert up.output == f"Error: port {port} can't be used: Address already in use (--query-port chooses another)\n"
    assert not (tmp_path / "data" / "postgres").exists()


def test_an_unwritable_folder_is_named(start_up, tmp_path):
    # Root may write to every folder, but not below a file.
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "data"
    up = start_up(folder)
    assert up.process.wait(60) == 1
    assert up.output == f"Error: can't write to the data folder {folder}: Not a directory (--data chooses another)\n"


def test_a_wrong_setting_of_a_service_is_named(start_up, tmp_path, postgres, database):
    up = start_up(tmp_path / "data", DATABASE_URL=postgres.url(database), MAX_EVENTS="many")
    assert up.process.wait(60) == 1
    assert "MAX_EVENTS: Not a valid integer." in up.output


def test_the_demo_on_a_server_of_ones_own_where_a_key_is_required(start_up, tmp_path, postgres, database, owner):
    data = tmp_path / "data"
    up = start_up(data, "--demo", "--auth=required", DATABASE_URL=postgres.url(database)).wait_ready()
    assert not (data / "postgres").exists()
    month = json.loads((data / "truth-shop.json").read_text())["facts"]["events"]["stored"]
    deadline = time.monotonic() + 60
    while owner.execute("select count(*) from events").fetchone() <= (month,):
        assert time.monotonic() < deadline, "after the month at once no more came"
        time.sleep(0.1)
    asked = [str(data / "truth-shop.json"), "--query", up.query]
    checked = CliRunner().invoke(verify, asked, env={"API_TOKEN_FILE": str(data / "admin-token")})
    assert checked.exit_code == 0, checked.output


def test_a_database_that_cannot_be_reached_is_one_line(start_up, tmp_path):
    up = start_up(tmp_path / "data", DATABASE_URL="postgresql://ann@127.0.0.1:1/events")
    assert up.process.wait(60) == 1
    assert up.output.startswith("Error: can't connect to DATABASE_URL: ")
    assert up.output.count("\n") == 1


def test_a_database_url_that_is_none_is_said_to_be_wrong(start_up, tmp_path):
    up = start_up(tmp_path / "data", DATABASE_URL="nonsense")
    assert up.process.wait(60) == 1
    assert up.output.startswith("Error: these settings are wrong:\nDATABASE_URL: Must be a connection URL")


def test_the_services_have_no_more_rights_than_their_roles(postgres, database):
    with psycopg.connect(url_in_role(postgres.url(database), "query")) as connection:
        assert connection.execute("select current_user").fetchone() == ("query",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from events")


def maintain(data: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "event_tracker.cli", "maintain", "--data", str(data), *arguments],
        env={name: value for name, value in os.environ.items() if "DATABASE_URL" not in name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
