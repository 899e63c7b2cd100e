"""Checks of rendered manifests that no schema does. Each takes the objects and yields sentences that say what is wrong."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any

from kafka_manifests import KAFKA_CHECKS
from manifests import (
    OPERATOR_SECRETS,
    SECRETS,
    WORKLOADS,
    Object,
    annotation,
    config_maps,
    containers,
    label,
    matches,
    of_kind,
    pods,
    secret_files,
)

QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
FACTORS = {
    "": 1,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
HOOKS = {"PreSync": -100, "PostSync": 100}
CLUSTER_WIDE = {"Namespace"}
KAFKA_DATA = ("Kafka", "KafkaNodePool", "KafkaTopic")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
STOP_SECONDS = 3 + 15
"""From SIGTERM to the end: DRAIN_SECONDS, and requests under way."""

CONNECTIONS, RESERVED = 120, 20
"""max_connections of the database, and how many of them are left to jobs, Grafana and people."""

FREE_CONNECTIONS = 2
"""The connections that a query service doesn't use for analytics."""

CONTROL_CONNECTIONS = 4
"""The connections that a query service opens beside POOL_MAX, for authentication (event_tracker.query.app has the same number)."""

STORER_CONNECTIONS = 1
"""The connections that a storer opens, and a relay (their `service` has the same number)."""

STATEMENT_BYTES = 4 * 64 * 2**20
"""The database's memory that is reserved for a question about users: four times work_mem (docs/deployment.md)."""

DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")

Check = Callable[[list[Object]], Iterator[str]]


def amount(text: Any) -> float:
    """A quantity in its base unit; 0 for an invalid one, which `quantities` reports."""
    found = QUANTITY.fullmatch(str(text))
    return float(found[1]) * FACTORS[found[2] or ""] if found else 0


def wave(one: Object) -> int:
    """The order in which Argo CD applies it: its wave, with hooks of other phases far before or after."""
    return HOOKS.get(annotation(one, "hook") or "", 0) + int(annotation(one, "sync-wave") or 0)


def _labels(template: Object) -> dict[str, str]:
    return template["metadata"].get("labels") or {}


def _ports(template: Object) -> set[str | int]:
    every = list(chain.from_iterable(container.get("ports") or [] for container in containers(template)))
    return {port["name"] for port in every if "name" in port} | {port["containerPort"] for port in every}


def identity(objects: list[Object]) -> Iterator[str]:
    """Names are unique, and everything is in the one namespace."""
    for name, count in Counter(map(label, objects)).items():
        if count > 1:
            yield f"{name}: rendered {count} times"
    for one in objects:
        namespace = one["metadata"].get("namespace")
        if namespace != (None if one["kind"] in CLUSTER_WIDE else "event-tracker"):
            yield f"{label(one)}: in namespace {namespace}"


def references(objects: list[Object]) -> Iterator[str]:
    """Every object that another one names is rendered."""
    names = {label(one) for one in objects}
    needed: list[tuple[Object, str]] = []
    for one, template in pods(objects):
        claims = [volume.get("persistentVolumeClaim") for volume in template["spec"].get("volumes") or []]
        needed.append((one, f"ServiceAccount/{template['spec'].get('serviceAccountName')}"))
        needed += [(one, f"ConfigMap/{name}") for name in config_maps(template)]
        needed += [(one, f"PersistentVolumeClaim/{claim['claimName']}") for claim in claims if claim]
    needed += [(one, f"Service/{one['spec']['serviceName']}") for one in of_kind(objects, "StatefulSet")]
    needed += [(one, f"Role/{one['roleRef']['name']}") for one in of_kind(objects, "RoleBinding")]
    for one, name in needed:
        if name not in names:
            yield f"{label(one)}: {name} isn't rendered"


def mounts(objects: list[Object]) -> Iterator[str]:
    """Every volume is mounted, and every mount has its volume."""
    for one, template in pods(objects):
        volumes = {volume["name"] for volume in template["spec"].get("volumes") or []}
        volumes |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates") or []}
        mounted = {mount["name"] for container in containers(template) for mount in container.get("volumeMounts") or []}
        for name in mounted ^ volumes:
            yield f"{label(one)}: volume {name} is {'mounted but not there' if name in mounted else 'there but not mounted'}"


