"""Finds the programs that check the platform's files, or skips the test with the name of the missing one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]

PLACES = os.pathsep.join([str(ROOT / ".tools" / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
"""The folders of programs: that of scripts/platform-tools, the virtual environment, the PATH."""


def not_checked(why: str) -> NoReturn:
    """Skip the test, with the reason why its check isn't possible here."""
    pytest.skip(f"NOT CHECKED: {why}")


def tool(*names: str) -> str:
    """The path of the first of these programs that is installed. Skips the test if there is none."""
    found = (shutil.which(name, path=PLACES) for name in names)
    return next(filter(None, found), None) or not_checked(
        f"{names[0]} isn't installed (docs/deployment.md says how to get it)"
    )


def run(*command: str | Path, ok: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command and capture its output; unless `ok` is False, fail the test with that output if the exit code isn't 0."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if ok and done.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done
