"""argocd/: least rights that still suffice, what is synced how, and one place that names the repository."""

import copy
from pathlib import Path

import pytest
import yaml
from manifests import K8S, OVERLAYS, SETS, Object, annotation, named, of_kind, render, rendered
from tools import ROOT

ARGOCD = ROOT / "argocd"
REPOSITORY = "https://github.com/example/event-tracker"
ENVIRONMENTS = ("minikube", "production")


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def objects(environment: str) -> list[Object]:
    return render(ARGOCD / environment)


def forbidden(project: Object, synced: list[Object]) -> list[str]:
    """What an AppProject doesn't let be synced."""
    spec = project["spec"]
    allowed = {(one["group"], one["kind"], one.get("name")) for one in spec["clusterResourceWhitelist"]}
    allowed |= {(one["group"], one["kind"], None) for one in spec["namespaceResourceWhitelist"]}
    found = []
    for one in synced:
        group = one["apiVersion"].rpartition("/")[0]
        name = one["metadata"]["name"]
        if not {(group, one["kind"], None), (group, one["kind"], name)} & allowed:
            found.append(f"{one['kind']}/{name}")
        namespace = one["metadata"].get("namespace")
        if namespace and namespace not in {place["namespace"] for place in spec["destinations"]}:
            found.append(f"{one['kind']}/{name} in {namespace}")
    return found


@pytest.mark.parametrize("name", [*OVERLAYS, *SETS])
def test_the_pairs_project_allows_what_is_rendered(name: str):
    assert forbidden(named(render(ARGOCD / "minikube"), "AppProject", "event-tracker"), rendered(name)) == []


def test_the_pairs_project_allows_nothing_that_is_never_rendered():
    project = named(render(ARGOCD / "minikube"), "AppProject", "event-tracker")
    kinds = {
        (one["apiVersion"].rpartition("/")[0], one["kind"]) for name in [*OVERLAYS, *SETS] for one in rendered(name)
    }
    spec = project["spec"]
    assert {
        (one["group"], one["kind"]) for one in spec["clusterResourceWhitelist"] + spec["namespaceResourceWhitelist"]
    } == kinds
    assert spec["clusterResourceWhitelist"] == [{"group": "", "kind": "Namespace", "name": "event-tracker"}]


def test_what_a_project_doesnt_allow_is_named():
    project = named(render(ARGOCD / "minikube"), "AppProject", "event-tracker")
    wrong = copy.deepcopy(rendered("base"))
    wrong += [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "event-tracker"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "default"}},
    ]
    assert forbidden(project, wrong) == ["Secret/s", "Namespace/kube-system", "Service/x in default"]


def test_the_root_application_syncs_what_its_project_allows(objects: list[Object]):
    assert forbidden(named(objects, "AppProject", "root"), objects) == []


def test_every_application_is_of_a_project_that_allows_its_source_and_destination(objects: list[Object]):
    for one in of_kind(objects, "Application"):
        project = named(objects, "AppProject", one["spec"]["project"])["spec"]
        assert one["spec"]["source"]["repoURL"] in project["sourceRepos"]
        assert one["spec"]["destination"] in project["destinations"]


def test_every_path_that_is_synced_is_here(environment: str, objects: list[Object]):
    paths = {one["metadata"]["name"]: one["spec"]["source"].get("path") for one in of_kind(objects, "Application")}
    assert paths["root"] == f"argocd/{environment}"
    assert paths["event-tracker"] == f"k8s/overlays/{environment}"
    assert all((ROOT / path / "kustomization.yaml").is_file() for path in paths.values() if path)


def test_charts_are_pinned_to_one_version(objects: list[Object]):
    for one in of_kind(objects, "Application"):
        source = one["spec"]["source"]
        if "chart" in source:
            assert all(part.isdigit() for part in source["targetRevision"].split(".")), source


def test_syncs_are_automatic_repair_themselves_and_are_tried_again(objects: list[Object]):
    for one in of_kind(objects, "Application"):
        policy = one["spec"]["syncPolicy"]
        assert policy["automated"] == {"prune": True, "selfHeal": True, "allowEmpty": False}
        assert policy["retry"]["limit"] == 5
        assert policy["retry"]["refresh"] is True
        assert "ServerSideApply=true" in policy["syncOptions"]
    pair = named(objects, "Application", "event-tracker")["spec"]["syncPolicy"]
    assert {"PruneLast=true", "ApplyOutOfSyncOnly=true", "FailOnSharedResource=true"} <= set(pair["syncOptions"])


def test_deleting_an_application_deletes_nothing_else(objects: list[Object]):
    assert not [one for one in objects if "finalizers" in one["metadata"]]


def test_projects_come_first_then_the_platform_then_the_pair(objects: list[Object]):
    def wave(kind: str, name: str) -> int:
        return int(annotation(named(objects, kind, name), "sync-wave") or 0)

    projects = [wave("AppProject", one["metadata"]["name"]) for one in of_kind(objects, "AppProject")]
    platform = [
        one["metadata"]["name"] for one in of_kind(objects, "Application") if one["spec"]["project"] == "platform"
    ]
    waves = [max(projects), *{wave("Application", name) for name in platform}, wave("Application", "event-tracker")]
    assert waves == sorted(set(waves))


def test_argo_cd_is_told_what_to_wait_for():
    health = {
        key.rpartition(".")[2]: lua
        for key, lua in yaml.safe_load((ARGOCD / "argocd-cm.yaml").read_text())["data"].items()
    }
    assert "obj.status.health.status" in health["io_Application"]
    # Each kind that would hold up a sync, or fail it, for something that is no part of it.
    assert set(health) == {"io_Application", "PersistentVolumeClaim", "batch_CronJob"}
    assert all("return" in lua for lua in health.values())


def yaml_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.yaml"))


def test_one_file_names_the_repository():
    assert [path for path in yaml_files(ARGOCD) if REPOSITORY in path.read_text()] == [ARGOCD / "base" / "source.yaml"]
    # The rules' runbooks, made from infra/prometheus, are links for people.
    assert [path.name for path in yaml_files(K8S) if REPOSITORY in path.read_text()] == ["prometheus-rule.yaml"]


def test_no_placeholder_is_left(objects: list[Object]):
    assert "source.yaml" not in yaml.safe_dump(objects)


def test_prometheus_runs_as_whom_the_pair_lets_in_and_grafana_finds_its_secrets(objects: list[Object]):
    values = named(objects, "Application", "monitoring")["spec"]["source"]["helm"]["valuesObject"]
    subject = named(rendered("minikube"), "RoleBinding", "prometheus-k8s")["subjects"][0]
    assert subject == {
        "kind": "ServiceAccount",
        "name": values["prometheus"]["serviceAccount"]["name"],
        "namespace": "monitoring",
    }
    grafana = values["grafana"]
    (mounted,) = grafana["extraSecretMounts"]
    (database,) = grafana["additionalDataSources"]
    assert database["secureJsonData"]["password"] == f"$__file{{{mounted['mountPath']}/password}}"
    made = (ROOT / "scripts" / "dev-secrets").read_text()
    for secret in (mounted["secretName"], grafana["admin"]["existingSecret"]):
        assert f"secret monitoring {secret}" in made
    label = named(rendered("minikube"), "ConfigMap", "event-tracker-dashboards")["metadata"]["labels"]
    assert label[grafana["sidecar"]["dashboards"]["label"]] == grafana["sidecar"]["dashboards"]["labelValue"]
