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

SMALL = 12_000
LARGE = 4 * SMALL
MOST = 5.0
"""How many times as much work four times the bytes may be: hash tables and lists grow in steps."""


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """Instructions by shape: of the small input, and of the large one."""
    folder = tmp_path_factory.mktemp("callgrind")
    command = [
        tool("valgrind"),
        "--tool=callgrind",
        "--dump-before=getppid",
        f"--callgrind-out-file={folder}/out",
        sys.executable,
        str(Path(__file__).parent / "measure.py"),
        str(SMALL),
        str(LARGE),
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=290)
    assert done.returncode == 0, done.stderr[-2000:]
    names = done.stdout.splitlines()
    totals = [instructions(folder / f"out.{number}") for number in range(1, 4 * len(names) + 1)]
    return dict(zip(names, zip(totals[1::4], totals[3::4], strict=True), strict=True))


def instructions(dump):
    return int(re.search(r"^totals: (\d+)", dump.read_text(), re.MULTILINE)[1])


@pytest.mark.parametrize("name", SHAPES)
def test_work_is_linear_in_the_bytes(counts, name):
    small, large = counts[name]
    assert large <= MOST * small, f"{small:,} instructions of {SMALL:,} bytes, {large:,} of {LARGE:,}"
