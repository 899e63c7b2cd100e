"""The command blocks of the README, run as they are on a stack that was just started."""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from folders import MEMORY_FOLDER
from stack_up import Up
from tools import ROOT
from waiting import wait_until

README = (ROOT / "README.md").read_text()
LINE = '127.0.0.1 - ann [10/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 512 "-" "Mozilla/5.0"\n'

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not shutil.which("curl") or not shutil.which("bash"), reason="the tours are for bash and curl"),
]


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER) as name:
        folder = Path(name)
        folder.chmod(0o755)  # when root runs the tests, PostgreSQL is another account
        up = Up(folder / ".data", cwd=folder).wait_ready()
        (folder / "access.log.gz").write_bytes(gzip.compress(LINE.encode()))
        yield up
        up.stop()


def block(heading: str) -> list[str]:
    """The lines of the first code block under a heading."""
    found = re.search(rf"^## {heading}$.*?^```\w*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found
    return found[1].splitlines()


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    named = ("_URL", "_FILE", "_KEY", "_TOKEN", "TRACKER_DATA")
    return {**{name: value for name, value in os.environ.items() if not name.endswith(named)}, "PATH": path}


def test_the_tour_with_curl_gets_the_answers_that_it_shows(up: Up):
    lines = iter(block("A tour with curl"))
    for line, expected in zip(lines, lines, strict=True):
        command = line.removeprefix("$ ").replace(":8000", f":{up.ports['collector']}")
        command = command.replace(":8001", f":{up.ports['query']}")
        answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout
        pattern = ".*".join(map(re.escape, expected.split("…")))
        assert re.fullmatch(pattern, answer.strip()), (command, answer)


def test_the_tour_with_the_command_line_succeeds(up: Up):
    """Run it in one shell, as it is, from a subfolder. Left out are the activation of the environment, and what runs until Ctrl-C."""
    folder = up.data.parent / "below" / "deeper"
    folder.mkdir(parents=True)
    shutil.copy(up.data.parent / "access.log.gz", folder)
    commands = [line.partition("  #")[0].strip() for line in block("A tour with the command line")]
    assert commands[0] == ". .venv/bin/activate"
    (following,) = [command for command in commands if "--follow" in command]
    at_once = [command for command in commands[1:] if command != following]
    script = "set -ex\n" + "\n".join(at_once)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) of \1 answers right", done.stdout)

    (shown,) = re.findall(r"^  tracker events (\S+)$", done.stdout, re.MULTILINE)[:1]
    output = folder / "follow.txt"
    with output.open("w") as file:
        follower = subprocess.Popen(
            ["bash", "-c", f"exec {following.replace('USER_ID', shown)}"], cwd=folder, env=environment(), stdout=file
        )
        try:
            wait_until(lambda: shown in output.read_text() or output.read_text().count("\n") > 2)
        finally:
            follower.send_signal(signal.SIGINT)
            follower.wait(60)


def test_a_scenario_among_other_events_says_why_its_answers_are_wrong(up: Up):
    folder = up.data.parent
    script = "tracker simulate --events 500 --days 20 && tracker simulate --scenario shop --users 20 && tracker verify truth-shop.json"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "more events than the scenario's are in that range" in done.stdout
