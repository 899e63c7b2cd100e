"""k8s/: every overlay and component rendered, checked, and broken on purpose to see that the checks see it."""

import copy
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import yaml
from manifest_checks import database_memory, pinned, problems
from manifests import K8S, NEWEST, OLDEST, OVERLAYS, SETS, Object, config_maps, containers, label, named, pods, rendered
from tools import ROOT, run, tool

kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="kubernetes-validate isn't installed, so no schema was checked"
)

CUSTOM = (
    "argoproj.io",
    "barmancloud.cnpg.io",
    "external-secrets.io",
    "gateway.envoyproxy.io",
    "gateway.networking.k8s.io",
    "kafka.strimzi.io",
    "keda.sh",
    "monitoring.coreos.com",
    "postgresql.cnpg.io",
)
"""Groups of custom resources; test_manifests_custom.py checks those."""

NO_OIDC = "NetworkPolicy/oidc-clients: selects no pod"
NO_S3 = "NetworkPolicy/s3: selects no pod"
NO_LAKE = "NetworkPolicy/lake: selects no pod"
NO_CASSANDRA = "NetworkPolicy/cassandra-relay: selects no pod"
NO_KAFKA = ["NetworkPolicy/kafka-clients: selects no pod", "NetworkPolicy/streams: selects no pod"]
NO_OUTBOX = "NetworkPolicy/outbox: selects no pod"
NO_POD_METRICS = [f"PodMonitor/{name}: selects no pod" for name in ("kafka", "outbox", "s3", "streams")]
SELECT_NOTHING = {
    "base and network-policies": [
        NO_CASSANDRA,
        "NetworkPolicy/http-clients: selects no pod",
        NO_KAFKA[0],
        NO_LAKE,
        NO_OIDC,
        NO_OUTBOX,
        NO_S3,
        NO_KAFKA[1],
    ],
    "base and monitoring": NO_POD_METRICS,
    **{
        overlay: [*NO_POD_METRICS, NO_CASSANDRA, NO_KAFKA[0], NO_LAKE, NO_OIDC, NO_OUTBOX, NO_S3, NO_KAFKA[1]]
        for overlay in OVERLAYS
    },
    "base and kafka-archive": [
        "Deployment/archive: ConfigMap/kafka-settings isn't rendered",
        "KafkaUser/kafka-archive: Kafka/events isn't rendered",
    ],
    "base and kafka-import": [
        "Deployment/importer: ConfigMap/kafka-settings isn't rendered",
        "KafkaUser/kafka-importer: Kafka/events isn't rendered",
    ],
    "base and kafka-keda": [
        "ScaledObject/storer: its target Deployment/storer isn't rendered",
        "KafkaUser/kafka-keda: Kafka/events isn't rendered",
        "ScaledObject/storer: KEDA may not reach events-kafka-bootstrap.event-tracker.svc:9093",
    ],
}
"""The clients that these policies are for come with other components, and kafka-archive, -import and -keda are for use beside kafka."""

Break = Callable[[list[Object]], Any]


def schema_errors(objects: list[Object], version: str) -> list[str]:
    ours = [one for one in objects if one["apiVersion"].split("/")[0] not in CUSTOM]
    return [f"{label(one)}: {error}" for one in ours for error in errors_of(json.dumps(one), version)]


