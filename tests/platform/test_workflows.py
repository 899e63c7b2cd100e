"""The workflows of .github: pinned, least privilege, and with nothing to run that can't be run here as well."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools import ROOT, run, tool

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))

ONLY_THERE = {
    ("images.yaml", "Sign"): "keyless signing wants GitHub's identity token",
    ("images.yaml", "Write down the digest"): "hands an output of a step to another job",
    ("release.yaml", "Publish"): "creates a release on GitHub",
}
"""The steps that are neither a make target nor one of our scripts, and why."""

OURS = re.compile(r"(?:make (?P<target>[a-z-]+)|(?P<script>scripts/[a-z0-9-]+))( .*)?")
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def steps(workflow: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each step with the name of its job."""
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            yield name, step


def faults(file: str, text: str) -> list[str]:
    """What is wrong with a workflow, a sentence each."""
    workflow = yaml.safe_load(text)
    found = []
    if workflow.get("permissions") != {}:
        found.append("the workflow doesn't begin with no permissions at all")
    if "concurrency" not in workflow:
        found.append("the workflow has no concurrency group")
    if "-euo pipefail" not in workflow.get("defaults", {}).get("run", {}).get("shell", ""):
        found.append("a failure inside a run step may go unseen")
    for name, job in workflow["jobs"].items():
        if "permissions" not in job:
            found.append(f"job {name} declares no permissions")
        if "timeout-minutes" not in job:
            found.append(f"job {name} has no timeout")
    found += line_faults(text)
    for name, step in steps(workflow):
        if "run" in step:
            found += run_faults(file, f"{name}: {step.get('name')}", step)
    return found


def line_faults(text: str) -> list[str]:
    """What is wrong with a workflow that only its text shows: comments."""
    found = []
    for line in text.splitlines():
        action = re.match(r"\s*(?:- )?uses: (.*)", line)
        if action and not PINNED.fullmatch(action[1]):
            found.append(f"{action[1]} isn't pinned by commit with its version in a comment")
        if re.match(r"\s+[a-z-]+: write", line) and "#" not in line:
            found.append(f"{line.strip()} doesn't say what for")
    return found


def run_faults(file: str, where: str, step: dict[str, Any]) -> list[str]:
    """What is wrong with a step that runs something."""
    if "${{" in step["run"]:
        return [f"{where} puts an expression into its shell"]
    if (file, step.get("name")) in ONLY_THERE:
        return []
    found = []
    for line in step["run"].strip().splitlines():
        ours = OURS.fullmatch(line)
        if not ours:
            found.append(f"{where} runs neither a make target nor a script of ours: {line}")
        elif ours["target"] and ours["target"] not in TARGETS:
            found.append(f"{where} wants make {ours['target']}, which the Makefile doesn't have")
        elif ours["script"] and not (ROOT / ours["script"]).is_file():
            found.append(f"{where} wants {ours['script']}, which isn't there")
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_workflow_is_pinned_least_privileged_and_runs_only_what_runs_here(path):
    assert faults(path.name, path.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("permissions: {}", "permissions: write-all", "no permissions at all"),
        ("concurrency:", "env:", "no concurrency"),
        (" -euo pipefail", "", "may go unseen"),
        ("    permissions:\n      contents: read\n", "", "declares no permissions"),
        ("    timeout-minutes: 30\n", "", "has no timeout"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "actions/checkout@v7 isn't pinned"),
        (" # v7.0.1", "", "isn't pinned"),
        ("      contents: read\n", "      contents: write\n", "doesn't say what for"),
        ("run: make test", "run: make test PYTHON=${{ matrix.python }}", "puts an expression into its shell"),
        ("run: make test", "run: make all-of-it", "which the Makefile doesn't have"),
        ("run: make test", "run: scripts/all-of-it", "which isn't there"),
        ("run: make test", "run: uv run pytest", "neither a make target nor a script"),
    ],
)
def test_a_workflow_that_breaks_a_rule_is_refused(old, new, said):
    text = (ROOT / ".github" / "workflows" / "ci.yaml").read_text()
    assert old in text
    assert any(said in fault for fault in faults("ci.yaml", text.replace(old, new)))


def test_every_exception_still_exists():
    named = {(path.name, step.get("name")) for path in WORKFLOWS for _, step in steps(yaml.safe_load(path.read_text()))}
    assert set(ONLY_THERE) <= named


def test_an_action_has_the_same_version_everywhere():
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for name, version in re.findall(r"uses: (\S+)@(.*)", path.read_text()):
            pins.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}


def broken(tmp_path: Path, old: str, new: str) -> Path:
    """A repository of one workflow, ci.yaml with a replacement."""
    text = (ROOT / ".github" / "workflows" / "ci.yaml").read_text()
    assert old in text
    path = tmp_path / ".github" / "workflows" / "ci.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(old, new))
    return path


