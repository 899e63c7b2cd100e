"""CloudFront: a distribution in front of the load balancer, and standard logging v2 of it, or of one that is there already.

The API of vended logs for CloudFront is in us-east-1 only, and so is this stack. The bucket is where everything else is.
"""

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_logs as logs
from constructs import Construct
from deployment import SERVICES, Deployment

RECORD_FIELDS = [
    "date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status", "cs(Referer)",
    "cs(User-Agent)", "cs-uri-query", "x-edge-result-type", "x-edge-request-id", "x-host-header", "cs-protocol", "cs-bytes",
    "time-taken", "x-edge-response-result-type", "cs-protocol-version", "time-to-first-byte", "x-edge-detailed-result-type",
    "sc-content-type", "sc-content-len", "sc-range-start", "sc-range-end", "c-country",
]  # fmt: skip
"""What a line says: what the reader needs. No cookies: they may name people."""


class EdgeStack(cdk.Stack):
    """A distribution, unless there is one, and the delivery of its logs to the bucket."""

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        env = cdk.Environment(account=deployment.account, region="us-east-1")
        super().__init__(scope, "EventTrackerEdge", env=env, description="Event Tracker: CloudFront and its logs")
        distribution = deployment.distribution
        if distribution == "create":
            made = self._make_distribution(deployment)
            distribution = made.distribution_id
            cdk.CfnOutput(self, "DistributionName", value=made.distribution_domain_name)
        source = logs.CfnDeliverySource(
            self, "Source", name="event-tracker-cloudfront", log_type="ACCESS_LOGS",
            resource_arn=f"arn:aws:cloudfront::{deployment.account}:distribution/{distribution}",
        )  # fmt: skip
        destination = logs.CfnDeliveryDestination(
            self, "Destination", name="event-tracker-bucket", output_format="json",
            destination_resource_arn=f"arn:aws:s3:::{deployment.log_bucket}",
        )  # fmt: skip
        delivery = logs.CfnDelivery(
            self, "Delivery",
            delivery_source_name=source.name,
            delivery_destination_arn=destination.attr_arn,
            record_fields=RECORD_FIELDS,
            s3_suffix_path="{DistributionId}/{yyyy}/{MM}/{dd}/{HH}",
            s3_enable_hive_compatible_path=False,
        )  # fmt: skip
        delivery.add_resource_dependency(source)

    def _make_distribution(self, deployment: Deployment) -> cloudfront.Distribution:
        """Nothing is cached: answers belong to one person, and events are sent once.

        The origin is found at `origin.` of the domain. Requests keep their own host name, which the load balancer routes by, and
        which its certificate is checked for.
        """
        return cloudfront.Distribution(
            self, "Distribution",
            comment="Event Tracker",
            domain_names=[f"{app}.{deployment.domain}" for app in SERVICES],
            certificate=acm.Certificate.from_certificate_arn(self, "Certificate", deployment.edge_certificate),
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            default_behavior=cloudfront.BehaviorOptions(
                origin=origins.HttpOrigin(
                    f"origin.{deployment.domain}",
                    protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
                    origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
                    read_timeout=cdk.Duration.seconds(60),
                ),
                allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            ),
        )  # fmt: skip
