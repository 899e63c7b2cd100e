"""How tests look at templates."""

import json
from collections.abc import Iterator
from typing import Any

Resource = dict[str, Any]


def resources(templates: dict[str, Any], *kinds: str) -> Iterator[tuple[str, Resource]]:
    """Name and properties of all resources of these kinds, without `AWS::`."""
    for template in templates.values():
        for name, resource in template["Resources"].items():
            if not kinds or resource["Type"].removeprefix("AWS::") in kinds:
                yield name, resource.get("Properties", {})


def whole(templates: dict[str, Any], kind: str) -> Iterator[tuple[str, Resource]]:
    """Name and whole definition, with DeletionPolicy, of all resources of a kind."""
    for template in templates.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] == f"AWS::{kind}":
                yield name, resource


def only(templates: dict[str, Any], kind: str) -> Resource:
    """The properties of the one resource of a kind."""
    ((_, properties),) = resources(templates, kind)
    return properties


def flat(value: Any) -> str:
    """A value as text: what is joined at deployment is put together, references stay as their JSON."""
    if isinstance(value, dict) and set(value) == {"Fn::Join"}:
        separator, parts = value["Fn::Join"]
        return str(separator).join(flat(part) for part in parts)
    return value if isinstance(value, str) else json.dumps(value)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def containers(templates: dict[str, Any]) -> Iterator[tuple[str, Resource]]:
    """Name and definition of each container."""
    for _, task in resources(templates, "ECS::TaskDefinition"):
        for container in task["ContainerDefinitions"]:
            yield container["Name"], container


def statements(templates: dict[str, Any], *kinds: str) -> Iterator[tuple[str, Resource]]:
    """Each statement that allows something, of policies of roles, or of these kinds of resources."""
    for name, properties in resources(templates, *(kinds or ("IAM::Policy", "IAM::Role", "IAM::ManagedPolicy"))):
        documents = [properties.get(key) for key in ("PolicyDocument", "KeyPolicy", "RepositoryPolicyText")]
        documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        for document in filter(None, documents):
            for statement in document["Statement"]:
                if statement["Effect"] == "Allow":
                    yield name, statement
