"""Each task has only the rights and the secrets that it needs."""

from collections.abc import Iterator

import pytest
from templates import as_list, containers, flat, resources, statements

KNOWN_WILDCARDS = {
    "ecr:GetAuthorizationToken": "*",  # it knows no resource
    "ecs:TagResource": ":task/",  # tasks that `maintain`'s rule starts, in this cluster
    "s3:GetObject": "/AWSLogs/*",  # the log reader: what CloudFront has written
}
"""Actions that may be allowed on a resource with a `*`, and what stands in it."""


def find_wildcards(templates) -> Iterator[str]:
    """Rights on more than is named."""
    for name, statement in statements(templates):
        if "NotAction" in statement or "NotResource" in statement:
            yield f"{name}: all but some"
            continue
        for action in as_list(statement["Action"]):
            if "*" in action:
                yield f"{name}: {action}"
            for resource in map(flat, as_list(statement.get("Resource", []))):
                if "*" in resource and KNOWN_WILDCARDS.get(action, "nothing") not in resource:
                    yield f"{name}: {action} on {resource}"
    for name, role in resources(templates, "IAM::Role"):
        if role.get("ManagedPolicyArns"):
            yield f"{name}: a policy that AWS keeps"


def find_tags(templates) -> Iterator[str]:
    """Images that aren't named by their digest."""
    for name, container in containers(templates):
        _, _, digest = flat(container["Image"]).partition("@sha256:")
        if len(digest) != 64:
            yield name


def secrets_of(templates):
    """Container → variable → the resource, or the ARN, that the secret comes from."""
    return {
        name: {one["Name"]: flat(one["ValueFrom"]) for one in container.get("Secrets", [])}
        for name, container in containers(templates)
    }


def test_no_rights_on_more_than_is_named(templates):
    assert list(find_wildcards(templates)) == []


def test_images_are_named_by_digest(templates):
    assert list(find_tags(templates)) == []
    assert len(list(containers(templates))) >= 6


def test_each_task_has_its_own_secrets(larger):
    roles = ["COLLECTOR_PASSWORD", "QUERY_PASSWORD", "CONTROL_PASSWORD"]
    found = secrets_of(larger)
    assert {name: sorted(secrets) for name, secrets in found.items()} == {
        "collector": ["DATABASE_PASSWORD"],
        "query": ["CONTROL_DATABASE_PASSWORD", "DATABASE_PASSWORD", "SIGNING_KEY"],
        "dashboard": [],
        "log-reader": ["VISITOR_SECRET", "WRITE_KEY"],
        "migrate": sorted(["ADMIN_TOKEN", "DATABASE_PASSWORD", "WRITE_KEY", *roles]),
        "maintain": ["DATABASE_PASSWORD"],
        "manage": ["API_TOKEN"],
    }
    for name, role in (("collector", "Collector"), ("query", "Query")):
        assert f"Database{role}Password" in found[name]["DATABASE_PASSWORD"]
    assert "DatabaseControlPassword" in found["query"]["CONTROL_DATABASE_PASSWORD"]
    for name in ("migrate", "maintain"):
        assert "MasterUserSecret" in found[name]["DATABASE_PASSWORD"]


def test_no_secret_is_a_plain_variable(templates):
    for name, container in containers(templates):
        plain = {one["Name"] for one in container["Environment"]}
        assert not [one for one in plain if one.endswith(("PASSWORD", "SECRET", "TOKEN", "KEY"))], name
        assert "resolve:secretsmanager" not in str(container)


def test_only_the_log_reader_may_do_more_than_start(larger):
    """Task roles: what the program itself may do. All others may do nothing."""
    allowed = {}
    for _, policy in resources(larger, "IAM::Policy"):
        roles = [role["Ref"] for role in policy["Roles"] if "TaskRole" in role["Ref"]]
        if roles:
            actions = [action for one in policy["PolicyDocument"]["Statement"] for action in as_list(one["Action"])]
            allowed[roles[0]] = sorted(actions)
    ((role, actions),) = allowed.items()
    assert role.startswith("ServicesLogreader")
    assert actions == [
        "s3:GetObject", "s3:ListBucket", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl", "sqs:ReceiveMessage",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"Action": "s3:*"},
        {"Action": "s3:GetObject", "Resource": "*"},
        {"Action": ["ecr:GetAuthorizationToken", "ecr:BatchGetImage"], "Resource": "*"},
        {"NotAction": "iam:PassRole"},
    ],
)
def test_a_wildcard_is_found(small, change):
    _, statement = next(statements(small, "IAM::Policy"))
    statement.clear()
    statement.update({"Effect": "Allow", "Resource": "arn:x", **change})
    assert len(list(find_wildcards(small))) == 1


def test_a_tag_is_found(small):
    _, container = next(containers(small))
    container["Image"] = "somewhere/collector:latest"
    assert len(list(find_tags(small))) == 1
