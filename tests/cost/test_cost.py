"""Reading what was sent takes work linear in its bytes, whatever they are.

Work is counted in instructions, by callgrind: a count of Python's lines or calls doesn't see what C does within one call
(copying a dict, decoding, a regular expression), and a time depends on what else the machine does. Of an input four times
as large, linear work is four times as much at most, and quadratic work sixteen times.

Three processes count, once for all workers, and begin when they have imported everything: under callgrind, imports take as long
as all that is counted.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest
from shapes import SHAPES
from shared import made_once
from tools import ROOT, run, tool

SMALL = 4000
LARGE = 4 * SMALL
MOST = 5.0
"""How many times as much work four times the bytes may be: hash tables and lists grow in steps."""


MAX_PER_BYTE = 3000
"""Instructions for a byte of numbers: where each has a large constant cost, work is linear and yet too much."""

GROUPS = sorted({name.partition(":")[0] for name in SHAPES})


PARTS = [{"body"}, {"log"}, {*GROUPS} - {"body", "log"}]
"""What one process counts: each has about a third of the work."""


@pytest.fixture
def counts(shared_folder, group):
    """Instructions of a group by shape: of the small input, and of the large one."""
    (part,) = (part for part in PARTS if group in part)
    file = made_once(shared_folder / f"instructions-{PARTS.index(part)}", partial(write_counts, part))
    counts = json.loads(file.read_text())
    assert counts.keys() == {name for name in SHAPES if name.partition(":")[0] in part}
    return {name: both for name, both in counts.items() if name.startswith(f"{group}:")}


@pytest.mark.parametrize("group", GROUPS)
def test_work_is_linear_in_the_bytes(counts):
    slow = {
        name: f"{small:,} instructions for {SMALL:,} bytes, {large:,} for {LARGE:,}"
        for name, (small, large) in counts.items()
        if large > MOST * small
    }
    assert slow == {}


@pytest.mark.parametrize("group", ["listed", "numbers", "question", "written"])
def test_numbers_near_the_ends_of_doubles_cost_no_more_than_others(counts):
    dear = {name: large // LARGE for name, (_, large) in counts.items() if large > MAX_PER_BYTE * LARGE}
    assert dear == {}


def write_counts(groups, path):
    with tempfile.TemporaryDirectory() as folder:
        path.write_text(json.dumps(count(groups, Path(folder))))


def count(groups, folder):
    """Run measure.py under callgrind, which counts nothing until its imports are done."""
    command = [
        tool("valgrind"),
        "--tool=callgrind",
        "--instr-atstart=no",
        "--dump-before=getppid",
        "--dump-line=no",
        f"--callgrind-out-file={folder}/out",
        sys.executable,
        str(Path(__file__).parent / "measure.py"),
        ",".join(groups),
        str(SMALL),
        str(LARGE),
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT / "tests" / "support")}
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):
        try:
            assert process.stdout.readline() == "ready\n", (folder / "errors").read_text()[-2000:]
            run(tool("vgdb"), f"--pid={process.pid}", "instrumentation", "on")
            names = process.communicate("go\n")[0].splitlines()
        finally:
            process.kill()
    assert process.returncode == 0, (folder / "errors").read_text()[-2000:]
    totals = [instructions(folder / f"out.{number}") for number in range(1, 4 * len(names) + 1)]
    return dict(zip(names, zip(totals[1::4], totals[3::4], strict=True), strict=True))


def instructions(dump):
    return int(re.search(r"^totals: (\d+)", dump.read_text(), re.MULTILINE)[1])
