"""Nothing is public but the load balancer, and all is encrypted. Each check is also seen to find what is broken."""

from collections.abc import Iterator

import pytest
from templates import as_list, containers, only, resources, statements, whole

ANYWHERE = ("0.0.0.0/0", "::/0")


def find_public(templates) -> Iterator[str]:
    """What the internet reaches, beside the load balancer."""
    yield from find_open_groups(templates)
    yield from find_open_policies(templates)
    unwanted = {
        "RDS::DBInstance": lambda one: one["PubliclyAccessible"] is not False,
        "EC2::Subnet": lambda one: one["MapPublicIpOnLaunch"] is not False,
        "S3::Bucket": lambda one: list(one.get("PublicAccessBlockConfiguration", {}).values()) != [True] * 4,
    }
    for kind, is_public in unwanted.items():
        yield from (f"{name} is public" for name, one in resources(templates, kind) if is_public(one))
    balancers = resources(templates, "ElasticLoadBalancingV2::LoadBalancer")
    public = [name for name, one in balancers if one["Scheme"] != "internal"]
    if len(public) != 1:
        yield f"public load balancers: {public}"


def find_open_groups(templates) -> Iterator[str]:
    """Security groups that let in more than other groups, beside the load balancer's."""
    for name, group in resources(templates, "EC2::SecurityGroup"):
        for rule in group.get("SecurityGroupIngress", []):
            if rule.get("CidrIp") != "10.0.0.0/16" and not name.startswith("BalancerGroup"):
                yield f"{name} lets in {rule}"
    for name, rule in resources(templates, "EC2::SecurityGroupIngress"):
        if "SourceSecurityGroupId" not in rule and "BalancerGroup" not in str(rule["GroupId"]):
            yield f"{name} lets in {rule}"


def find_open_policies(templates) -> Iterator[str]:
    """Policies of resources that allow something to anybody."""
    for name, statement in statements(templates, "S3::BucketPolicy", "SQS::QueuePolicy", "SNS::TopicPolicy"):
        everybody = [*as_list(statement["Principal"])]
        if isinstance(statement["Principal"], dict):
            everybody = as_list(statement["Principal"].get("AWS", []))
        if "*" in everybody:
            yield f"{name} lets anybody in"


def find_public_addresses(templates) -> Iterator[str]:
    for name, service in resources(templates, "ECS::Service"):
        if service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] != "DISABLED":
            yield name
    for name, rule in resources(templates, "Events::Rule"):
        for target in rule["Targets"]:
            network = target.get("EcsParameters", {}).get("NetworkConfiguration", {}).get("AwsVpcConfiguration", {})
            if network.get("AssignPublicIp", "DISABLED") != "DISABLED":
                yield name


def find_unencrypted(templates) -> Iterator[str]:
    """What is stored or sent as plain text."""
    wanted = {
        "RDS::DBInstance": lambda one: one["StorageEncrypted"] is True,
        "S3::Bucket": lambda one: "BucketEncryption" in one,
        "SQS::Queue": lambda one: one.get("SqsManagedSseEnabled") is True or "KmsMasterKeyId" in one,
        "SNS::Topic": lambda one: "KmsMasterKeyId" in one,
        "RDS::DBParameterGroup": lambda one: one["Parameters"]["rds.force_ssl"] == "1",
    }
    for kind, is_encrypted in wanted.items():
        yield from (name for name, one in resources(templates, kind) if not is_encrypted(one))
    for name, listener in resources(templates, "ElasticLoadBalancingV2::Listener"):
        redirects = all(action["Type"] == "redirect" for action in listener["DefaultActions"])
        if listener["Protocol"] != "HTTPS" and not redirects:
            yield name
    for kind in ("S3::BucketPolicy", "SQS::QueuePolicy", "SNS::TopicPolicy"):
        for name, policy in resources(templates, kind):
            if "SecureTransport" not in str(policy) or "Deny" not in str(policy):
                yield f"{name} allows plain HTTP"
    yield from find_unchecked(templates)


def find_unchecked(templates) -> Iterator[str]:
    """Containers that would talk to whatever answers in place of the database."""
    for name, container in containers(templates):
        given = {one["Name"]: one["Value"] for one in container["Environment"]}
        for prefix in ("DATABASE_", "CONTROL_DATABASE_"):
            if f"{prefix}HOST" in given and given.get(f"{prefix}SSLMODE") != "verify-full":
                yield f"{name} doesn't check the database's certificate"
            if f"{prefix}HOST" in given and "BEGIN CERTIFICATE" not in given.get(f"{prefix}ROOT_CERTIFICATE", ""):
                yield f"{name} has nothing to check the database's certificate by"


def test_only_the_load_balancer_is_public(templates):
    assert list(find_public(templates)) == []


def test_tasks_have_no_public_addresses_unless_it_is_chosen(small, larger, written):
    from conftest import read_templates

    assert list(find_public_addresses(small)) == []
    assert list(find_public_addresses(larger)) == []
    # Chosen: three services and `maintain`. Their security groups are those of the first test.
    assert len(list(find_public_addresses(read_templates(written["public"])))) == 4


def test_everything_is_encrypted(templates):
    assert list(find_unencrypted(templates)) == []


