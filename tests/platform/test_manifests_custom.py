"""Custom resources of k8s/ and argocd/ against the schemas of their definitions (npm packages in tests/platform/crds)."""

import copy
import filecmp
import json
from collections.abc import Callable
from typing import Any

import pytest
from manifests import K8S, OVERLAYS, SETS, Object, label, named, render, rendered
from tools import ROOT, not_checked, run, tool

CRDS = ROOT / "tests" / "platform" / "crds"
INSTALLED = ROOT / ".tools" / "crds"
GROUPS = (
    "argoproj.io",
    "external-secrets.io",
    "gateway.envoyproxy.io",
    "gateway.networking.k8s.io",
    "kafka.strimzi.io",
    "keda.sh",
    "monitoring.coreos.com",
    "postgresql.cnpg.io",
)
"""Of these npm has the schemas. It has none of barmancloud.cnpg.io, which component cnpg-archive uses. Those of kafka.strimzi.io/v1 are
Strimzi 0.49's, the first that had v1."""

ARGOCD = ("minikube", "production")

BROKEN: dict[str, tuple[str, str, Callable[[Object], Any], str]] = {
    "a misspelt field of a ServiceMonitor": (
        "ServiceMonitor",
        "query",
        lambda o: o["spec"]["endpoints"][0].update(intervall="15s"),
        "intervall",
    ),
    "a wrong duration of a ServiceMonitor": (
        "ServiceMonitor",
        "query",
        lambda o: o["spec"]["endpoints"][0].update(interval="15"),
        "interval",
    ),
    "an unknown field of a PrometheusRule": (
        "PrometheusRule",
        "event-tracker",
        lambda o: o["spec"]["groups"][0]["rules"][0].update(severity="critical"),
        "severity",
    ),
    "a PodMonitor without selector": ("PodMonitor", "postgres", lambda o: o["spec"].pop("selector"), "selector"),
    "an unknown field of a Cluster": (
        "Cluster",
        "postgres",
        lambda o: o["spec"]["bootstrap"]["initdb"].update(locales="C"),
        "locales",
    ),
    "a wrong value of a Cluster": (
        "Cluster",
        "postgres",
        lambda o: o["spec"]["postgresql"]["synchronous"].update(method="some"),
        "method",
    ),
    "a ScheduledBackup without schedule": (
        "ScheduledBackup",
        "postgres",
        lambda o: o["spec"].pop("schedule"),
        "schedule",
    ),
    "a listener without protocol": (
        "Gateway",
        "event-tracker",
        lambda o: o["spec"]["listeners"][1].pop("protocol"),
        "protocol",
    ),
    "a misspelt field of an HTTPRoute": (
        "HTTPRoute",
        "query",
        lambda o: o["spec"]["rules"][0]["matches"][0].update(paths={}),
        "paths",
    ),
    "a wrong kind of match": (
        "HTTPRoute",
        "query",
        lambda o: o["spec"]["rules"][0]["matches"][0]["path"].update(type="Prefix"),
        "type",
    ),
    "a misspelt field of a BackendTrafficPolicy": (
        "BackendTrafficPolicy",
        "dashboard",
        lambda o: o["spec"]["loadBalancer"].update(consistenthash={}),
        "consistenthash",
    ),
    "an ExternalSecret of an unknown policy": (
        "ExternalSecret",
        "access-keys",
        lambda o: o["spec"]["target"].update(creationPolicy="Keep"),
        "creationPolicy",
    ),
    "a KafkaUser with the field of older versions": (
        "KafkaUser",
        "kafka-storer",
        lambda o: o["spec"]["authorization"]["acls"][0].update(operation="Read"),
        "operation",
    ),
    "an unknown right of a KafkaUser": (
        "KafkaUser",
        "kafka-storer",
        lambda o: o["spec"]["authorization"]["acls"][0]["operations"].append("Consume"),
        "operations",
    ),
    "a KafkaTopic without a partition": (
        "KafkaTopic",
        "analytics-events",
        lambda o: o["spec"].update(partitions=0),
        "partitions",
    ),
    "a KafkaNodePool without roles": ("KafkaNodePool", "brokers", lambda o: o["spec"].pop("roles"), "roles"),
    "a misspelt field of a listener": (
        "Kafka",
        "events",
        lambda o: o["spec"]["kafka"]["listeners"][0].update(networkPolicyPeer=[]),
        "networkPolicyPeer",
    ),
    "a misspelt field of a ScaledObject": (
        "ScaledObject",
        "storer",
        lambda o: o["spec"].update(maxReplicas=4),
        "maxReplicas",
    ),
    "a TriggerAuthentication without a parameter": (
        "TriggerAuthentication",
        "kafka",
        lambda o: o["spec"]["secretTargetRef"][0].pop("parameter"),
        "parameter",
    ),
    "a misspelt field of an Application": (
        "Application",
        "event-tracker",
        lambda o: o["spec"]["source"].update(repoUrl="x"),
        "repoUrl",
    ),
    "a misspelt sync policy": (
        "Application",
        "event-tracker",
        lambda o: o["spec"]["syncPolicy"]["automated"].update(selfheal=True),
        "selfheal",
    ),
    "a misspelt field of an AppProject": (
        "AppProject",
        "event-tracker",
        lambda o: o["spec"].update(sourceRepo=[]),
        "sourceRepo",
    ),
}


