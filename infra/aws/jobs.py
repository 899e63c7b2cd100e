"""Tasks that run and end: `maintain` every hour, and `manage`, which is any command of `tracker` that asks the query service."""

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_logs as logs
from constructs import Construct
from data_stack import DataStack
from database import OWNER
from deployment import Deployment
from network import allow
from tasks import Variables, make_task

from services import COLLECTOR_URL, PORTS, QUERY_URL, Services


class Jobs(Construct):
    """`maintain` and `manage`."""

    def __init__(self, scope: Construct, deployment: Deployment, data: DataStack, services: Services) -> None:
        super().__init__(scope, "Jobs")
        self._add_maintain(deployment, data)
        self._add_manage(deployment, data, services)

    def _add_maintain(self, deployment: Deployment, data: DataStack) -> None:
        # It takes up to 640 MiB, and 2 GiB of disk, of which Fargate gives 20.
        task = make_task(
            self, "Maintain", deployment, app="tracker", cpu=256, memory=1024,
            command=["maintain", *([f"--keep={deployment.keep}"] if deployment.keep else [])],
            variables=data.database.variables(OWNER),
        )  # fmt: skip
        events.Rule(
            self, "EveryHour",
            rule_name="event-tracker-maintain",
            description="Event Tracker: tracker maintain",
            schedule=events.Schedule.cron(minute="20"),
            targets=[
                targets.EcsTask(
                    cluster=data.cluster, task_definition=task, subnet_selection=data.network.tasks,
                    security_groups=[data.job_group],
                    assign_public_ip=data.network.assigns_public_addresses,
                    retry_attempts=2, max_event_age=cdk.Duration.minutes(30),
                )
            ],
        )  # fmt: skip

    def _add_manage(self, deployment: Deployment, data: DataStack, services: Services) -> None:
        # What it prints may be a write key, or a password for one sign-in.
        make_task(
            self, "Manage", deployment, app="tracker", cpu=256, memory=512, command=["--help"],
            retention=logs.RetentionDays.ONE_DAY,
            variables=Variables(
                {"QUERY_URL": QUERY_URL, "COLLECTOR_URL": COLLECTOR_URL},
                {"API_TOKEN": ecs.Secret.from_secrets_manager(data.access, "admin_token")},
            ),
        )  # fmt: skip
        group = data.network.task_group(self, "ManageGroup", "Tasks of manage")
        allow(group, services.groups["query"], PORTS["query"], "from manage")
        cdk.CfnOutput(cdk.Stack.of(self), "ManageGroups", value=group.security_group_id)
