"""The services, what leads to them, and what is told when they fail."""

import re
from pathlib import Path

from balancer import INSIDE_PATHS, PUBLIC_PATHS
from database import ROLES
from deployment import REFUSED_SETTINGS, SERVICES, SIZES
from templates import containers, flat, only, resources

ROOT = Path(__file__).parents[3]


def test_the_public_paths_are_those_of_the_caddyfile():
    caddyfile = (ROOT / "infra/caddy/Caddyfile").read_text()
    public = re.findall(r"(\w+)\.\{\$DOMAIN\} \{\n\t@public path (.*)", caddyfile)
    assert {app: paths.split() for app, paths in public} == {app: PUBLIC_PATHS[app] for app in ("collector", "query")}
    assert re.findall(r"@inside path (.*)", caddyfile) == [" ".join(INSIDE_PATHS["dashboard"])]


def test_the_load_balancer_knows_those_paths_only(small):
    rules = [rule for _, rule in resources(small, "ElasticLoadBalancingV2::ListenerRule")]
    found: dict[tuple[str, str], list[str]] = {}
    for rule in sorted(rules, key=lambda rule: rule["Priority"]):
        host, path = rule["Conditions"]
        (name,) = host["HostHeaderConfig"]["Values"]
        key = (name.split(".")[0], rule["Actions"][0]["Type"])
        found.setdefault(key, []).extend(path["PathPatternConfig"]["Values"])
        assert len(host["HostHeaderConfig"]["Values"] + path["PathPatternConfig"]["Values"]) <= 5
    assert found == {
        **{(app, "forward"): paths for app, paths in PUBLIC_PATHS.items()},
        ("dashboard", "fixed-response"): INSIDE_PATHS["dashboard"],
    }
    order = [rule["Actions"][0]["Type"] for rule in sorted(rules, key=lambda rule: rule["Priority"])]
    assert order[-2:] == ["fixed-response", "forward"], "what stays inside is asked for first"
    assert (
        only(small, "ElasticLoadBalancingV2::Listener")["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"]
        == "404"
    )


def test_health_is_asked_where_it_is_answered(templates):
    groups = {
        (one["Port"], one["HealthCheckPath"], one["HealthCheckPort"])
        for _, one in resources(templates, "ElasticLoadBalancingV2::TargetGroup")
    }
    assert groups == {(8000, "/readyz", "8090"), (8001, "/readyz", "8090"), (8501, "/_stcore/health", "8501")}
    given = {
        name: {one["Name"]: one["Value"] for one in container["Environment"]}
        for name, container in containers(templates)
    }
    for name in ("collector", "query"):
        assert given[name]["HEALTH_PORT"] == "8090"
        assert given[name]["HOST"] == "0.0.0.0"
    rules = [rule for _, rule in resources(templates, "EC2::SecurityGroupIngress") if "SourceSecurityGroupId" in rule]
    ports = {rule["FromPort"] for rule in rules}
    assert {5432, 8000, 8001, 8090, 8501} == ports


def test_every_variable_is_a_setting_that_the_documentation_has(larger):
    documented = set(
        re.findall(r"`([A-Z][A-Z0-9_]+)`", "".join(file.read_text() for file in (ROOT / "docs").glob("*.md")))
    )
    ours = {f"CONTROL_{name}" for name in documented if name.startswith("DATABASE_")} | {"AWS_DEFAULT_REGION"}
    for name, container in containers(larger):
        variables = {one["Name"] for one in container["Environment"] + container.get("Secrets", [])}
        assert variables - documented - ours == set(), name


def test_what_the_stack_sets_for_services_is_refused_in_settings(small):
    for name, container in containers(small):
        if name in SERVICES:
            given = {one["Name"] for one in container["Environment"] + container.get("Secrets", [])}
            assert {one for one in given if not REFUSED_SETTINGS.fullmatch(one)} <= {"ANALYTICS_MEMORY_BYTES"}


def test_tasks_have_the_memory_of_their_size_and_of_statements_in_sql(small, larger):
    for templates, size, sql in ((small, "small", 0), (larger, "medium", 1024)):
        tasks = {
            one["ContainerDefinitions"][0]["Name"]: int(one["Memory"])
            for _, one in resources(templates, "ECS::TaskDefinition")
        }
        for app, (_, _, memory) in SIZES[size].services.items():
            assert tasks[app] == memory + (sql if app == "query" else 0)
        query = dict(containers(templates))["query"]["Environment"]
        half = SIZES[size].services["query"][2] // 2 * 2**20
        assert {"Name": "ANALYTICS_MEMORY_BYTES", "Value": str(half)} in query


