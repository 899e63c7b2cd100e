"""Event Tracker on AWS: python app.py writes cdk.out for the deployment that DEPLOYMENT names (deployment.json)."""

import os
import sys
from pathlib import Path

import aws_cdk as cdk
from alarms import Alarms
from balancer import Balancer
from cdk_nag import AwsSolutionsChecks
from constructs import Construct
from data_stack import DataStack
from deployment import Deployment, InvalidDeploymentError
from edge import EdgeStack
from jobs import Jobs
from nag_exceptions import acknowledge
from registry import RegistryStack

from services import Services

FOLDER = Path(__file__).parent


class ServicesStack(cdk.Stack):
    """The stack of what runs: load balancer, services, jobs, alarms. It can be made again from nothing."""

    def __init__(self, scope: Construct, deployment: Deployment, data: DataStack) -> None:
        env = cdk.Environment(account=deployment.account, region=deployment.region)
        super().__init__(scope, "EventTracker", env=env, description="Event Tracker: services, load balancer, alarms")
        self.balancer = Balancer(self, deployment, data)
        services = Services(self, deployment, data, self.balancer)
        Jobs(self, deployment, data, services)
        Alarms(self, deployment, data, self.balancer, services.targets)
        cdk.CfnOutput(self, "BalancerName", value=self.balancer.balancer.load_balancer_dns_name)


def make_app(deployment: Deployment, outdir: str) -> cdk.App:
    """The application with all its stacks, to be written to a folder, and checked by cdk-nag then."""
    app = cdk.App(outdir=outdir, analytics_reporting=False)
    RegistryStack(app, deployment)
    data = DataStack(app, deployment)
    ServicesStack(app, deployment, data)
    if deployment.distribution != "none":
        EdgeStack(app, deployment)
    cdk.Tags.of(app).add("application", "event-tracker")
    acknowledge(app, deployment)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


if __name__ == "__main__":
    file = Path(os.environ.get("DEPLOYMENT") or FOLDER / "deployment.json")
    try:
        chosen = Deployment.read(file)
    except InvalidDeploymentError as error:
        sys.exit(f"{file} isn't a deployment (infra/aws/deployment.example.json is one):\n{error}")
    make_app(chosen, os.environ.get("CDK_OUTDIR") or str(FOLDER / "cdk.out")).synth()