def test_behind_cloudfront_only_cloudfront_reaches_the_load_balancer(small, larger):
    ((_, group),) = [one for one in resources(small, "EC2::SecurityGroup") if one[0].startswith("BalancerGroup")]
    assert group.get("SecurityGroupIngress", []) == []
    rules = [
        rule for _, rule in resources(small, "EC2::SecurityGroupIngress") if "BalancerGroup" in str(rule["GroupId"])
    ]
    assert [(rule["SourcePrefixListId"], rule["FromPort"], rule["ToPort"]) for rule in rules] == [
        ("pl-00000000000000000", 443, 443)
    ]
    ((_, group),) = [one for one in resources(larger, "EC2::SecurityGroup") if one[0].startswith("BalancerGroup")]
    assert [rule["FromPort"] for rule in group["SecurityGroupIngress"]] == [443, 80]


def test_without_nat_nothing_leads_out(small, larger):
    def ways_out(templates):
        return [route for _, route in resources(templates, "EC2::Route") if "NatGatewayId" in route]

    assert ways_out(small) == []
    assert len(ways_out(larger)) == 2
    endpoints = [str(one["ServiceName"]) for _, one in resources(small, "EC2::VPCEndpoint")]
    assert len(endpoints) == 5
    assert all(
        any(word in name for name in endpoints) for word in ("s3", "ecr.api", "ecr.dkr", "logs", "secretsmanager")
    )


def test_what_must_stay_is_protected(templates):
    ((_, instance),) = whole(templates, "RDS::DBInstance")
    assert instance["Properties"]["DeletionProtection"] is True
    assert instance["Properties"]["BackupRetentionPeriod"] == 14
    assert instance["Properties"]["DeleteAutomatedBackups"] is False
    assert instance["DeletionPolicy"] == instance["UpdateReplacePolicy"] == "Snapshot"
    for kind in ("S3::Bucket", "ECR::Repository", "SecretsManager::Secret"):
        assert {one["DeletionPolicy"] for _, one in whole(templates, kind)} == {"Retain"}
    attributes = only(templates, "ElasticLoadBalancingV2::LoadBalancer")["LoadBalancerAttributes"]
    assert {"Key": "deletion_protection.enabled", "Value": "true"} in attributes


def test_logs_end(templates):
    assert {group["RetentionInDays"] for _, group in resources(templates, "Logs::LogGroup")} <= {1, 14, 30}
    rules = only(templates, "S3::Bucket")["LifecycleConfiguration"]["Rules"]
    assert [rule["ExpirationInDays"] for rule in rules] == [90]


def set_(kind, path, value):
    """Break the first resource of a kind, in whatever stack."""

    def change(templates):
        _, properties = next(resources(templates, kind))
        *outer, last = path
        for key in outer:
            properties = properties[key]
        if value is None:
            del properties[last]
        else:
            properties[last] = value

    return change


OPEN = [{"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}]
ALLOW_ALL = [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "*"}]


@pytest.mark.parametrize(
    ("find", "change"),
    [
        (find_public, set_("EC2::SecurityGroup", ["SecurityGroupIngress"], OPEN)),
        (find_public, set_("EC2::SecurityGroupIngress", ["SourceSecurityGroupId"], None)),
        (find_public, set_("RDS::DBInstance", ["PubliclyAccessible"], True)),
        (find_public, set_("EC2::Subnet", ["MapPublicIpOnLaunch"], True)),
        (find_public, set_("S3::Bucket", ["PublicAccessBlockConfiguration"], None)),
        (find_public, set_("S3::Bucket", ["PublicAccessBlockConfiguration", "BlockPublicPolicy"], False)),
        (find_public, set_("S3::Bucket", ["PublicAccessBlockConfiguration", "BlockPublicPolicy"], None)),
        (find_public, set_("S3::BucketPolicy", ["PolicyDocument", "Statement"], ALLOW_ALL)),
        (find_public, set_("ElasticLoadBalancingV2::LoadBalancer", ["Scheme"], "internal")),
        (find_public_addresses, set_("ECS::Service", ["NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp"], "ENABLED")),
        (find_unencrypted, set_("RDS::DBInstance", ["StorageEncrypted"], False)),
        (find_unencrypted, set_("S3::Bucket", ["BucketEncryption"], None)),
        (find_unencrypted, set_("SQS::Queue", ["SqsManagedSseEnabled"], None)),
        (find_unencrypted, set_("SNS::Topic", ["KmsMasterKeyId"], None)),
        (find_unencrypted, set_("RDS::DBParameterGroup", ["Parameters", "rds.force_ssl"], "0")),
        (find_unencrypted, set_("ElasticLoadBalancingV2::Listener", ["Protocol"], "HTTP")),
        (find_unencrypted, set_("S3::BucketPolicy", ["PolicyDocument", "Statement"], [])),
    ],
)  # fmt: skip
def test_what_is_broken_is_found(small, find, change):
    change(small)
    assert len(list(find(small))) == 1


def test_a_database_that_is_not_checked_is_found(small):
    for _, container in containers(small):
        for one in container["Environment"]:
            if one["Name"] == "CONTROL_DATABASE_SSLMODE":
                one["Value"] = "require"
    assert list(find_unencrypted(small)) == ["query doesn't check the database's certificate"]
