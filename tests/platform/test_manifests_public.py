"""What is let in from outside: the components `ingress` and `gateway`, and compose's Caddy, pass on what is public, and no more."""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
import requests
from manifests import Object, named, of_kind, rendered
from servers import Service
from tools import ROOT

INSIDE = {"service", "admin"}
"""Tags of operations that stay inside: health and metrics, management."""

SERVICES = ("collector", "query")
PublicPath = Callable[[str], bool]


def ingress_passes(objects: list[Object], service: str, path: str) -> bool:
    """Whether the Ingress of a service passes a path on, as ingress-nginx reads it."""
    (rule,) = named(objects, "Ingress", service)["spec"]["rules"]
    return any(
        path == each["path"]
        or (each["pathType"] == "Prefix" and path.startswith(each["path"].rstrip("/") + "/"))
        or (each["pathType"] == "ImplementationSpecific" and path.startswith(each["path"]))
        for each in rule["http"]["paths"]
    )


def gateway_passes(objects: list[Object], service: str, path: str) -> bool:
    """Whether the HTTPRoute of a service passes a path on, as Gateway API defines the kinds of match."""
    (rule,) = named(objects, "HTTPRoute", service)["spec"]["rules"]
    return any(
        path == match["value"]
        or (match["type"] == "PathPrefix" and path.startswith(match["value"].rstrip("/") + "/"))
        or (match["type"] == "RegularExpression" and re.fullmatch(match["value"], path) is not None)
        for match in [each["path"] for each in rule["matches"]]
    )


def caddy_passes(_: list[Object], service: str, path: str) -> bool:
    """Whether compose's Caddy passes a path on to a service."""
    text = (ROOT / "infra/caddy/Caddyfile").read_text()
    (patterns,) = re.findall(rf"^{service}\..*?@public path (.*?)$", text, re.MULTILINE | re.DOTALL)
    return any(fnmatchcase(path, pattern) for pattern in patterns.split())


PASSES = {"ingress": ingress_passes, "gateway": gateway_passes, "caddy": caddy_passes}


def objects_of(component: str) -> list[Object]:
    """The manifests of base and a component; none for Caddy."""
    return [] if component == "caddy" else rendered(f"base and {component}")


@pytest.mark.parametrize("component", PASSES)
@pytest.mark.parametrize("name", SERVICES)
def test_what_is_public_passes_and_management_health_and_metrics_stay_inside(
    request: pytest.FixtureRequest, name: str, component: str
) -> None:
    service: Service = request.getfixturevalue(name)
    objects = objects_of(component)
    for path, operations in requests.get(f"{service.url}/openapi.json", timeout=30).json()["paths"].items():
        real = path.replace("{version}", "0123abcd").replace("{user_id}", "ann")
        is_public = not any(INSIDE.intersection(operation.get("tags", [])) for operation in operations.values())
        assert PASSES[component](objects, name, real) == is_public, path


@pytest.mark.parametrize("component", PASSES)
@pytest.mark.parametrize("path", ["/metrics", "/admin/sources", "/debug", "/events.json", "/userx"])
@pytest.mark.parametrize("name", SERVICES)
def test_other_paths_stay_inside(name: str, path: str, component: str) -> None:
    assert not PASSES[component](objects_of(component), name, path)


def test_nothing_but_a_redirect_answers_without_tls() -> None:
    routes = of_kind(rendered("base and gateway"), "HTTPRoute")
    plain = [route for route in routes if route["spec"]["parentRefs"][0].get("sectionName") != "https"]
    assert [route["metadata"]["name"] for route in plain] == ["redirect-to-https"]
    assert "backendRefs" not in str(plain)


def ingress_backend(objects: list[Object], path: str) -> str:
    """The service to which the dashboard's Ingress passes a path on: of the longest path that matches."""
    (rule,) = named(objects, "Ingress", "dashboard")["spec"]["rules"]
    matching = [
        each
        for each in rule["http"]["paths"]
        if path == each["path"] or (each["pathType"] == "Prefix" and path.startswith(each["path"].rstrip("/") + "/"))
    ]
    return str(max(matching, key=lambda each: len(each["path"]))["backend"]["service"]["name"])


def gateway_backend(objects: list[Object], path: str) -> str:
    """The same of the dashboard's HTTPRoute."""
    rules = named(objects, "HTTPRoute", "dashboard")["spec"]["rules"]
    matching = [
        (len(match["path"]["value"]), rule["backendRefs"][0]["name"])
        for rule in rules
        for match in rule["matches"]
        if path == match["path"]["value"]
        or (match["path"]["type"] == "PathPrefix" and path.startswith(match["path"]["value"].rstrip("/") + "/"))
    ]
    return str(max(matching)[1])


def caddy_backend(_: list[Object], path: str) -> str:
    """The same of compose's Caddy."""
    text = (ROOT / "infra/caddy/Caddyfile").read_text()
    (patterns,) = re.findall(r"^dashboard\..*?@inside path (.*?)$", text, re.MULTILINE | re.DOTALL)
    return "nobody" if any(fnmatchcase(path, pattern) for pattern in patterns.split()) else "dashboard"


BACKENDS = {"ingress": ingress_backend, "gateway": gateway_backend, "caddy": caddy_backend}


@pytest.mark.parametrize("component", BACKENDS)
def test_the_dashboards_numbers_and_uploads_stay_inside(component: str) -> None:
    objects = objects_of(component)
    for path in ("/", "/users", "/_stcore/stream", "/_stcore/health"):
        assert BACKENDS[component](objects, path) == "dashboard"
    for path in ("/_stcore/metrics", "/_stcore/upload_file/session/file"):
        assert BACKENDS[component](objects, path) != "dashboard"
