"""How tests start processes: a forked one is as one that was started from nothing, and takes Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run_tracker

ROOT = Path(__file__).parents[1]


@pytest.fixture(params=[True, False], ids=["forked", "from nothing"])
def start(request, start_service, postgres, database):
    """A function that starts a collector in one of both ways."""
    return lambda **how: start_service(
        "collector", forked=request.param, DATABASE_URL=postgres.url(database, "collector"), **how
    )


@pytest.mark.parametrize(("sig", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_a_signal_ends_it_with_its_exit_code(start, sig, code):
    service = start()
    assert os.getsid(service.process.pid) == service.process.pid
    with pytest.raises(subprocess.TimeoutExpired):
        service.process.wait(0.01)
    assert service.process.poll() is None
    assert service.stop(sig) == code
    assert service.process.poll() == service.process.returncode == code
    assert "Warning" not in service.log.read_text()


def test_its_settings_are_its_own(start):
    service = start(wait=False, MAX_EVENTS="many")
    assert service.process.wait(60) == 1
    assert "MAX_EVENTS" in service.log.read_text()
    assert start().stop() == 0


def test_what_is_started_takes_ctrl_c_where_the_tests_do_not():
    code = (
        "import subprocess, sys, conftest;"
        "subprocess.run([sys.executable, '-c', 'import signal; print(signal.getsignal(signal.SIGINT))'], check=True)"
    )
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "support")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "default_int_handler" in done.stdout


@pytest.mark.parametrize("forked", [True, False])
def test_a_command_has_its_exit_code_and_its_outputs(forked):
    good = run_tracker("--version", environment=os.environ, forked=forked)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("tracker, version ")
    bad = run_tracker("nowhere", environment=os.environ, forked=forked)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "nowhere" in bad.stderr


@pytest.mark.parametrize("forked", [True, False])
def test_a_command_that_takes_too_long_is_killed(forked):
    # It waits for a server that takes connections and never answers: a port that refuses them would end it at once.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://x@127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(subprocess.TimeoutExpired):
            run_tracker("migrate", environment={**os.environ, "DATABASE_URL": url}, timeout=0.1, forked=forked)
