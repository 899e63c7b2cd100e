"""scripts/minikube, with programs that write down how they are called. No cluster: it is run for real by people only."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tools import ROOT, run

PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$(basename "$0") $*" in
"minikube status"*) exit 1 ;;
*"current-context") echo event-tracker ;;
*"get namespace argocd") exit 1 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the script reads, with stand-ins for the programs and for scripts/dev-secrets; the repository is one's own."""
    for path in ("argocd/base/source.yaml", "k8s/overlays/minikube/images/kustomization.yaml", "scripts/minikube"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    source = tmp_path / "argocd/base/source.yaml"
    source.write_text(source.read_text().replace("github.com/example/", "github.com/someone/"))
    (tmp_path / "bin").mkdir()
    for name in ("minikube", "kubectl", "git", "docker"):
        (tmp_path / "bin" / name).write_text(PROGRAM)
        (tmp_path / "bin" / name).chmod(0o755)
    shutil.copy(tmp_path / "bin" / "git", tmp_path / "scripts" / "dev-secrets")
    for name in ("sh", "sed", "grep", "dirname", "basename", "sleep"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def minikube(checkout: Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(checkout / "bin"), "CALLS": str(checkout / "calls"), "HOME": os.environ.get("HOME", "/")}
    return run(checkout / "scripts" / "minikube", ok=ok, env=environment)


def test_it_starts_loads_installs_makes_secrets_and_applies_in_this_order(checkout: Path):
    done = minikube(checkout)
    calls = (checkout / "calls").read_text()
    order = [
        "git ls-remote --exit-code https://github.com/someone/event-tracker HEAD",
        "minikube start --profile event-tracker --cni calico",
        "minikube image load --profile event-tracker event-tracker/collector:dev",
        "minikube image load --profile event-tracker event-tracker/dashboard:dev",
        "minikube image load --profile event-tracker event-tracker/tracker:dev",
        "kubectl --context event-tracker create namespace argocd",
        "kubectl --context event-tracker apply --server-side",
        "kubectl --context event-tracker patch configmap argocd-cm",
        "dev-secrets kubernetes",
        "kubectl --context event-tracker apply --kustomize argocd/minikube",
        "application/monitoring",
        "application/event-tracker",
    ]
    places = [calls.find(call) for call in order]
    assert -1 not in places, calls
    assert places == sorted(places), calls
    assert "port-forward" in done.stderr


def test_it_loads_each_image_that_the_overlay_may_name_and_so_does_the_readme(checkout: Path):
    minikube(checkout)
    named = yaml.safe_load((ROOT / "k8s/overlays/minikube/images/kustomization.yaml").read_text())["images"]
    wanted = [f"{image['name']}:dev" for image in named]
    calls = (checkout / "calls").read_text()
    assert re.findall(r"image load --profile event-tracker (\S+)", calls) == wanted
    (by_hand,) = re.findall(r"for app in ([a-z ]+); do minikube", (ROOT / "argocd/README.md").read_text())
    assert [f"event-tracker/{app}:dev" for app in by_hand.split()] == wanted


def test_it_loads_no_images_once_the_overlay_names_digests(checkout: Path):
    images = checkout / "k8s/overlays/minikube/images/kustomization.yaml"
    images.write_text(images.read_text().replace("newTag: dev", f"digest: sha256:{'1' * 64}"))
    minikube(checkout)
    assert "image load" not in (checkout / "calls").read_text()


@pytest.mark.parametrize("program", ["minikube", "kubectl", "git"])
def test_it_names_a_program_that_is_missing(checkout: Path, program: str):
    (checkout / "bin" / program).unlink()
    done = minikube(checkout, ok=False)
    assert done.returncode == 1
    assert f"needs {program}" in done.stderr


def test_it_says_that_the_repository_must_be_ones_own(checkout: Path):
    shutil.copy(ROOT / "argocd/base/source.yaml", checkout / "argocd/base/source.yaml")
    done = minikube(checkout, ok=False)
    assert done.returncode == 1
    assert "argocd/base/source.yaml" in done.stderr
    assert not (checkout / "calls").exists()


def test_it_touches_no_other_cluster(checkout: Path):
    kubectl = checkout / "bin" / "kubectl"
    kubectl.write_text(kubectl.read_text().replace("echo event-tracker", "echo production"))
    done = minikube(checkout, ok=False)
    assert "kubectl points at production" in done.stderr
    assert "dev-secrets" not in (checkout / "calls").read_text()