def secrets(objects: list[Object]) -> Iterator[str]:
    """Secrets are never rendered and never in the environment, and only known ones are named."""
    known = SECRETS | OPERATOR_SECRETS
    for one in of_kind(objects, "Secret"):
        yield f"{label(one)}: a Secret is rendered"
    for one, template in pods(objects):
        for name, keys in secret_files(template):
            if name not in known or not keys or not keys <= known[name]:
                yield f"{label(one)}: secret {name} with {sorted(keys) or 'all its keys'} isn't among the known ones"
        for container in containers(template):
            sources = str([container.get("env"), container.get("envFrom")])
            if "secretKeyRef" in sources or "secretRef" in sources:
                yield f"{label(one)}: {container['name']} has a secret in its environment"


def cluster_secrets(objects: list[Object]) -> Iterator[str]:
    """The operator reads the owner's user name and password from the same Secret that has its URL for others."""
    for one in of_kind(objects, "Cluster"):
        named = [
            one["spec"]["bootstrap"]["initdb"]["secret"],
            *(role["passwordSecret"] for role in one["spec"]["managed"]["roles"]),
        ]
        for name in [secret["name"] for secret in named]:
            if not {"username", "password"} <= SECRETS.get(name, set()):
                yield f"{label(one)}: secret {name} isn't among the known ones with a user name"


def secret_modes(objects: list[Object]) -> Iterator[str]:
    """A program that isn't root reads its secrets by its group, and nobody else does."""
    for one, template in pods(objects):
        for volume in template["spec"].get("volumes") or []:
            source = volume.get("secret") or ("secret" in str(volume.get("projected")) and volume["projected"])
            if source and source.get("defaultMode") != 0o440:
                yield f"{label(one)}: volume {volume['name']} isn't readable by its group only"
            if source and "fsGroup" not in template["spec"]["securityContext"]:
                yield f"{label(one)}: without fsGroup its secrets can't be read"


def _templates(objects: list[Object]) -> list[Object]:
    """The pods' templates, and those of the pods that operators make for a Cluster and for a Kafka."""
    return (
        [template for _, template in pods(objects)]
        + _broker_templates(objects)
        + [
            {
                "metadata": {
                    "labels": {**one["spec"]["inheritedMetadata"]["labels"], "cnpg.io/cluster": one["metadata"]["name"]}
                },
                "spec": {"containers": [{"ports": [{"name": "metrics", "containerPort": 9187}]}]},
            }
            for one in of_kind(objects, "Cluster")
        ]
    )


def _broker_templates(objects: list[Object]) -> list[Object]:
    """The brokers' pods, as Strimzi makes them."""
    return [
        {
            "metadata": {
                "labels": {
                    "strimzi.io/cluster": one["metadata"]["name"],
                    "strimzi.io/name": f"{one['metadata']['name']}-kafka",
                }
            },
            "spec": {
                "containers": [{"ports": [{"name": "tcp-prometheus", "containerPort": 9404}]}]
                if "metricsConfig" in one["spec"]["kafka"]
                else [{}]
            },
        }
        for one in of_kind(objects, "Kafka")
    ]


def selectors(objects: list[Object]) -> Iterator[str]:
    """Every selector of pods matches some."""
    for one, template in pods(objects):
        if "selector" in one["spec"] and not matches(one["spec"]["selector"], _labels(template)):
            yield f"{label(one)}: its selector doesn't select its own pods"
    for one in of_kind(objects, "PodDisruptionBudget", "PodMonitor", "NetworkPolicy"):
        selector = one["spec"].get("selector", one["spec"].get("podSelector"))
        if not any(matches(selector, _labels(each)) for each in _templates(objects)):
            yield f"{label(one)}: selects no pod"


def services(objects: list[Object]) -> Iterator[str]:
    """A service selects exactly one workload, and a port of it."""
    for one in of_kind(objects, "Service"):
        selected = [
            each for _, each in pods(objects) if matches({"matchLabels": one["spec"]["selector"]}, _labels(each))
        ]
        if len(selected) != 1:
            yield f"{label(one)}: selects the pods of {len(selected)} workloads"
        for port in one["spec"]["ports"]:
            if any(port.get("targetPort", port["port"]) not in _ports(each) for each in selected):
                yield f"{label(one)}: its pods have no port {port.get('targetPort', port['port'])}"


