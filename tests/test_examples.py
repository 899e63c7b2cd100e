"""Every `$ curl` in the documentation is run, in order, and must answer what stands below it; `…` stands for anything."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def examples(page: Path) -> list[tuple[str, str]]:
    """(command, expected output) of each example of a page, in order."""
    found = []
    for block in BLOCK.findall(page.read_text()):
        for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = example.partition("\n")
            if command.startswith("curl"):
                found.append((command, output.strip()))
    return found


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are run with curl, which isn't installed")
@pytest.mark.parametrize("name", ["docs/api.md", "README.md"])
def test_the_examples_of(name, collector, query):
    found = examples(ROOT / name)
    assert found
    for command, expected in found:
        command = command.replace("localhost:8000", collector.url).replace("localhost:8001", query.url)
        output = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
        pattern = ".*".join(re.escape(part) for part in expected.split("…"))
        assert re.fullmatch(pattern, output, re.DOTALL), f"{command}\nanswered {output}\nnot      {expected}"
