"""The network: where tasks and the database are, and what they reach.

Only the load balancer has an address that the internet can reach, unless `egress` is `public`. How tasks reach AWS's own services
is a choice between cost and safety (docs/aws.md has the prices):

- `endpoints`: tasks have no way out at all, to nobody but the AWS services that they need. The default.
- `nat`: tasks reach the internet through a NAT gateway, for sign-in by a provider (OIDC).
- `public`: tasks have public addresses, and security groups that let nobody but the load balancer in. The cheapest.
"""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct
from deployment import Deployment

ADDRESSES = "10.0.0.0/16"

DATABASE_PORT = 5432


class Network(Construct):
    """A VPC in two zones, with a flow log of what was refused.

    Attributes:
        tasks: the subnets of tasks.
        database: the database's security group. It lets in the tasks that `allow_to_database` was called for.
    """

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        super().__init__(scope, "Network")
        self.assigns_public_addresses = deployment.egress == "public"
        self.vpc = ec2.Vpc(
            self, "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(ADDRESSES),
            # Named, not looked up: a template is then the same wherever it is made.
            availability_zones=[f"{deployment.region}{letter}" for letter in deployment.zones],
            nat_gateways=deployment.capacity.endpoint_zones if deployment.egress == "nat" else 0,
            subnet_configuration=_subnets(deployment.egress),
            restrict_default_security_group=False,  # it would be done by a Lambda function; nothing uses that group
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
            flow_logs={
                "Refused": ec2.FlowLogOptions(
                    traffic_type=ec2.FlowLogTrafficType.REJECT,
                    destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                        logs.LogGroup(self, "RefusedTraffic", retention=logs.RetentionDays.TWO_WEEKS)
                    ),
                )
            },
        )  # fmt: skip
        self.tasks = (
            ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
            if self.assigns_public_addresses
            else ec2.SubnetSelection(subnet_group_name="Tasks")
        )
        self.database = self.security_group("Database", "The database")
        if deployment.egress == "endpoints":
            self._add_endpoints(deployment)

    def security_group(self, name: str, description: str) -> ec2.SecurityGroup:
        """A security group that lets nothing in and nothing out."""
        return ec2.SecurityGroup(self, name, vpc=self.vpc, description=description, allow_all_outbound=False)

    def task_group(self, scope: Construct, name: str, description: str) -> ec2.SecurityGroup:
        """A security group of tasks. It lets nothing in, and out to port 443 only: what is reached there is up to `egress`."""
        group = ec2.SecurityGroup(scope, name, vpc=self.vpc, description=description, allow_all_outbound=False)
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "to services of AWS: images, logs, secrets")
        return group

    def allow_to_database(self, scope: Construct, client: ec2.SecurityGroup, name: str) -> None:
        """Allow tasks of a security group to connect to the database. The rule belongs to the scope's stack, which may be another."""
        database = ec2.SecurityGroup.from_security_group_id(scope, f"{name}ToDatabase", self.database.security_group_id)
        allow(client, database, DATABASE_PORT, f"{name} to the database")

    def _add_endpoints(self, deployment: Deployment) -> None:
        service = ec2.InterfaceVpcEndpointAwsService
        wanted = {
            "Images": service.ECR, "ImageLayers": service.ECR_DOCKER, "Logs": service.CLOUDWATCH_LOGS,
            "Secrets": service.SECRETS_MANAGER,
        }  # fmt: skip
        if deployment.log_reader:
            wanted["Queue"] = service.SQS
        group = self.security_group("Endpoints", "Endpoints of AWS services")
        group.add_ingress_rule(ec2.Peer.ipv4(ADDRESSES), ec2.Port.tcp(443), "from the VPC")
        zones = self.vpc.availability_zones[: deployment.capacity.endpoint_zones]
        for name, endpoint in wanted.items():
            self.vpc.add_interface_endpoint(
                name, service=endpoint, security_groups=[group], open=False,
                subnets=ec2.SubnetSelection(subnet_group_name="Tasks", availability_zones=zones),
            )  # fmt: skip


def allow(client: ec2.ISecurityGroup, server: ec2.ISecurityGroup, port: int, why: str) -> None:
    """Allow what is in one security group to connect to a port of what is in another."""
    server.add_ingress_rule(client, ec2.Port.tcp(port), why)
    client.add_egress_rule(server, ec2.Port.tcp(port), why)


def _subnets(egress: str) -> list[ec2.SubnetConfiguration]:
    public = ec2.SubnetConfiguration(
        name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
    )
    database = ec2.SubnetConfiguration(name="Database", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24)
    kinds = {"endpoints": ec2.SubnetType.PRIVATE_ISOLATED, "nat": ec2.SubnetType.PRIVATE_WITH_EGRESS}
    if egress not in kinds:
        return [public, database]
    return [public, database, ec2.SubnetConfiguration(name="Tasks", subnet_type=kinds[egress], cidr_mask=22)]
