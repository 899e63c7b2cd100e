"""The services: collector, query, dashboard and, with `log_reader`, the reader of request logs (`tracker s3`)."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_servicediscovery as discovery
from balancer import Balancer
from constructs import Construct
from data_stack import DataStack
from deployment import Deployment
from network import allow
from request_logs import CLOUDFRONT_PREFIX
from tasks import Variables, make_task

NAMESPACE = "event-tracker.internal"

HEALTH_PORT = 8090

PORTS = {"collector": 8000, "query": 8001, "dashboard": 8501}

COLLECTOR_URL = f"http://collector.{NAMESPACE}:{PORTS['collector']}"
QUERY_URL = f"http://query.{NAMESPACE}:{PORTS['query']}"


class Services(Construct):
    """What runs all the time.

    Attributes:
        groups: each service's security group, by app.
        services: each service, by app.
        targets: the target group of each that the load balancer forwards to, by app.
    """

    def __init__(self, scope: Construct, deployment: Deployment, data: DataStack, balancer: Balancer) -> None:
        super().__init__(scope, "Services")
        self._deployment, self._data, self._balancer = deployment, data, balancer
        self.groups: dict[str, ec2.SecurityGroup] = {}
        self.services: dict[str, ecs.FargateService] = {}
        self.targets: dict[str, elb.ApplicationTargetGroup] = {}
        # Inside the VPC services find each other by name.
        self._namespace = discovery.PrivateDnsNamespace(self, "Names", name=NAMESPACE, vpc=data.network.vpc)
        self._add_collector()
        self._add_query()
        self._add_dashboard()
        self.allow("dashboard", "query")
        if deployment.log_reader:
            self._add_log_reader()
            self.allow("log-reader", "collector")

    def allow(self, client: str, server: str) -> None:
        """Allow one service to connect to another."""
        allow(self.groups[client], self.groups[server], PORTS[server], f"from {client}")

    def _add_collector(self) -> None:
        hops = 2 if self._deployment.distribution == "create" else 1
        settings = {"TRUSTED_HOPS": str(hops), "DRAIN_SECONDS": "3", "HEALTH_PORT": str(HEALTH_PORT)}
        variables = Variables(settings, {}) | self._data.database.variables("collector")
        self._add("collector", variables, health_port=HEALTH_PORT, health_path="/readyz", uses_database=True)

    def _add_query(self) -> None:
        signing_key = secretsmanager.Secret.from_secret_complete_arn(
            self, "SigningKey", self._deployment.signing_key_secret
        )
        # Half of what is there without statements in SQL, which run beside it.
        _, _, memory = self._deployment.capacity.services["query"]
        settings = {
            "CACHE_FOLDER": "/cache",
            "ANALYTICS_MEMORY_BYTES": str(memory // 2 * 2**20),
            "DRAIN_SECONDS": "3",
            "HEALTH_PORT": str(HEALTH_PORT),
        }
        database = self._data.database
        variables = Variables(settings, {"SIGNING_KEY": ecs.Secret.from_secrets_manager(signing_key)})
        variables = variables | database.variables("query") | database.variables("control", "CONTROL_")
        self._add("query", variables, health_port=HEALTH_PORT, health_path="/readyz", uses_database=True)

    def _add_dashboard(self) -> None:
        settings = {
            "QUERY_URL": QUERY_URL,
            "COLLECTOR_URL": f"https://collector.{self._deployment.domain}",
            "HTTPS": "true",
        }
        self._add(
            "dashboard", Variables(settings, {}), health_port=PORTS["dashboard"], health_path="/_stcore/health",
            uses_database=False,
        )  # fmt: skip

    def _add(self, app: str, variables: Variables, *, health_port: int, health_path: str, uses_database: bool) -> None:
        port = PORTS[app]
        tasks, cpu, _ = self._deployment.capacity.services[app]
        memory = self._deployment.memory_of(app)
        given = {"HOST": "0.0.0.0", "PORT": str(port)}  # noqa: S104  # in a container whose security group decides who comes in
        task = make_task(
            self, app.capitalize(), self._deployment, app=app, cpu=cpu, memory=memory, ports=[port],
            variables=Variables(given, {}) | variables | Variables(self._deployment.settings.get(app, {}), {}),
        )  # fmt: skip
        service = self._run(app, task, tasks, uses_database=uses_database, is_public=True)
        target = self._balancer.forward(app, port=port, health_port=health_port, health_path=health_path)
        self.targets[app] = target
        target.add_target(service.load_balancer_target(container_name=app, container_port=port))
        if health_port != port:
            allow(self._balancer.group, self.groups[app], health_port, "health checks of the load balancer")

    def _add_log_reader(self) -> None:
        logs = self._data.request_logs
        task = make_task(
            self, "Log-reader", self._deployment, app="tracker", cpu=256, memory=512,
            command=["s3", logs.bucket.bucket_name, "--prefix", CLOUDFRONT_PREFIX, "--queue", logs.queue.queue_url],
            variables=Variables(
                # The name that boto3 reads; it doesn't read AWS_REGION.
                {"COLLECTOR_URL": COLLECTOR_URL, "AWS_DEFAULT_REGION": self._deployment.region},
                {
                    "WRITE_KEY": ecs.Secret.from_secrets_manager(self._data.access, "write_key"),
                    "VISITOR_SECRET": ecs.Secret.from_secrets_manager(self._data.access, "visitor_secret"),
                },
            ),
        )  # fmt: skip
        logs.grant_read(task.task_role)
        self._run("log-reader", task, 1, uses_database=False, is_public=False)

    def _run(
        self, app: str, task: ecs.FargateTaskDefinition, tasks: int, *, uses_database: bool, is_public: bool
    ) -> ecs.FargateService:
        network = self._data.network
        name = app.title().replace("-", "")
        group = network.task_group(self, f"{name}Group", f"Tasks of {app}")
        if uses_database:
            network.allow_to_database(self, group, name)
        names = ecs.CloudMapOptions(
            cloud_map_namespace=self._namespace, name=app, dns_record_type=discovery.DnsRecordType.A,
            dns_ttl=cdk.Duration.seconds(10),
        )  # fmt: skip
        service = ecs.FargateService(
            self, f"{name}Service",
            service_name=app,
            cluster=self._data.cluster,
            task_definition=task,
            desired_count=tasks,
            # A new task must be ready before an old one stops. Of log readers there is never a second.
            min_healthy_percent=100 if is_public else 0,
            max_healthy_percent=200 if is_public else 100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            health_check_grace_period=cdk.Duration.seconds(60) if is_public else None,
            assign_public_ip=network.assigns_public_addresses,
            vpc_subnets=network.tasks,
            security_groups=[group],
            cloud_map_options=names if is_public else None,
            enable_execute_command=False,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )  # fmt: skip
        self.groups[app], self.services[app] = group, service
        return service
