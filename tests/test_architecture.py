"""What import-linter can't hold: every app is under its contracts (pyproject.toml), and end-to-end tests import none of ours."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def test_every_app_is_under_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    apps = {path.parent.name for path in (ROOT / "apps").glob("*/pyproject.toml")}
    assert set(contracts["root_packages"]) == {f"event_tracker.{app}" for app in apps}
    (first, *_) = contracts["contracts"]
    assert {name.strip() for layer in first["layers"] for name in layer.split("|")} == set(contracts["root_packages"])


def test_end_to_end_tests_import_nothing_of_ours():
    files = list((ROOT / "tests" / "end_to_end").rglob("*.py"))
    assert files
    for file in files:
        assert "event_tracker" not in imported(file), file


def test_only_the_server_names_gunicorn():
    """import-linter holds the imports; this holds names in texts, such as the keys that gunicorn puts into the environ."""
    named = {
        file.relative_to(ROOT).parts[1:-1] for file in ROOT.glob("apps/*/src/**/*.py") if "gunicorn" in file.read_text()
    }
    assert named == {("core", "src", "event_tracker", "core", "server")}