def actionlint(*paths: Path, ok: bool = True) -> str:
    """actionlint with shellcheck; pyflakes has nothing to look at here."""
    return run(
        tool("actionlint"), "-no-color", "-shellcheck", tool("shellcheck"), "-pyflakes=", *paths, ok=ok, cwd=ROOT
    ).stdout


def test_actionlint_and_shellcheck_find_nothing():
    assert actionlint(*WORKFLOWS) == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("${{ matrix.python }}", "${{ matrix.pyhton }}", 'property "pyhton" is not defined'),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-24.40", "is unknown"),
        ("    timeout-minutes: 30\n", "    timeout-minuets: 30\n", "unexpected key"),
        ("run: make test", "run: make $TARGET", "SC2086"),
    ],
)
def test_actionlint_finds_what_is_broken_on_purpose(tmp_path, old, new, said):
    assert said in actionlint(broken(tmp_path, old, new), ok=False)


def zizmor(path: Path, *, ok: bool = True) -> str:
    done = run(tool("zizmor"), "--offline", "--no-progress", "--color=never", "--persona=auditor", path, ok=ok)
    return done.stdout + done.stderr


def test_zizmor_finds_nothing():
    assert "No findings to report" in zizmor(ROOT / ".github")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        ("run: make test", "run: make test REF=${{ github.head_ref }}", "template-injection"),
        ("persist-credentials: false", "persist-credentials: true", "artipacked"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "unpinned-uses"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
    ],
)
def test_zizmor_finds_what_is_broken_on_purpose(tmp_path, old, new, said):
    assert said in zizmor(broken(tmp_path, old, new), ok=False)


@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.dependabot", [ROOT / ".github" / "dependabot.yml"])],
)
def test_workflows_and_dependabot_have_the_shape_that_github_wants(schema, files):
    run(tool("check-jsonschema"), "--builtin-schema", schema, *files)


def test_a_dependabot_file_of_another_shape_is_refused(tmp_path):
    wrong = tmp_path / "dependabot.yml"
    wrong.write_text(
        (ROOT / ".github" / "dependabot.yml").read_text().replace("interval: weekly", "interval: fortnightly")
    )
    assert run(tool("check-jsonschema"), "--builtin-schema", "vendor.dependabot", wrong, ok=False).returncode == 1


def images_workflow() -> dict[Any, Any]:
    return yaml.safe_load((ROOT / ".github" / "workflows" / "images.yaml").read_text())


def test_images_are_built_anew_for_all_that_goes_into_them_and_not_for_the_bump():
    # YAML 1.1 reads the key `on` as true.
    paths = images_workflow()[True]["push"]["paths"]
    sources = re.findall(r"^!(\S+)", (ROOT / "infra" / "images" / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert sources
    watched = {path.removesuffix("/**") for path in paths}
    assert {*sources, "infra/images"} <= watched
    assert not any(path.startswith(("k8s", "**")) for path in paths)
    # What a release compares between its commit and the images' is the same list.
    compared = re.search(r"HEAD -- (.*); then", (ROOT / "scripts" / "tag-images").read_text())
    assert compared
    assert set(compared[1].split()) == watched - {".github/workflows/images.yaml"}


def test_every_target_of_the_recipe_is_published():
    targets = re.findall(
        r"^FROM runtime AS (\S+)", (ROOT / "infra" / "images" / "Dockerfile").read_text(), re.MULTILINE
    )
    assert images_workflow()["jobs"]["build"]["strategy"]["matrix"]["app"] == targets


def test_the_end_to_end_test_runs_the_images_built_here_and_nothing_else_of_ours():
    rendered = run(tool("kubectl"), "kustomize", ROOT / ".github" / "e2e").stdout
    objects = list(yaml.safe_load_all(rendered))
    images = set(re.findall(r"image: (event-tracker/\S+)", rendered))
    assert images == {f"event-tracker/{app}:dev" for app in ("collector", "query", "dashboard", "tracker")}
    names = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in objects}
    script = (ROOT / "scripts" / "kind-e2e").read_text()
    assert set(re.findall(r"\b(?:deployment|statefulset|job|pod)/[a-z]+", script)) <= names


def test_the_manifests_of_the_end_to_end_test_have_the_shape_that_kubernetes_wants(tmp_path):
    rendered = tmp_path / "e2e.yaml"
    rendered.write_text(run(tool("kubectl"), "kustomize", ROOT / ".github" / "e2e").stdout)
    run(tool("kubernetes-validate"), "--strict", "--quiet", "-k", "1.35.0", rendered)
