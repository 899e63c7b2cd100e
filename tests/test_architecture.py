"""Who may import whom (docs/architecture.md), read from the source with `ast`."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "core": set(),
    "model": {"core"},
    "collector": {"core", "model"},
    "query": {"core", "model"},
    "dashboard": set(),
    "cli": {"core"},
}
OURS = set(MAY_IMPORT)


def app_of(module: str) -> str:
    return module.removeprefix("event_tracker.").split(".")[0] if module.startswith("event_tracker.") else ""


def imported(file: Path) -> set[str]:
    """The apps that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {app_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(app_of(node.module or ""))
    return names


@pytest.mark.parametrize("app", MAY_IMPORT)
def test_an_app_imports_only_what_it_may(app):
    files = list((ROOT / "apps" / app / "src" / "event_tracker" / app).rglob("*.py"))
    assert files
    for file in files:
        assert imported(file) & OURS - {app} <= MAY_IMPORT[app], file


def test_end_to_end_tests_import_nothing_of_ours():
    for file in (ROOT / "tests" / "end_to_end").rglob("*.py"):
        assert imported(file) & OURS == set(), file


def test_every_app_is_in_the_table():
    assert {path.parent.name for path in (ROOT / "apps").glob("*/pyproject.toml")} == OURS
