"""Alarms, and whom they tell: a topic with an e-mail address. docs/aws.md has a table of them."""

from collections.abc import Iterator

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from balancer import Balancer
from constructs import Construct
from data_stack import DataStack
from deployment import Deployment

GIB = 2**30

MINUTE = cdk.Duration.minutes(1)
FIVE_MINUTES = cdk.Duration.minutes(5)

MORE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
LESS = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


class Alarms(Construct):
    """Every alarm tells the topic when it starts and when it ends."""

    def __init__(
        self, scope: Construct, deployment: Deployment, data: DataStack, balancer: Balancer,
        targets_by_app: dict[str, elb.ApplicationTargetGroup],
    ) -> None:  # fmt: skip
        super().__init__(scope, "Alarms")
        self.topic = self._make_topic(deployment)
        alarms = [
            *self._watch_requests(balancer, targets_by_app),
            *self._watch_database(deployment, data),
            *self._watch_queue(deployment, data),
        ]
        for alarm in alarms:
            alarm.add_alarm_action(actions.SnsAction(self.topic))
            alarm.add_ok_action(actions.SnsAction(self.topic))
        self._tell_stopped_tasks(data)

    def _make_topic(self, deployment: Deployment) -> sns.Topic:
        """A topic whose key CloudWatch and EventBridge may use: with the key that AWS keeps they couldn't send."""
        key = kms.Key(
            self, "Key", description="Event Tracker: alarms", enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY, pending_window=cdk.Duration.days(7),
        )  # fmt: skip
        topic = sns.Topic(self, "Topic", topic_name="event-tracker-alarms", master_key=key, enforce_ssl=True)
        topic.add_subscription(subscriptions.EmailSubscription(deployment.alarm_email))
        for service in ("cloudwatch", "events"):
            principal = iam.ServicePrincipal(f"{service}.amazonaws.com")
            from_here = {"StringEquals": {"aws:SourceAccount": deployment.account}}
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[principal],
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=["*"],
                    conditions=from_here,
                )
            )
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"{service.capitalize()}Publishes", principals=[principal], actions=["sns:Publish"],
                    resources=[topic.topic_arn], conditions=from_here,
                )
            )  # fmt: skip
        return topic

    def _alarm(
        self, name: str, metric: cloudwatch.IMetric, threshold: float, periods: int, why: str,
        comparison: cloudwatch.ComparisonOperator = MORE, *, missing_is_bad: bool = False,
    ) -> cloudwatch.Alarm:  # fmt: skip
        treat = cloudwatch.TreatMissingData
        return cloudwatch.Alarm(
            self, name,
            alarm_name=f"event-tracker-{name}",
            alarm_description=why,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=comparison,
            treat_missing_data=treat.BREACHING if missing_is_bad else treat.NOT_BREACHING,
        )  # fmt: skip

    def _watch_requests(
        self, balancer: Balancer, targets_by_app: dict[str, elb.ApplicationTargetGroup]
    ) -> Iterator[cloudwatch.Alarm]:
        codes = elb.HttpCodeElb
        yield self._alarm(
            "balancer-5xx", balancer.balancer.metrics.http_code_elb(codes.ELB_5XX_COUNT, period=FIVE_MINUTES), 5, 1,
            "The load balancer itself answered 5xx: no task was ready, or none answered.",
        )  # fmt: skip
        for app, target in targets_by_app.items():
            yield self._alarm(
                f"{app}-5xx", target.metrics.http_code_target(elb.HttpCodeTarget.TARGET_5XX_COUNT, period=FIVE_MINUTES), 5, 1,
                f"{app} answered 5xx more than five times in five minutes. 503 is what it answers without a database.",
            )  # fmt: skip
            yield self._alarm(
                f"{app}-unhealthy", target.metrics.unhealthy_host_count(period=MINUTE, statistic="Maximum"), 0, 5,
                f"A task of {app} has failed its health check for five minutes.",
            )  # fmt: skip
            yield self._alarm(
                f"{app}-none-healthy", target.metrics.healthy_host_count(period=MINUTE, statistic="Minimum"), 1, 3,
                f"No task of {app} is healthy.", LESS, missing_is_bad=True,
            )  # fmt: skip

    def _watch_database(self, deployment: Deployment, data: DataStack) -> Iterator[cloudwatch.Alarm]:
        instance = data.database.instance
        least, most = deployment.capacity.storage
        yield self._alarm(
            "database-storage", instance.metric_free_storage_space(period=FIVE_MINUTES, statistic="Minimum"), least * GIB / 10, 3,
            f"Less than a tenth of the smallest disk is free. RDS lets it grow up to {most} GiB, at most every six hours.", LESS,
            missing_is_bad=True,
        )  # fmt: skip
        yield self._alarm(
            "database-cpu", instance.metric_cpu_utilization(period=FIVE_MINUTES), 80, 6,
            "The database has used more than 80 % of its CPU for half an hour.",
        )  # fmt: skip
        yield self._alarm(
            "database-connections", instance.metric_database_connections(period=FIVE_MINUTES, statistic="Maximum"), 80, 3,
            "More than 80 connections. Services have POOL_MAX each, query two more, so some forty are usual at most.",
        )  # fmt: skip

    def _watch_queue(self, deployment: Deployment, data: DataStack) -> Iterator[cloudwatch.Alarm]:
        logs = data.request_logs
        yield self._alarm(
            "logs-dead", logs.dead_letters.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES), 0, 1,
            "A file of request logs couldn't be read five times.",
        )  # fmt: skip
        # Without a reader messages wait until they expire, which is no reason to wake anybody.
        if deployment.log_reader:
            yield self._alarm(
                "logs-late", logs.queue.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES), 3600, 3,
                "Files of request logs have waited for more than an hour.",
            )  # fmt: skip

    def _tell_stopped_tasks(self, data: DataStack) -> None:
        """Tell of each task that ended by a failure, not of those that a deployment replaced."""
        events.Rule(
            self, "TaskFailed",
            description="Event Tracker: a task failed",
            event_pattern=events.EventPattern(
                source=["aws.ecs"],
                detail_type=["ECS Task State Change"],
                detail={
                    "clusterArn": [data.cluster.cluster_arn],
                    "lastStatus": ["STOPPED"],
                    "$or": [
                        {"stopCode": ["TaskFailedToStart"]},
                        {"stopCode": ["EssentialContainerExited"], "containers": {"exitCode": [{"anything-but": [0]}]}},
                    ],
                },
            ),
            targets=[
                targets.SnsTopic(
                    self.topic,
                    message=events.RuleTargetInput.from_text(
                        f"A task of Event Tracker failed: {events.EventField.from_path('$.detail.group')}, "
                        f"{events.EventField.from_path('$.detail.stoppedReason')}, {events.EventField.from_path('$.detail.taskArn')}"
                    ),
                )
            ],
        )  # fmt: skip
