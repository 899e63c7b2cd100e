"""Request logs: the bucket that CloudFront and the load balancer write to, and the queue that says what has come.

The queue is a hint: a reader of the logs lists the bucket, too. Lines have visitors' addresses, so they are deleted after `log_days`.
"""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct
from deployment import Deployment

CLOUDFRONT_PREFIX = "AWSLogs/"
"""Where standard logging v2 writes: AWSLogs/ACCOUNT/CloudFront/."""

BALANCER_PREFIX = "balancer"

MAX_RECEIVES = 5
"""After so many attempts a message goes to the dead letters."""


class RequestLogs(Construct):
    """The bucket, the queue of what CloudFront has put there, and the queue of dead letters."""

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        super().__init__(scope, "RequestLogs")
        self.dead_letters = sqs.Queue(
            self, "DeadLetters", encryption=sqs.QueueEncryption.SQS_MANAGED, enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )  # fmt: skip
        self.queue = sqs.Queue(
            self, "Queue", encryption=sqs.QueueEncryption.SQS_MANAGED, enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
            visibility_timeout=cdk.Duration.minutes(10),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=MAX_RECEIVES),
        )  # fmt: skip
        self.bucket = s3.Bucket(
            self, "Bucket",
            bucket_name=deployment.log_bucket,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,  # the load balancer can't write with a key of KMS
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(deployment.log_days),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )  # fmt: skip
        self._allow_cloudfront_to_write(deployment)
        self._notify(deployment)

    def grant_read(self, role: iam.IGrantable) -> None:
        """Let a role list and get what CloudFront has written, and take messages off the queue."""
        prefix = self.bucket.arn_for_objects(f"{CLOUDFRONT_PREFIX}*")
        role.grant_principal.add_to_principal_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[prefix]))
        role.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[self.bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": f"{CLOUDFRONT_PREFIX}*"}},
            )
        )
        self.queue.grant_consume_messages(role)

    def _allow_cloudfront_to_write(self, deployment: Deployment) -> None:
        sources = f"arn:aws:logs:us-east-1:{deployment.account}:delivery-source:*"
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="CloudFrontWritesLogs",
                principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[self.bucket.arn_for_objects(f"{CLOUDFRONT_PREFIX}{deployment.account}/CloudFront/*")],
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": deployment.account,
                        "s3:x-amz-acl": "bucket-owner-full-control",
                    },
                    "ArnLike": {"aws:SourceArn": sources},
                },
            )
        )

    def _notify(self, deployment: Deployment) -> None:
        """Have S3 tell the queue. `add_event_notification` would do it by a Lambda function that may change any bucket."""
        self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                sid="BucketTells",
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.queue.queue_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": deployment.account},
                    "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{deployment.log_bucket}"},
                },
            )
        )
        bucket = self.bucket.node.default_child
        assert isinstance(bucket, s3.CfnBucket)
        rule = s3.CfnBucket.FilterRuleProperty(name="prefix", value=CLOUDFRONT_PREFIX)
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event="s3:ObjectCreated:*",
                    queue=self.queue.queue_arn,
                    filter=s3.CfnBucket.NotificationFilterProperty(
                        s3_key=s3.CfnBucket.S3KeyFilterProperty(rules=[rule])
                    ),
                )
            ]
        )
        # S3 sends a test message at once, and refuses the bucket if it can't.
        policy = self.queue.node.find_child("Policy").node.default_child
        assert isinstance(policy, sqs.CfnQueuePolicy)
        bucket.add_resource_dependency(policy)