def policy_ports(objects: list[Object]) -> Iterator[str]:
    """A port that a policy names is a port of the pods that it selects."""
    for one in of_kind(objects, "NetworkPolicy"):
        selected = [each for each in _templates(objects) if matches(one["spec"]["podSelector"], _labels(each))]
        for port in [port["port"] for rule in one["spec"].get("ingress") or [] for port in rule.get("ports") or []]:
            if isinstance(port, str) and any(port not in _ports(each) for each in selected):
                yield f"{label(one)}: its pods have no port {port}"


def _service_ports(objects: list[Object]) -> dict[str, set[str]]:
    return {
        one["metadata"]["name"]: {port["name"] for port in one["spec"]["ports"]} for one in of_kind(objects, "Service")
    }


def pod_monitors(objects: list[Object]) -> Iterator[str]:
    """A port that a PodMonitor names is a port of the pods that it selects."""
    for one in of_kind(objects, "PodMonitor"):
        selected = [each for each in _templates(objects) if matches(one["spec"]["selector"], _labels(each))]
        for endpoint in one["spec"]["podMetricsEndpoints"]:
            if any(endpoint["port"] not in _ports(each) for each in selected):
                yield f"{label(one)}: its pods have no port {endpoint['port']}"


def monitors(objects: list[Object]) -> Iterator[str]:
    """A ServiceMonitor selects the one service of its name, which becomes the label `job` that the rules use."""
    for one in of_kind(objects, "ServiceMonitor"):
        name = one["metadata"]["name"]
        labels = {
            each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in of_kind(objects, "Service")
        }
        if [each for each in labels if matches(one["spec"]["selector"], labels[each])] != [name]:
            yield f"{label(one)}: doesn't select the service of its name"
        for endpoint in one["spec"]["endpoints"]:
            if endpoint["port"] not in _service_ports(objects).get(name, set()):
                yield f"{label(one)}: its service has no port {endpoint['port']}"


def backends(objects: list[Object]) -> Iterator[str]:
    """The services of every Ingress and HTTPRoute exist."""
    for one in of_kind(objects, "Ingress"):
        for path in [path for rule in one["spec"]["rules"] for path in rule["http"]["paths"]]:
            name, port = path["backend"]["service"]["name"], path["backend"]["service"]["port"]["name"]
            if port not in _service_ports(objects).get(name, set()):
                yield f"{label(one)}: there is no service {name} with port {port}"
    numbers = {
        each["metadata"]["name"]: {port["port"] for port in each["spec"]["ports"]}
        for each in of_kind(objects, "Service")
    }
    for one in of_kind(objects, "HTTPRoute"):
        for backend in [each for rule in one["spec"]["rules"] for each in rule.get("backendRefs") or []]:
            if backend["port"] not in numbers.get(backend["name"], set()):
                yield f"{label(one)}: there is no service {backend['name']} with port {backend['port']}"


def gateways(objects: list[Object]) -> Iterator[str]:
    """The listener of every route exists."""
    listeners = {
        (one["metadata"]["name"], listener["name"])
        for one in of_kind(objects, "Gateway")
        for listener in one["spec"]["listeners"]
    }
    for one in of_kind(objects, "HTTPRoute"):
        for parent in one["spec"]["parentRefs"]:
            if (parent["name"], parent["sectionName"]) not in listeners:
                yield f"{label(one)}: there is no listener {parent['sectionName']} of a Gateway {parent['name']}"


def reachable(objects: list[Object]) -> Iterator[str]:
    """With default-deny, a pod with the URL of a service or of the database may connect there, by the policies of both sides."""
    if not any(one["metadata"]["name"] == "default-deny" for one in of_kind(objects, "NetworkPolicy")):
        return
    policies = [one["spec"] for one in of_kind(objects, "NetworkPolicy")]
    settings = {one["metadata"]["name"]: one.get("data") for one in of_kind(objects, "ConfigMap")}
    for one, template in pods(objects):
        uses = str([container.get("env") for container in containers(template)])
        uses += str([settings.get(name) for name in config_maps(template)])
        if "'DATABASE_URL_FILE'" in uses and _labels(template).get("event-tracker/database-client") != "true":
            yield f"{label(one)}: may not reach the database"
        if "OUTBOX_DATABASE_URL_FILE" in uses and not _may_leave(
            policies, _labels(template), "namespaceSelector", 5432
        ):
            yield f"{label(one)}: may not reach the application's database"
        if "s3://" in uses and not _may_leave(policies, _labels(template), "ipBlock", 443):
            yield f"{label(one)}: may not reach the bucket"
        for name in sorted(set(re.findall(r"http://([a-z]+):\d+", uses))):
            service = {"app.kubernetes.io/name": name}
            if not _let(policies, "egress", _labels(template), service):
                yield f"{label(one)}: may not go to {name}"
            if not _let(policies, "ingress", service, _labels(template)):
                yield f"{label(one)}: isn't let in by {name}"


