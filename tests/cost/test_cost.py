"""Reading what was sent takes work linear in its bytes, whatever they are.

Work is counted in instructions, by callgrind: a count of Python's lines or calls doesn't see what C does within one call
(copying a dict, decoding, a regular expression), and a time depends on what else the machine does. Of an input four times
as large, linear work is four times as much at most, and quadratic work sixteen times.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shapes import SHAPES
from tools import tool

SMALL = 4000
LARGE = 4 * SMALL
MOST = 5.0
"""How many times as much work four times the bytes may be: hash tables and lists grow in steps."""


MOST_PER_BYTE = 3000
"""Instructions for a byte of numbers: where each has a large constant cost, work is linear and yet too much."""

GROUPS = sorted({name.partition(":")[0] for name in SHAPES})


@pytest.mark.parametrize("group", GROUPS)
def test_work_is_linear_in_the_bytes(group, tmp_path):
    slow = {
        name: f"{small:,} instructions for {SMALL:,} bytes, {large:,} for {LARGE:,}"
        for name, (small, large) in count(group, tmp_path).items()
        if large > MOST * small
    }
    assert slow == {}


@pytest.mark.parametrize("group", ["listed", "numbers", "question", "written"])
def test_numbers_near_the_ends_of_doubles_cost_no_more_than_others(group, tmp_path):
    dear = {
        name: large // LARGE for name, (_, large) in count(group, tmp_path).items() if large > MOST_PER_BYTE * LARGE
    }
    assert dear == {}


def count(group, folder):
    """Instructions by shape: of the small input, and of the large one."""
    command = [
        tool("valgrind"),
        "--tool=callgrind",
        "--dump-before=getppid",
        "--dump-line=no",
        f"--callgrind-out-file={folder}/out",
        sys.executable,
        str(Path(__file__).parent / "measure.py"),
        group,
        str(SMALL),
        str(LARGE),
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=290)
    assert done.returncode == 0, done.stderr[-2000:]
    names = done.stdout.splitlines()
    assert len(names) == sum(name.startswith(f"{group}:") for name in SHAPES)
    totals = [instructions(folder / f"out.{number}") for number in range(1, 4 * len(names) + 1)]
    return dict(zip(names, zip(totals[1::4], totals[3::4], strict=True), strict=True))


def instructions(dump):
    return int(re.search(r"^totals: (\d+)", dump.read_text(), re.MULTILINE)[1])
