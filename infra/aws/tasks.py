"""Task definitions: each with an image by digest, a log group of its own, and only the rights that it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from constructs import Construct
from deployment import Deployment
from registry import repository_name

USER = "10001:10001"

STOP_SECONDS = 45
"""From SIGTERM to SIGKILL: DRAIN_SECONDS (3), then up to 15 for requests under way, and a margin."""


@dataclass(frozen=True)
class Variables:
    """What a container gets: plain variables, and those that ECS fills with secrets."""

    environment: Mapping[str, str]
    secrets: Mapping[str, ecs.Secret]

    def __or__(self, other: "Variables") -> "Variables":
        return Variables({**self.environment, **other.environment}, {**self.secrets, **other.secrets})


def make_task(
    scope: Construct,
    name: str,
    deployment: Deployment,
    *,
    app: str,
    cpu: int,
    memory: int,
    variables: Variables,
    command: Sequence[str] | None = None,
    ports: Sequence[int] = (),
    retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
) -> ecs.FargateTaskDefinition:
    """A task of one container.

    The image's files belong to root and the process is none, so it writes to /tmp and /cache only. A read-only root isn't possible:
    Fargate has no tmpfs, and its empty volumes belong to root.

    Args:
        app: whose image it is.
        cpu: units; 1024 are one core.
        memory: MiB.
    """
    task = ecs.FargateTaskDefinition(
        scope, name,
        family=f"event-tracker-{name.lower()}",
        cpu=cpu,
        memory_limit_mib=memory,
        runtime_platform=ecs.RuntimePlatform(
            operating_system_family=ecs.OperatingSystemFamily.LINUX,
            cpu_architecture=ecs.CpuArchitecture.of(deployment.architecture),
        ),
    )  # fmt: skip
    repository = ecr.Repository.from_repository_name(scope, f"{name}Repository", repository_name(app))
    task.add_container(
        name.lower(),
        image=ecs.ContainerImage.from_ecr_repository(repository, deployment.images[app]),
        command=list(command) if command else None,
        user=USER,
        environment=dict(variables.environment),
        secrets=dict(variables.secrets),
        logging=ecs.LogDrivers.aws_logs(stream_prefix="task", log_group=_make_log_group(scope, name, retention)),
        port_mappings=[ecs.PortMapping(container_port=port) for port in ports],
        stop_timeout=cdk.Duration.seconds(STOP_SECONDS),
    )
    return task


def _make_log_group(scope: Construct, name: str, retention: logs.RetentionDays) -> logs.LogGroup:
    return logs.LogGroup(
        scope, f"{name}Log",
        log_group_name=f"/event-tracker/{name.lower()}",
        retention=retention,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )  # fmt: skip