def custom(objects: list[Object]) -> list[Object]:
    return [one for one in objects if one["apiVersion"].split("/")[0] in GROUPS]


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """What is wrong, by set, and by what was broken: one run of the checker, which takes seconds to start."""
    node = tool("node")
    if not (INSTALLED / "node_modules").is_dir() or not filecmp.cmp(
        INSTALLED / "package-lock.json", CRDS / "package-lock.json", shallow=False
    ):
        not_checked("the schemas of custom resources aren't installed (scripts/platform-tools)")
    sets = {name: custom(rendered(name)) for name in [*OVERLAYS, *SETS]}
    sets |= {f"argocd/{name}": custom(render(ROOT / "argocd" / name)) for name in ARGOCD}
    for what, (kind, name, breaking, _) in BROKEN.items():
        every_kind = sets["production"] + sets["base and external-secrets"] + sets["argocd/production"]
        every_kind += sets["base and kafka"] + sets["base and kafka-keda"]
        one = copy.deepcopy(named(every_kind, kind, name))
        breaking(one)
        sets[what] = [one]
    every = [(what, one) for what, objects in sets.items() for one in objects]
    distinct = list({json.dumps(one): one for _, one in every}.values())
    done = run(node, CRDS / "check.mjs", INSTALLED, input=json.dumps(distinct))
    errors: dict[str, list[str]] = {}
    for index, message in json.loads(done.stdout):
        assert index >= 0, message
        errors.setdefault(json.dumps(distinct[index]), []).append(message)
    return {
        what: [f"{label(one)}: {message}" for one in objects for message in errors.get(json.dumps(one), [])]
        for what, objects in sets.items()
    }


@pytest.mark.parametrize("name", [*OVERLAYS, *SETS, *(f"argocd/{name}" for name in ARGOCD)])
def test_every_custom_resource_fits_its_definition_with_unknown_fields_refused(found: dict[str, list[str]], name: str):
    assert found[name] == []


@pytest.mark.parametrize("what", BROKEN)
def test_a_custom_resource_broken_on_purpose_is_named(found: dict[str, list[str]], what: str):
    *_, named_as = BROKEN[what]
    assert any(named_as in message for message in found[what]), found[what]


def test_the_lock_of_the_schemas_names_no_download_address():
    lock = json.loads((CRDS / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)


def test_the_rules_in_kubernetes_are_those_of_infra_prometheus():
    written = (K8S / "components/monitoring/prometheus-rule.yaml").read_text()
    made = run(
        tool("python"),
        "-c",
        "import write_rules; print(write_rules.prometheus_rule(), end='')",
        cwd=K8S / "components/monitoring",
    ).stdout
    assert written == made, "run .venv/bin/python k8s/components/monitoring/write_rules.py"


def test_every_dashboard_is_in_kubernetes_and_all_fit_into_one_configmap():
    dashboards = named(rendered("minikube"), "ConfigMap", "event-tracker-dashboards")["data"]
    files = {path.name: path.read_text() for path in (ROOT / "infra/grafana/dashboards").glob("*.json")}
    assert dashboards == files
    assert sum(map(len, dashboards.values())) < 1_000_000