def _may_leave(policies: list[Object], whose: dict[str, str], side_of: str, port: int) -> bool:
    """Whether a policy for pods with the labels `whose` allows connections to others than the namespace's pods, at this port."""
    return any(
        side_of in side and port in {one["port"] for one in rule["ports"]}
        for policy in policies
        if matches(policy["podSelector"], whose)
        for rule in policy.get("egress") or []
        for side in rule["to"]
    )


def _let(policies: list[Object], way: str, whose: dict[str, str], other: dict[str, str]) -> bool:
    """Whether a policy for pods with the labels `whose` allows pods with the labels `other`, in the same namespace."""
    sides = [
        side
        for policy in policies
        if matches(policy["podSelector"], whose)
        for rule in policy.get(way) or []
        for side in rule[{"egress": "to", "ingress": "from"}[way]]
    ]
    return any("namespaceSelector" not in side and matches(side["podSelector"], other) for side in sides)


def scaling(objects: list[Object]) -> Iterator[str]:
    """An autoscaler's target exists and doesn't set `replicas`."""
    workloads = {label(one): one for one in of_kind(objects, *WORKLOADS)}
    for one in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        name = _target(one)
        if name not in workloads:
            yield f"{label(one)}: its target {name} isn't rendered"
        elif "replicas" in workloads[name]["spec"]:
            yield f"{name}: sets replicas though it is autoscaled"


def _target(scaler: Object) -> str:
    return "{kind}/{name}".format_map(scaler["spec"]["scaleTargetRef"])


def connections(objects: list[Object]) -> Iterator[str]:
    """The connections of all pods fit into the database's max_connections, with one more pod of each service during a rollout."""
    wanted = sum(
        (pods_at_most + 1) * (pool + (CONTROL_CONNECTIONS if name == "query" else 0))
        for name, pods_at_most, pool in _pools(objects)
    )
    if wanted > CONNECTIONS - RESERVED:
        yield f"the services may open {wanted} connections; the database allows {CONNECTIONS}, of which {RESERVED} are for others"


def _pools(objects: list[Object]) -> Iterator[tuple[str, int, int]]:
    """Each service with a pool: its name, the most pods of it, and POOL_MAX."""
    most = {_target(one): one["spec"]["maxReplicas"] for one in of_kind(objects, "HorizontalPodAutoscaler")}
    most |= {_target(one): one["spec"]["maxReplicaCount"] for one in of_kind(objects, "ScaledObject")}
    pools = {
        one["metadata"]["name"]: int((one.get("data") or {}).get("POOL_MAX", 0))
        for one in of_kind(objects, "ConfigMap")
    }
    for one, template in pods(objects):
        pool = sum(pools.get(name, 0) for name in config_maps(template))
        if one["metadata"]["name"] in ("storer", "publisher", "cassandra-relay"):
            pool = STORER_CONNECTIONS
        if pool:
            yield one["metadata"]["name"], most.get(label(one), one["spec"].get("replicas", 0)), pool


def database_memory(objects: list[Object]) -> Iterator[str]:
    """The query service's concurrent statements and the shared buffers fit into the database's memory. For overlays."""
    statements = sum(
        pods_at_most * (pool - FREE_CONNECTIONS) for name, pods_at_most, pool in _pools(objects) if name == "query"
    )
    for one in of_kind(objects, "StatefulSet", "Cluster"):
        cluster = one["kind"] == "Cluster"
        server = one["spec"] if cluster else containers(one["spec"]["template"])[0]
        found = re.search(r"shared_buffers'?[:=] ?'?(\d+)MB", str(server))
        buffers = int(found[1]) * 2**20 if found else 0
        if buffers + statements * STATEMENT_BYTES > amount(server["resources"]["limits"]["memory"]):
            yield f"{label(one)}: {statements} statements at once and the shared buffers don't fit into its memory"


