"""The Kubernetes manifests as kustomize renders them: lists of objects, each a dict."""

import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tools import ROOT, run, tool

Object = dict[str, Any]

OLDEST, NEWEST = "1.32.0", "1.37.0"
"""The versions of Kubernetes that the manifests are for; k8s/README.md says so too."""

K8S = ROOT / "k8s"
OVERLAYS = ("minikube", "production")
COMPONENTS = sorted(path.name for path in (K8S / "components").iterdir())
DATABASES = ("cnpg", "postgres")
"""Components of which an overlay takes one."""

BESIDE = {"kafka-publisher": ("kafka",), "lake-archive": ("lake",)}
"""Components that are nothing without others."""

SETS = {
    "base": (),
    **{f"base and {name}": (*BESIDE.get(name, ()), name) for name in COMPONENTS},
    **{f"all but {name}": tuple(one for one in COMPONENTS if one != name) for name in DATABASES},
}
"""What the tests render beside the overlays: base with components."""

SECRETS = {
    "postgres-superuser": {"password"},
    "database-owner": {"url", "password", "username"},
    "collector-database": {"url", "password"},
    "query-database": {"url", "password"},
    "control-database": {"url", "password"},
    "relay-database": {"url", "password"},
    "signing-key": {"key"},
    "oidc-client": {"secret"},
    "visitor-secret": {"key"},
    "outbox": {"url", "write-key"},
    "access-keys": {"admin-token", "read-token", "write-key"},
    "grafana-database": {"url", "password"},
}
"""The Secrets that manifests may name, with their keys. They are made in the cluster (most by scripts/dev-secrets), never in git."""

OPERATOR_SECRETS = {
    "kafka-collector": {"password"},
    "kafka-storer": {"password"},
    "kafka-publisher": {"password"},
    "kafka-archive": {"password"},
    "kafka-importer": {"password"},
    "kafka-keda": {"password"},
    "events-cluster-ca-cert": {"ca.crt"},
    "cassandra-relay": {"password", "ca.crt"},
}
"""The Secrets that Strimzi makes of the users and of the cluster of component kafka, and that of somebody else's Cassandra."""

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def render(folder: Path) -> list[Object]:
    """What `kubectl apply --kustomize` would apply."""
    command = ["kustomize", "build"] if _has("kustomize") else [tool("kubectl"), "kustomize"]
    return [one for one in yaml.safe_load_all(run(*command, folder).stdout) if one]


def _has(name: str) -> bool:
    return any((Path(place) / name).exists() for place in os.environ.get("PATH", "").split(os.pathsep))


@cache
def rendered(name: str) -> list[Object]:
    """An overlay, or one of SETS. Don't change it: it is shared."""
    if name in OVERLAYS:
        return render(K8S / "overlays" / name)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve()
        kustomization = {
            "namespace": "event-tracker",
            "resources": [os.path.relpath(K8S / "base", folder)],
            "components": [os.path.relpath(K8S / "components" / one, folder) for one in SETS[name]],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return render(folder)


def label(one: Object) -> str:
    """How checks name an object."""
    return f"{one['kind']}/{one['metadata']['name']}"


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [one for one in objects if one["kind"] in kinds]


def named(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def matches(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a label selector matches these labels. An empty one matches all."""
    selector = selector or {}
    for expression in selector.get("matchExpressions") or []:
        value, values = labels.get(expression["key"]), expression.get("values") or []
        found = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not found[expression["operator"]]:
            return False
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())


def annotation(one: Object, name: str) -> str | None:
    value: str | None = (one["metadata"].get("annotations") or {}).get(f"argocd.argoproj.io/{name}")
    return value


def pods(objects: list[Object]) -> Iterator[tuple[Object, Object]]:
    """Each workload with its pod template."""
    for one in of_kind(objects, *WORKLOADS):
        spec = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
        yield one, spec["template"]


def containers(template: Object) -> list[Object]:
    spec = template["spec"]
    return [*(spec.get("initContainers") or []), *spec["containers"]]


def secret_files(template: Object) -> Iterator[tuple[str, set[str]]]:
    """Each Secret that a pod mounts, with the keys it takes."""
    for volume in template["spec"].get("volumes") or []:
        sources = (volume.get("projected") or {}).get("sources") or [volume]
        for source in sources:
            if "secret" in source:
                secret = source["secret"]
                yield secret.get("secretName") or secret["name"], {item["key"] for item in secret.get("items") or []}


def config_maps(template: Object) -> Iterator[str]:
    """Each ConfigMap that a pod needs."""
    for volume in template["spec"].get("volumes") or []:
        for source in (volume.get("projected") or {}).get("sources") or [volume]:
            if "configMap" in source:
                yield source["configMap"]["name"]
    for container in containers(template):
        for source in container.get("envFrom") or []:
            yield source["configMapRef"]["name"]
