"""Exceptions from cdk-nag: its findings that stay, each with the reason why. `tests/test_rights.py` looks at what they let through."""

from collections.abc import Iterator

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from constructs import IConstruct
from deployment import Deployment

Finding = tuple[str, str]

PLAIN_VARIABLES = (
    "Plain variables hold settings, and the certificates that everybody may know. Secrets come from Secrets Manager."
)

REGISTRY_LOGIN = (
    "ecr:GetAuthorizationToken knows no resource. The images themselves are granted repository by repository."
)

REGION = "REGION"
"""Stands in a finding for the deployment's region: cdk-nag names the whole ARN, and two findings are one only if they are equal."""

PATHS: dict[str, list[Finding]] = {
    "EventTrackerData/Database/Instance/Resource": [
        (
            "RDS11",
            "The usual port. Nobody but named security groups reaches it, so another number would hide it from nobody.",
        ),
    ],
    "EventTrackerData/RequestLogs/Bucket/Resource": [
        ("S1", "It is the bucket of request logs. Logging who reads them there would write logs about logs."),
    ],
    "EventTracker/Balancer/Group/Resource": [
        (
            "EC23",
            "Without CloudFront in front, browsers anywhere send events here. It is the only thing that is open to all.",
        ),
    ],
    "EventTracker/Services/Log-reader/TaskRole/DefaultPolicy/Resource": [
        (
            "IAM5[Resource::EventTrackerData:ExportsOutputFnGetAttRequestLogsBucket5E7DF68CArn4A311714/AWSLogs/*]",
            "It reads what CloudFront has written, whose names aren't known before; nothing else in the bucket.",
        ),
    ],
    "EventTracker/Jobs/Maintain/EventsRole/DefaultPolicy/Resource": [
        (
            "IAM5[Resource::arn:<AWS::Partition>:ecs:REGION:*:task/EventTrackerData:ExportsOutputRefClusterEB0386A796A0E3FE/*]",
            "The rule tags the tasks that it starts, whose ids aren't known before; only in this cluster.",
        ),
    ],
}

CHANGED_BY_HAND = (
    "Services read it at their start and `tracker migrate` sets it in the database: it is changed by hand, in that order (docs/aws.md). "
    "The owner's password, which may do more, is changed by RDS every seven days."
)

EDGE: dict[str, list[Finding]] = {
    "EventTrackerEdge/Distribution/Resource": [
        ("CFR1", "Visitors of pages are anywhere."),
        (
            "CFR2",
            "A web ACL costs by the request. Sources have rate limits and allowed origins of their own (docs/management.md).",
        ),
        ("CFR3", "Standard logging v2 is on, by the delivery in this stack. The rule knows the legacy one only."),
    ],
}


def acknowledge(app: cdk.App, deployment: Deployment) -> None:
    """Tell cdk-nag what stays."""
    for construct in app.node.find_all():
        for identity, reason in _findings(construct, deployment):
            cdk.Validations.of(construct).acknowledge(
                cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{identity}", reason=reason)
            )


def _findings(construct: IConstruct, deployment: Deployment) -> Iterator[Finding]:
    path = construct.node.path
    for found, reason in [*PATHS.get(path, []), *EDGE.get(path, [])]:
        yield found.replace(REGION, deployment.region), reason
    if path == "EventTrackerData/Database/Instance/Resource" and not deployment.is_multi_az:
        yield "RDS3", "One zone is what this size is for; `multi_az` and larger sizes have a standby."
    if path.startswith("EventTrackerData/Database/") and path.endswith("Password/Resource"):
        yield "SMG4", CHANGED_BY_HAND
    if isinstance(construct, ecs.CfnTaskDefinition):
        yield "ECS2", PLAIN_VARIABLES
    if path.endswith("/ExecutionRole/DefaultPolicy/Resource"):
        yield "IAM5[Resource::*]", REGISTRY_LOGIN