def pod_security(objects: list[Object]) -> Iterator[str]:
    """Pod Security Standard *restricted*, and beyond it a read-only root, no token and no service variables."""
    for one, template in pods(objects):
        spec = template["spec"]
        wanted = {
            "service account token": spec.get("automountServiceAccountToken") is False,
            # A Service named query would set QUERY_PORT and the like.
            "service variables": spec.get("enableServiceLinks") is False,
            "host": not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")),
            "host path": "hostPath" not in str(spec.get("volumes")),
        }
        for container in containers(template):
            wanted |= {f"{container['name']}: {name}": holds for name, holds in _contained(spec, container).items()}
        for name, holds in wanted.items():
            if not holds:
                yield f"{label(one)}: {name}"


def _contained(spec: Object, container: Object) -> dict[str, bool]:
    """The conditions for a container, and whether each is met."""
    own = container.get("securityContext") or {}
    both = {**(spec.get("securityContext") or {}), **own}
    return {
        "runAsNonRoot": both.get("runAsNonRoot") is True and both.get("runAsUser") != 0,
        "seccompProfile": (both.get("seccompProfile") or {}).get("type") in ("RuntimeDefault", "Localhost"),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False and not own.get("privileged"),
        "capabilities": own.get("capabilities") == {"drop": ["ALL"]},
        "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
        "hostPort": not any("hostPort" in port for port in container.get("ports") or []),
    }