@cache
def errors_of(one: str, version: str) -> list[str]:
    """Of an object as JSON: most are in many of the sets."""
    try:
        kubernetes_validate.validate(json.loads(one), version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", [*OVERLAYS, *SETS])
def test_every_object_fits_its_schema_with_unknown_fields_refused(name: str, version: str):
    assert schema_errors(rendered(name), version) == []


@pytest.mark.parametrize("name", [*OVERLAYS, *SETS])
def test_references_security_waves_quantities_and_the_rest_hold(name: str):
    assert problems(rendered(name)) == SELECT_NOTHING.get(name, [])


def test_production_runs_images_by_digest_only():
    assert problems(rendered("production"), pinned) == []


def test_the_bot_edits_a_file_that_holds_nothing_but_images():
    for overlay in OVERLAYS:
        images = yaml.safe_load((K8S / "overlays" / overlay / "images" / "kustomization.yaml").read_text())
        assert set(images) == {"apiVersion", "kind", "images"}
        assert [one["name"] for one in images["images"]] == [
            "event-tracker/collector",
            "event-tracker/query",
            "event-tracker/dashboard",
            "event-tracker/tracker",
            "event-tracker/streams",
        ]


def test_each_overlay_enforces_the_oldest_versions_pod_security():
    for overlay in OVERLAYS:
        labels = named(rendered(overlay), "Namespace", "event-tracker")["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce-version"] == f"v{OLDEST.rpartition('.')[0]}"


def test_the_documented_versions_are_those_that_are_checked():
    oldest, newest = (version.rpartition(".")[0] for version in (OLDEST, NEWEST))
    assert f"Kubernetes {oldest} to {newest}" in (K8S / "README.md").read_text()


def test_a_changed_setting_replaces_the_pods():
    # The name holds a hash of the content.
    (name,) = {
        name
        for one, template in pods(rendered("base"))
        if one["metadata"]["name"] == "collector"
        for name in config_maps(template)
    }
    assert re.fullmatch(r"collector-settings-[a-z0-9]{10}", name)


def test_yaml_is_in_form():
    run(tool("yamllint"), "--strict", "k8s", "argocd", "infra/postgres", "infra/grafana/kustomization.yaml", cwd=ROOT)


def test_shell_scripts_are_clean():
    scripts = [
        *sorted(K8S.rglob("*.sh")),
        ROOT / "infra/postgres/init/owner.sh",
        ROOT / "scripts/dev-secrets",
        ROOT / "scripts/minikube",
    ]
    run(tool("shellcheck"), *scripts)


# One thing broken at a time; each must be named.


def pod(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [template for one, template in pods(objects) if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def first(objects: list[Object], kind: str, name: str) -> Object:
    return containers(pod(objects, kind, name))[0]


def volume(objects: list[Object], kind: str, name: str, which: str) -> Object:
    (found,) = [one for one in pod(objects, kind, name)["spec"]["volumes"] if one["name"] == which]
    return found


def remove(objects: list[Object], kind: str, name: str) -> None:
    objects.remove(named(objects, kind, name))


def settings_of(objects: list[Object], kind: str) -> str:
    (found,) = [
        one["metadata"]["name"]
        for one in objects
        if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith(kind)
    ]
    return found


def set_wave(objects: list[Object], kind: str, name: str, wave: int) -> None:
    named(objects, kind, name)["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = str(wave)


BROKEN: dict[str, tuple[str, Break, str]] = {
    "an object rendered twice": (
        "minikube",
        lambda o: o.append(named(o, "Service", "query")),
        "Service/query: rendered 2 times",
    ),
    "another namespace": (
        "minikube",
        lambda o: named(o, "Service", "query")["metadata"].update(namespace="default"),
        "Service/query: in namespace default",
    ),
    "a missing ConfigMap": (
        "minikube",
        lambda o: remove(o, "ConfigMap", settings_of(o, "query-settings")),
        r"Deployment/query: ConfigMap/query-settings-\w+ isn't rendered",
    ),
    "a missing service account": (
        "minikube",
        lambda o: remove(o, "ServiceAccount", "migrate"),
        "Job/migrate: ServiceAccount/migrate isn't rendered",
    ),
    "a missing claim": (
        "minikube",
        lambda o: remove(o, "PersistentVolumeClaim", "postgres-backups"),
        "CronJob/postgres-backup: PersistentVolumeClaim/postgres-backups isn't rendered",
    ),
    "a mount without volume": (
        "minikube",
        lambda o: pod(o, "Deployment", "query")["spec"]["volumes"].pop(0),
        "Deployment/query: volume tmp is mounted but not there",
    ),
    "a missing headless service": (
        "minikube",
        lambda o: remove(o, "Service", "postgres-headless"),
        "StatefulSet/postgres: Service/postgres-headless isn't rendered",
    ),
    "a missing role": (
        "minikube",
        lambda o: remove(o, "Role", "prometheus-k8s"),
        "RoleBinding/prometheus-k8s: Role/prometheus-k8s isn't rendered",
    ),
    "a Secret in git": (
        "minikube",
        lambda o: o.append(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "event-tracker"}}
        ),
        "Secret/s: a Secret is rendered",
    ),
    "an unknown Secret": (
        "minikube",
        lambda o: volume(o, "Deployment", "query", "database")["secret"].update(secretName="querydatabase"),
        "Deployment/query: secret querydatabase .* isn't among the known ones",
    ),
    "an unknown key of a Secret": (
        "minikube",
        lambda o: volume(o, "Deployment", "query", "database")["secret"]["items"][0].update(key="uri"),
        r"Deployment/query: secret query-database with \['uri'\] isn't among",
    ),
    "an unknown Secret of the cluster": (
        "production",
        lambda o: named(o, "Cluster", "postgres")["spec"]["bootstrap"]["initdb"]["secret"].update(
            name="query-database"
        ),
        "Cluster/postgres: secret query-database isn't among the known ones",
    ),
    "a secret in the environment": (
        "minikube",
        lambda o: first(o, "Deployment", "query")["env"].append(
            {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "query-database", "key": "url"}}}
        ),
        "Deployment/query: query has a secret in its environment",
    ),
    "a secret that all may read": (
        "minikube",
        lambda o: volume(o, "Deployment", "query", "database")["secret"].pop("defaultMode"),
        "Deployment/query: volume database isn't readable by its group only",
    ),
    "a secret that the app can't read": (
        "minikube",
        lambda o: pod(o, "Deployment", "query")["spec"]["securityContext"].pop("fsGroup"),
        "Deployment/query: without fsGroup",
    ),
    "a service that selects nothing": (
        "minikube",
        lambda o: named(o, "Service", "query")["spec"].update(selector={"app.kubernetes.io/name": "qery"}),
        "Service/query: selects the pods of 0 workloads",
    ),
    "a service that selects too much": (
        "minikube",
        lambda o: named(o, "Service", "query")["spec"].update(selector={"app.kubernetes.io/component": "service"}),
        "Service/query: selects the pods of 3 workloads",
    ),
    "a wrong target port": (
        "minikube",
        lambda o: named(o, "Service", "query")["spec"]["ports"][0].update(targetPort="web"),
        "Service/query: its pods have no port web",
    ),
    "a selector that misses its own pods": (
        "minikube",
        lambda o: named(o, "Deployment", "query")["spec"]["selector"]["matchLabels"].update(extra="x"),
        "Deployment/query: its selector doesn't select its own pods",
    ),
    "a budget for nothing": (
        "minikube",
        lambda o: named(o, "PodDisruptionBudget", "query")["spec"]["selector"]["matchLabels"].update(extra="x"),
        "PodDisruptionBudget/query: selects no pod",
    ),
    "a policy for nothing": (
        "minikube",
        lambda o: named(o, "NetworkPolicy", "query")["spec"]["podSelector"]["matchLabels"].update(extra="x"),
        "NetworkPolicy/query: selects no pod",
    ),
    "a policy with a wrong port": (
        "minikube",
        lambda o: named(o, "NetworkPolicy", "query")["spec"]["ingress"][0]["ports"][0].update(port="web"),
        "NetworkPolicy/query: its pods have no port web",
    ),
    "a monitor of another service": (
        "minikube",
        lambda o: named(o, "ServiceMonitor", "query")["spec"]["selector"]["matchLabels"].update(
            {"app.kubernetes.io/name": "x"}
        ),
        "ServiceMonitor/query: doesn't select the service of its name",
    ),
    "a monitor of a wrong port": (
        "minikube",
        lambda o: named(o, "ServiceMonitor", "query")["spec"]["endpoints"][0].update(port="metrics"),
        "ServiceMonitor/query: its service has no port metrics",
    ),
    "an ingress to nowhere": (
        "base and ingress",
        lambda o: remove(o, "Service", "query"),
        "Ingress/query: there is no service query with port http",
    ),
    "a route to nowhere": (
        "production",
        lambda o: remove(o, "Service", "query"),
        "HTTPRoute/query: there is no service query with port 8001",
    ),
    "a route without a gateway": (
        "production",
        lambda o: remove(o, "Gateway", "event-tracker"),
        "HTTPRoute/query: there is no listener https of a Gateway event-tracker",
    ),
    "a client shut out from the database": (
        "minikube",
        lambda o: pod(o, "CronJob", "maintain")["metadata"]["labels"].pop("event-tracker/database-client"),
        "CronJob/maintain: may not reach the database",
    ),
    "a client shut out from the services": (
        "minikube",
        lambda o: pod(o, "Job", "smoke")["metadata"]["labels"].pop("event-tracker/http-client"),
        "Job/smoke: may not go to collector",
    ),
    "a dashboard that may not go out": (
        "minikube",
        lambda o: named(o, "NetworkPolicy", "dashboard")["spec"].pop("egress"),
        "Deployment/dashboard: may not go to query",
    ),
    "a dashboard that isn't let in": (
        "minikube",
        lambda o: named(o, "NetworkPolicy", "query")["spec"]["ingress"][0]["from"].pop(1),
        "Deployment/dashboard: isn't let in by query",
    ),
    "an outbox that can't be read": (
        "all but cnpg",
        lambda o: named(o, "NetworkPolicy", "outbox")["spec"]["egress"][0]["ports"][0].update(port=5433),
        "Deployment/outbox: may not reach the application's database",
    ),
    "an export that can't reach the bucket": (
        "all but cnpg",
        lambda o: pod(o, "CronJob", "lake")["metadata"]["labels"].pop("event-tracker/lake-client"),
        "CronJob/lake: may not reach the bucket",
    ),
    "upkeep that can't read the lake": (
        "all but cnpg",
        lambda o: named(o, "NetworkPolicy", "lake")["spec"]["egress"].pop(0),
        "CronJob/maintain: may not reach the bucket",
    ),
    "an autoscaler without target": (
        "production",
        lambda o: named(o, "HorizontalPodAutoscaler", "query")["spec"]["scaleTargetRef"].update(name="qery"),
        "HorizontalPodAutoscaler/query: its target Deployment/qery isn't rendered",
    ),
    "replicas beside an autoscaler": (
        "production",
        lambda o: named(o, "Deployment", "query")["spec"].update(replicas=2),
        "Deployment/query: sets replicas though it is autoscaled",
    ),
    "more connections than the database allows": (
        "production",
        lambda o: named(o, "HorizontalPodAutoscaler", "query")["spec"].update(maxReplicas=20),
        "the services may open 212 connections",
    ),
    "a service account token": (
        "minikube",
        lambda o: pod(o, "Job", "migrate")["spec"].pop("automountServiceAccountToken"),
        "Job/migrate: service account token",
    ),
    "service variables": (
        "minikube",
        lambda o: pod(o, "Deployment", "query")["spec"].pop("enableServiceLinks"),
        "Deployment/query: service variables",
    ),
    "a host path": (
        "minikube",
        lambda o: volume(o, "Deployment", "query", "tmp").update(hostPath={"path": "/tmp"}),
        "Deployment/query: host path",
    ),
    "a root user": (
        "minikube",
        lambda o: pod(o, "CronJob", "maintain")["spec"]["securityContext"].pop("runAsNonRoot"),
        "CronJob/maintain: maintain: runAsNonRoot",
    ),
    "no seccomp profile": (
        "minikube",
        lambda o: pod(o, "StatefulSet", "postgres")["spec"]["securityContext"].pop("seccompProfile"),
        "StatefulSet/postgres: postgres: seccompProfile",
    ),
    "privilege escalation": (
        "minikube",
        lambda o: first(o, "Deployment", "simulate")["securityContext"].pop("allowPrivilegeEscalation"),
        "Deployment/simulate: simulate: allowPrivilegeEscalation",
    ),
    "an added capability": (
        "minikube",
        lambda o: first(o, "Job", "smoke")["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
        "Job/smoke: smoke: capabilities",
    ),
    "a writable root": (
        "minikube",
        lambda o: first(o, "CronJob", "postgres-backup")["securityContext"].update(readOnlyRootFilesystem=False),
        "CronJob/postgres-backup: backup: readOnlyRootFilesystem",
    ),
    "a lax namespace": (
        "production",
        lambda o: named(o, "Namespace", "event-tracker")["metadata"]["labels"].update(
            {"pod-security.kubernetes.io/enforce": "baseline"}
        ),
        "Namespace/event-tracker: doesn't enforce",
    ),
    "a limit on CPU": (
        "minikube",
        lambda o: first(o, "Deployment", "query")["resources"]["limits"].update(cpu="1"),
        r"Deployment/query: query: requests \['cpu', 'memory'\], limits \['cpu', 'memory'\]",
    ),
    "a quantity that is none": (
        "minikube",
        lambda o: first(o, "Deployment", "query")["resources"]["limits"].update(memory="512MB"),
        "Deployment/query: '512MB' is no quantity",
    ),
    "more memory asked for than allowed": (
        "minikube",
        lambda o: first(o, "Deployment", "query")["resources"]["requests"].update(memory="2Gi"),
        "Deployment/query: query: asks for more memory than its limit",
    ),
    "a volume size that is none": (
        "minikube",
        lambda o: volume(o, "Deployment", "query", "tmp")["emptyDir"].update(sizeLimit="32 Mi"),
        "Deployment/query: '32 Mi' is no quantity",
    ),
    "a probe of no port": (
        "minikube",
        lambda o: first(o, "Deployment", "query")["livenessProbe"]["httpGet"].update(port="metrics"),
        "Deployment/query: query: no port metrics to probe",
    ),
    "a missing probe": (
        "minikube",
        lambda o: first(o, "StatefulSet", "postgres").pop("startupProbe"),
        "StatefulSet/postgres: postgres lacks a probe",
    ),
    "liveness that asks for readiness": (
        "minikube",
        lambda o: first(o, "Deployment", "query")["livenessProbe"]["httpGet"].update(path="/readyz"),
        "Deployment/query: query: liveness is readiness",
    ),
    "liveness as impatient as readiness": (
        "minikube",
        lambda o: first(o, "Deployment", "dashboard")["livenessProbe"].update(failureThreshold=2),
        "Deployment/dashboard: dashboard: liveness is readiness",
    ),
    "a rollout that takes pods away": (
        "minikube",
        lambda o: named(o, "Deployment", "query")["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1),
        "Deployment/query: may have less than its replicas",
    ),
    "a stop that cuts requests off": (
        "minikube",
        lambda o: first(o, "Deployment", "query").pop("lifecycle"),
        "Deployment/query: query: preStop sleeps 0 s of 45",
    ),
    "a grace period that is over too soon": (
        "minikube",
        lambda o: pod(o, "Deployment", "query")["spec"].update(terminationGracePeriodSeconds=25),
        "Deployment/query: query: preStop sleeps 8 s of 25",
    ),
    "services before the migration": (
        "minikube",
        lambda o: set_wave(o, "Deployment", "query", -1),
        "Deployment/query: isn't in a later wave than Job/migrate",
    ),
    "a migration before the database": (
        "minikube",
        lambda o: set_wave(o, "Job", "migrate", -3),
        "Job/migrate: isn't in a later wave than StatefulSet/postgres",
    ),
    "a migration before the cluster": (
        "production",
        lambda o: set_wave(o, "Job", "migrate", -3),
        "Job/migrate: isn't in a later wave than Cluster/postgres",
    ),
    "an account after its pod": (
        "minikube",
        lambda o: set_wave(o, "ServiceAccount", "migrate", 0),
        "Job/migrate: comes before ServiceAccount/migrate",
    ),
    "a migration in PreSync": (
        "minikube",
        lambda o: named(o, "Job", "migrate")["metadata"]["annotations"].update({"argocd.argoproj.io/hook": "PreSync"}),
        "Job/migrate: is no hook of Sync or PostSync",
    ),
    "a hook that vanishes by itself": (
        "minikube",
        lambda o: named(o, "Job", "migrate")["spec"].update(ttlSecondsAfterFinished=60),
        "Job/migrate: must be deleted by the next sync and by nothing else",
    ),
    "a Job without end": (
        "minikube",
        lambda o: named(o, "Job", "migrate")["spec"].pop("activeDeadlineSeconds"),
        "Job/migrate: may try for ever",
    ),
    "a database that may be pruned": (
        "minikube",
        lambda o: named(o, "StatefulSet", "postgres")["metadata"]["annotations"].pop("argocd.argoproj.io/sync-options"),
        "StatefulSet/postgres: may be pruned or deleted",
    ),
    "volumes that go with their set": (
        "minikube",
        lambda o: named(o, "StatefulSet", "postgres")["spec"].pop("persistentVolumeClaimRetentionPolicy"),
        "StatefulSet/postgres: its volumes may go with it",
    ),
}


@pytest.mark.parametrize(("name", "breaking", "named_as"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_on_purpose_is_named(name: str, breaking: Break, named_as: str):
    objects = copy.deepcopy(rendered(name))
    breaking(objects)
    found = problems(objects)
    assert any(re.match(named_as, one) for one in found), found


def test_an_image_by_tag_is_named():
    objects = copy.deepcopy(rendered("production"))
    first(objects, "Deployment", "query")["image"] = "ghcr.io/example/event-tracker/query:1.0.0"
    assert problems(objects, pinned) == [
        "Deployment/query: image ghcr.io/example/event-tracker/query:1.0.0 isn't pinned by digest"
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_questions_take_at_once_fits_into_the_databases_memory(overlay: str):
    assert problems(rendered(overlay), database_memory) == []


def test_questions_that_dont_fit_into_the_databases_memory_are_named():
    minikube, production = (copy.deepcopy(rendered(overlay)) for overlay in OVERLAYS)
    first(minikube, "StatefulSet", "postgres")["resources"]["limits"].update(memory="1Gi")
    assert problems(minikube, database_memory) == [
        "StatefulSet/postgres: 4 statements at once and the shared buffers don't fit into its memory"
    ]
    named(production, "HorizontalPodAutoscaler", "query")["spec"].update(maxReplicas=8)
    assert problems(production, database_memory) == [
        "Cluster/postgres: 16 statements at once and the shared buffers don't fit into its memory"
    ]


UNFIT: dict[str, tuple[Break, str]] = {
    "a misspelt field": (
        lambda o: named(o, "Deployment", "query")["spec"].update(revisionHistoryLimits=5),
        "revisionHistoryLimits",
    ),
    "a wrong type": (lambda o: named(o, "Deployment", "query")["spec"].update(replicas="two"), "two"),
    "a missing field": (lambda o: named(o, "CronJob", "maintain")["spec"].pop("schedule"), "schedule"),
    "a field deep inside": (
        lambda o: first(o, "Deployment", "query")["readinessProbe"]["httpGet"].update(pfad="/readyz"),
        "pfad",
    ),
}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize(("breaking", "named_as"), UNFIT.values(), ids=UNFIT.keys())
def test_what_doesnt_fit_its_schema_is_named(breaking: Break, named_as: str, version: str):
    objects = copy.deepcopy(rendered("minikube"))
    breaking(objects)
    (found,) = schema_errors(objects, version)
    assert named_as in found


def test_a_sleep_before_the_stop_needs_a_newer_kubernetes_than_1_28():
    # So the schemas do differ, and OLDEST means something.
    assert "sleep" in json.dumps(schema_errors(rendered("base"), "1.28.0"))