def test_upkeep_can_be_stopped_by_the_name_in_the_documentation(small):
    names = [one["Name"] for _, one in resources(small, "Events::Rule") if "ScheduleExpression" in one]
    (name,) = names
    text = (ROOT / "docs/aws.md").read_text()
    assert f"aws events disable-rule --name {name}\n" in text
    assert f"aws events enable-rule --name {name}\n" in text


def test_migrate_sets_the_passwords_that_services_connect_with(small):
    found = dict(containers(small))
    secrets = {name: {one["Name"]: flat(one["ValueFrom"]) for one in found[name].get("Secrets", [])} for name in found}
    used = {"collector": secrets["collector"]["DATABASE_PASSWORD"], "query": secrets["query"]["DATABASE_PASSWORD"]}
    used["control"] = secrets["query"]["CONTROL_DATABASE_PASSWORD"]
    for role in ROLES:
        (name,) = re.findall(r"Database\w+Password", secrets["migrate"][f"{role.upper()}_PASSWORD"])
        assert name[:20] in used[role]


def test_hops_in_front_of_the_collector(small, larger):
    for templates, hops in ((small, "2"), (larger, "1")):
        environment = dict(containers(templates))["collector"]["Environment"]
        assert {"Name": "TRUSTED_HOPS", "Value": hops} in environment


def test_alarms_are_told(larger):
    alarms = {one["AlarmName"].removeprefix("event-tracker-"): one for _, one in resources(larger, "CloudWatch::Alarm")}
    services = {
        f"{app}-{what}" for app in ("collector", "query", "dashboard") for what in ("5xx", "unhealthy", "none-healthy")
    }
    assert set(alarms) == services | {
        "balancer-5xx", "database-storage", "database-cpu", "database-connections", "logs-dead", "logs-late",
    }  # fmt: skip
    for alarm in alarms.values():
        assert "AlarmsTopic" in str(alarm["AlarmActions"])
        assert "AlarmsTopic" in str(alarm["OKActions"])
    rules = [one for _, one in resources(larger, "Events::Rule") if "EventPattern" in one]
    assert "AlarmsTopic" in str(rules[0]["Targets"])
    assert only(larger, "SNS::Subscription")["Endpoint"] == "operations@example.com"


def test_cloudfront_writes_where_the_queue_listens(small):
    bucket = only(small, "S3::Bucket")
    (queue,) = bucket["NotificationConfiguration"]["QueueConfigurations"]
    assert queue["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "AWSLogs/"}]
    destination = only(small, "Logs::DeliveryDestination")
    assert destination["DestinationResourceArn"] == f"arn:aws:s3:::{bucket['BucketName']}"
    assert destination["OutputFormat"] == "json"
    fields = only(small, "Logs::Delivery")["RecordFields"]
    assert {"x-edge-request-id", "date", "time", "c-ip", "cs(User-Agent)", "x-host-header"} <= set(fields)
    assert not [field for field in fields if "ookie" in field]
    assert list(small)
    assert "EventTrackerEdge" in small


def test_without_a_distribution_there_is_no_edge(larger):
    assert set(larger) == {"EventTrackerRegistry", "EventTrackerData", "EventTracker"}


def test_the_log_reader_is_there_when_it_is_wanted(small, larger):
    assert "log-reader" not in dict(containers(small))
    reader = dict(containers(larger))["log-reader"]
    program, bucket, *options = reader["Command"]
    assert (program, options[0::2]) == ("s3", ["--prefix", "--queue"])
    assert "RequestLogsBucket" in str(bucket)
    assert options[1] == "AWSLogs/"
    assert "RequestLogsQueue" in str(options[3])
    given = {one["Name"]: one["Value"] for one in reader["Environment"]}
    assert given == {
        "COLLECTOR_URL": "http://collector.event-tracker.internal:8000",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    assert {one["Name"]: flat(one["ValueFrom"]).rstrip(":").split(":")[-1] for one in reader["Secrets"]} == {
        "WRITE_KEY": "write_key", "VISITOR_SECRET": "visitor_secret",
    }  # fmt: skip
    service = [one for _, one in resources(larger, "ECS::Service") if one["ServiceName"] == "log-reader"]
    assert service[0]["DeploymentConfiguration"]["MaximumPercent"] == 100


def test_there_is_no_code_of_others_in_the_account(templates):
    kinds = {resource["Type"] for template in templates.values() for resource in template["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith(("AWS::Lambda", "Custom::", "AWS::CloudFormation::Custom"))]
