"""The stack of what must stay: network, database, request logs, and the task that brings the schema up to date.

It is deployed before the services, so that `migrate` can run in between.
"""

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct
from database import OWNER, ROLES, Database
from deployment import Deployment
from network import Network
from request_logs import RequestLogs
from tasks import Variables, make_task

LOG_SOURCE = "cloudfront"
"""The source of what the log reader sends."""


class DataStack(cdk.Stack):
    """Network, database, request logs, the cluster, and `migrate`."""

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        env = cdk.Environment(account=deployment.account, region=deployment.region)
        super().__init__(
            scope, "EventTrackerData", env=env, termination_protection=True,
            description="Event Tracker: network, database, request logs",
        )  # fmt: skip
        self.network = Network(self, deployment)
        self.database = Database(self, deployment, self.network)
        self.request_logs = RequestLogs(self, deployment)
        self.cluster = ecs.Cluster(
            self, "Cluster", cluster_name="event-tracker", vpc=self.network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )  # fmt: skip
        self.access = secretsmanager.Secret.from_secret_complete_arn(self, "Access", deployment.access_secret)
        self.job_group = self.network.task_group(self.network, "Jobs", "Tasks that run once")
        self.network.allow_to_database(self, self.job_group, "Jobs")
        passwords = {
            f"{role.upper()}_PASSWORD": ecs.Secret.from_secrets_manager(self.database.role_secrets[role])
            for role in ROLES
        }
        passwords["ADMIN_TOKEN"] = ecs.Secret.from_secrets_manager(self.access, "admin_token")
        passwords["WRITE_KEY"] = ecs.Secret.from_secrets_manager(self.access, "write_key")
        self.migrate = make_task(
            self, "Migrate", deployment, app="tracker", cpu=256, memory=512, command=["migrate"],
            variables=self.database.variables(OWNER) | Variables({"WRITE_KEY_SOURCE": LOG_SOURCE}, passwords),
        )  # fmt: skip
        subnets = self.network.vpc.select_subnets(
            subnet_type=self.network.tasks.subnet_type, subnet_group_name=self.network.tasks.subnet_group_name
        ).subnet_ids
        # What infra/aws/run-task needs.
        for name, value in {
            "Subnets": ",".join(subnets),
            "JobGroups": self.job_group.security_group_id,
            "PublicAddress": "ENABLED" if self.network.assigns_public_addresses else "DISABLED",
        }.items():
            cdk.CfnOutput(self, name, value=value)