def enforced(objects: list[Object]) -> Iterator[str]:
    """The namespace enforces what pod_security checks, and service accounts give no token by themselves."""
    for one in of_kind(objects, "Namespace"):
        if (one["metadata"].get("labels") or {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{label(one)}: doesn't enforce Pod Security restricted"
    for one in of_kind(objects, "ServiceAccount"):
        if one.get("automountServiceAccountToken") is not False:
            yield f"{label(one)}: mounts its token"


def resources(objects: list[Object]) -> Iterator[str]:
    """Every container asks for CPU and memory, and is limited in memory only."""
    for one, template in pods(objects):
        for container in containers(template):
            given = container.get("resources") or {}
            requests, limits = given.get("requests") or {}, given.get("limits") or {}
            if set(requests) != {"cpu", "memory"} or set(limits) != {"memory"}:
                yield f"{label(one)}: {container['name']}: requests {sorted(requests)}, limits {sorted(limits)}"
            elif amount(requests["memory"]) > amount(limits["memory"]):
                yield f"{label(one)}: {container['name']}: asks for more memory than its limit"


def quantities(objects: list[Object]) -> Iterator[str]:
    """Quantities are valid. The schemas allow any text."""
    given: list[tuple[Object, Any]] = []
    for one, template in pods(objects):
        for container in containers(template):
            for part in (container.get("resources") or {}).values():
                given += [(one, text) for text in part.values()]
        given += [
            (one, volume["emptyDir"].get("sizeLimit"))
            for volume in template["spec"].get("volumes") or []
            if "emptyDir" in volume
        ]
        given += [
            (one, claim["spec"]["resources"]["requests"]["storage"])
            for claim in one["spec"].get("volumeClaimTemplates") or []
        ]
    given += [
        (one, one["spec"]["resources"]["requests"]["storage"]) for one in of_kind(objects, "PersistentVolumeClaim")
    ]
    for one, text in given:
        if not QUANTITY.fullmatch(str(text)):
            yield f"{label(one)}: {text!r} is no quantity"


def probes(objects: list[Object]) -> Iterator[str]:
    """Containers with ports have probes, on ports that they have. The liveness probe must require less than the readiness probe."""
    for one, template in pods(objects):
        for container in containers(template):
            given = {name: container[name] for name in PROBES if name in container}
            if container.get("ports") and len(given) < len(PROBES):
                yield f"{label(one)}: {container['name']} lacks a probe"
            gets = {name: probe["httpGet"] for name, probe in given.items() if "httpGet" in probe}
            for get in gets.values():
                if get["port"] not in _ports(template):
                    yield f"{label(one)}: {container['name']}: no port {get['port']} to probe"
            if gets and gets.get("livenessProbe") == gets.get("readinessProbe") and not _says_only_one_thing(given):
                yield f"{label(one)}: {container['name']}: liveness is readiness"


def _says_only_one_thing(given: dict[str, Object]) -> bool:
    """Whether it is Streamlit, which has only one path for its health, and its liveness probe is more patient than the other."""
    live, ready = given["livenessProbe"], given["readinessProbe"]
    seconds = [probe["periodSeconds"] * probe["failureThreshold"] for probe in (ready, live)]
    return bool(live["httpGet"]["path"] == "/_stcore/health" and 2 * seconds[0] < seconds[1])


def rollout(objects: list[Object]) -> Iterator[str]:
    """A service's pod is replaced only by one that is ready, and has time to finish its requests."""
    for one, template in pods(objects):
        is_client = template["metadata"]["labels"].get("app.kubernetes.io/component") == "client"
        if one["kind"] != "Deployment" or not _ports(template) or is_client:
            continue
        if (one["spec"].get("strategy", {}).get("rollingUpdate") or {}).get("maxUnavailable") != 0:
            yield f"{label(one)}: may have less than its replicas while it is replaced"
        grace = template["spec"].get("terminationGracePeriodSeconds", 30)
        for container in containers(template):
            before_stop = (container.get("lifecycle") or {}).get("preStop") or {}
            sleep = (before_stop.get("sleep") or {}).get("seconds", 0)
            if sleep < 5 or sleep + STOP_SECONDS > grace:
                yield f"{label(one)}: {container['name']}: preStop sleeps {sleep} s of {grace}"


def waves(objects: list[Object]) -> Iterator[str]:
    """Argo CD applies database, migrate and services in this order, and accounts and settings before the pods that need them."""
    at = {label(one): wave(one) for one in objects}
    for one, template in pods(objects):
        needed = [
            f"ServiceAccount/{template['spec'].get('serviceAccountName')}",
            *(f"ConfigMap/{name}" for name in config_maps(template)),
        ]
        for name in needed:
            if at.get(name, -1000) > at[label(one)]:
                yield f"{label(one)}: comes before {name}"
    steps = [
        of_kind(objects, "NetworkPolicy"),
        of_kind(objects, "StatefulSet", "Cluster", "Kafka", "KafkaNodePool"),
        [one for one in of_kind(objects, "Job") if one["metadata"]["name"] == "migrate"],
        of_kind(objects, "Deployment", "CronJob"),
    ]
    for earlier, later in pairwise(filter(None, steps)):
        last = max(earlier, key=wave)
        for one in later:
            if wave(one) <= wave(last):
                yield f"{label(one)}: isn't in a later wave than {label(last)}"


def hooks(objects: list[Object]) -> Iterator[str]:
    """A Job is a hook that the next sync deletes: its template can't be changed."""
    for one in of_kind(objects, "Job"):
        if annotation(one, "hook") not in ("Sync", "PostSync"):
            # At the first sync, the objects that it needs don't exist yet in PreSync.
            yield f"{label(one)}: is no hook of Sync or PostSync"
        if annotation(one, "hook-delete-policy") != "BeforeHookCreation" or "ttlSecondsAfterFinished" in one["spec"]:
            yield f"{label(one)}: must be deleted by the next sync and by nothing else"
        if not {"backoffLimit", "activeDeadlineSeconds"} <= set(one["spec"]):
            yield f"{label(one)}: may try for ever"


def data_stays(objects: list[Object]) -> Iterator[str]:
    """Argo CD never deletes objects that hold data."""
    for one in of_kind(objects, "Namespace", "StatefulSet", "PersistentVolumeClaim", "Cluster", *KAFKA_DATA):
        options = set((annotation(one, "sync-options") or "").split(","))
        if not {"Prune=false", "Delete=false"} <= options:
            yield f"{label(one)}: may be pruned or deleted"
    for one in of_kind(objects, "StatefulSet"):
        if one["spec"].get("persistentVolumeClaimRetentionPolicy") != {"whenDeleted": "Retain", "whenScaled": "Retain"}:
            yield f"{label(one)}: its volumes may go with it"


def pinned(objects: list[Object]) -> Iterator[str]:
    """Images are pinned by digest. For production."""
    for one, template in pods(objects):
        for container in containers(template):
            if not DIGEST.fullmatch(container["image"]):
                yield f"{label(one)}: image {container['image']} isn't pinned by digest"


ALWAYS: tuple[Check, ...] = (
    identity,
    references,
    mounts,
    secrets,
    cluster_secrets,
    secret_modes,
    selectors,
    services,
    policy_ports,
    monitors,
    pod_monitors,
    backends,
    gateways,
    reachable,
    scaling,
    connections,
    pod_security,
    enforced,
    resources,
    quantities,
    probes,
    rollout,
    waves,
    hooks,
    data_stays,
    *KAFKA_CHECKS,
)


def problems(objects: list[Object], *checks: Check) -> list[str]:
    """The problems that these checks find, or those of ALWAYS if none are given."""
    return [problem for check in checks or ALWAYS for problem in check(objects)]
