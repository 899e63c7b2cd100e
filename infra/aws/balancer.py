"""The load balancer: the only thing that the internet reaches. It knows the public paths, and answers 404 to all others.

They are those of infra/caddy/Caddyfile and k8s/components/gateway: management, health and metrics stay inside.
"""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct
from data_stack import DataStack
from deployment import Deployment
from request_logs import BALANCER_PREFIX

PUBLIC_PATHS = {
    "collector": [
        "/events", "/tracker.js", "/tracker-*.js",
        "/v1/*", "/sourceConfig", "/sourceConfig/", "/beacon/v1/batch", "/beacon/v1/batch/",
        "/batch", "/batch/", "/capture", "/capture/", "/i/v0/e", "/i/v0/e/",
        "/2/httpapi", "/2/httpapi/", "/com.snowplowanalytics.snowplow/tp2", "/com.snowplowanalytics.snowplow/tp2/",
        "/import", "/import/", "/track", "/track/",
        "/cloudevents", "/cloudevents/",
    ],
    "query": [
        "/events", "/events/*", "/stats/*", "/users", "/users/*", "/user", "/user/*", "/sources", "/sql", "/sql/*",
        "/auth/*", "/.well-known/jwks.json",
    ],
    "dashboard": ["/*"],
}  # fmt: skip

INSIDE_PATHS = {"dashboard": ["/_stcore/metrics", "/_stcore/upload_file/*"]}

VALUES_A_RULE = 5
"""Most values in the conditions of one rule. One is the host."""

DRAIN_SECONDS = 30
"""How long requests under way may take after a task has left. ECS sends SIGTERM after that."""


class Balancer(Construct):
    """The load balancer, with TLS. Behind CloudFront nobody else reaches it."""

    def __init__(self, scope: Construct, deployment: Deployment, data: DataStack) -> None:
        super().__init__(scope, "Balancer")
        self._domain = deployment.domain
        self._priority = 0
        self._vpc = data.network.vpc
        self.group = ec2.SecurityGroup(
            self, "Group", vpc=self._vpc, description="The load balancer", allow_all_outbound=False
        )
        self.balancer = elb.ApplicationLoadBalancer(
            self, "Balancer",
            vpc=self._vpc,
            internet_facing=True,
            security_group=self.group,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="Public"),
            drop_invalid_header_fields=True,
            deletion_protection=True,
            # Less than KEEPALIVE_SECONDS (75): it must be the balancer that hangs up, not a service while a request is on its way.
            idle_timeout=cdk.Duration.seconds(60),
        )  # fmt: skip
        self.balancer.log_access_logs(data.request_logs.bucket, BALANCER_PREFIX)
        behind_cloudfront = deployment.distribution == "create"
        peer = ec2.Peer.prefix_list(deployment.cloudfront_prefix_list) if behind_cloudfront else ec2.Peer.any_ipv4()
        self.group.add_ingress_rule(
            peer, ec2.Port.tcp(443), "HTTPS from CloudFront" if behind_cloudfront else "HTTPS from anybody"
        )
        self.listener = self.balancer.add_listener(
            "Https", port=443, open=False,
            certificates=[elb.ListenerCertificate.from_arn(deployment.certificate)],
            ssl_policy=elb.SslPolicy.TLS13_RES,
            default_action=elb.ListenerAction.fixed_response(404),
        )  # fmt: skip
        if not behind_cloudfront:
            self.group.add_ingress_rule(peer, ec2.Port.tcp(80), "HTTP from anybody, redirected to HTTPS")
            self.balancer.add_redirect(open=False)

    def forward(self, app: str, *, port: int, health_port: int, health_path: str) -> elb.ApplicationTargetGroup:
        """Forward an app's public paths at its host name to a new target group."""
        target = elb.ApplicationTargetGroup(
            self, app.capitalize(),
            vpc=self._vpc,
            port=port,
            protocol=elb.ApplicationProtocol.HTTP,
            target_type=elb.TargetType.IP,
            deregistration_delay=cdk.Duration.seconds(DRAIN_SECONDS),
            # A visitor stays with one dashboard, which has their access token.
            stickiness_cookie_duration=cdk.Duration.hours(12) if app == "dashboard" else None,
            health_check=elb.HealthCheck(
                path=health_path, port=str(health_port), healthy_http_codes="200",
                interval=cdk.Duration.seconds(10), timeout=cdk.Duration.seconds(5),
                healthy_threshold_count=2, unhealthy_threshold_count=3,
            ),
        )  # fmt: skip
        for paths in _groups(INSIDE_PATHS.get(app, [])):
            self._add_rule(app, paths, elb.ListenerAction.fixed_response(404))
        for paths in _groups(PUBLIC_PATHS[app]):
            self._add_rule(app, paths, elb.ListenerAction.forward([target]))
        return target

    def _add_rule(self, app: str, paths: list[str], action: elb.ListenerAction) -> None:
        self._priority += 10
        host = elb.ListenerCondition.host_headers([f"{app}.{self._domain}"])
        elb.ApplicationListenerRule(
            self, f"Rule{self._priority}", listener=self.listener, priority=self._priority, action=action,
            conditions=[host, elb.ListenerCondition.path_patterns(paths)],
        )  # fmt: skip


def _groups(paths: list[str]) -> list[list[str]]:
    size = VALUES_A_RULE - 1
    return [paths[start : start + size] for start in range(0, len(paths), size)]
