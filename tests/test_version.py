"""All parts state one version, that of the newest release in the CHANGELOG."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PACKAGES = sorted(ROOT.glob("apps/*/pyproject.toml"))


@pytest.mark.parametrize("file", PACKAGES, ids=lambda file: file.parent.name)
def test_packages_have_it(file):
    assert tomllib.loads(file.read_text())["project"]["version"] == VERSION


def test_the_lock_has_it():
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    ours = {package["name"]: package["version"] for package in locked if package["name"].startswith("event-tracker")}
    assert ours.keys() >= {"event-tracker", *(f"event-tracker-{file.parent.name}" for file in PACKAGES)}
    assert set(ours.values()) == {VERSION}


def test_it_is_the_newest_release_of_the_changelog():
    headings = re.findall(r"^## (\S+)(?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(heading for heading in headings if heading != "Unreleased") == VERSION


def test_the_readme_names_it():
    assert f"[![Release {VERSION}](https://img.shields.io/badge/release-{VERSION}-" in (ROOT / "README.md").read_text()


def test_the_command_line_tells_it():
    done = subprocess.run(
        [sys.executable, "-m", "event_tracker.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"tracker, version {VERSION}\n"


@pytest.mark.services
@pytest.mark.parametrize("name", ["collector", "query"])
def test_services_tell_it(request, name):
    service = request.getfixturevalue(name)
    assert requests.get(f"{service.url}/version", timeout=30).json()["version"] == VERSION
    assert requests.get(f"{service.url}/openapi.json", timeout=30).json()["info"]["version"] == VERSION
