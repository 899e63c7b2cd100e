"""The registry: one repository for each image. It comes first, since the others name digests that are in it."""

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from constructs import Construct
from deployment import APPS, Deployment


def repository_name(app: str) -> str:
    """The name of an app's repository."""
    return f"event-tracker/{app}"


class RegistryStack(cdk.Stack):
    """Repositories whose tags can't be moved, and whose images are scanned when they arrive."""

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        env = cdk.Environment(account=deployment.account, region=deployment.region)
        super().__init__(
            scope, "EventTrackerRegistry", env=env, description="Event Tracker: repositories of its images"
        )
        for app in APPS:
            ecr.Repository(
                self, app.capitalize(),
                repository_name=repository_name(app),
                image_tag_mutability=ecr.TagMutability.IMMUTABLE,
                image_scan_on_push=True,
                encryption=ecr.RepositoryEncryption.AES_256,
                # What isn't tagged any more is of old pushes; releases are tagged.
                lifecycle_rules=[ecr.LifecycleRule(tag_status=ecr.TagStatus.UNTAGGED, max_image_age=cdk.Duration.days(30))],
                removal_policy=cdk.RemovalPolicy.RETAIN,
            )  # fmt: skip
