"""A deployment's file: every mistake is told at once, before anything is made."""

import json
import re
from dataclasses import fields

import pytest
from conftest import CERTIFICATES, EXAMPLE, FOLDER, moved
from deployment import SIZES, SQL_MEMORY_BYTES, SQL_STATEMENTS, Deployment, InvalidDeploymentError


def mistakes(**changes):
    with pytest.raises(InvalidDeploymentError) as raised:
        Deployment.read(EXAMPLE, **{**CERTIFICATES, **changes})
    return {line.split(":")[0] for line in str(raised.value).splitlines()}


def test_the_example_is_one_when_the_certificates_are_there(tmp_path):
    example = tmp_path / "deployment.json"
    example.write_text(EXAMPLE.read_text())
    with pytest.raises(InvalidDeploymentError, match=r"^root_certificates: No such file or directory: .*/rds\.pem$"):
        Deployment.read(example)
    (tmp_path / "rds.pem").write_text((FOLDER / "tests/root-certificates.pem").read_text())
    assert Deployment.read(example).log_bucket == "event-tracker-logs-111122223333-eu-central-1"


def test_a_tag_is_refused():
    images = json.loads(EXAMPLE.read_text())["images"]
    assert mistakes(images={**images, "query": "1.2.0"}) == {"images"}
    assert mistakes(images={**images, "query": f"{images['query']}0"}) == {"images"}
    del images["tracker"]
    assert mistakes(images=images) == {"images"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account", "1"), ("account", 111122223333), ("region", "europe"), ("domain", "Example.com"), ("size", "huge"),
        ("egress", "open"), ("distribution", "e1"), ("architecture", "arm"), ("keep", "13"), ("log_days", 0), ("log_days", "90"),
        ("log_days", True), ("log_reader", "no"), ("multi_az", "yes"), ("alarm_email", "me"), ("zones", "a"),
        ("root_certificates", "nowhere.pem"), ("root_certificates", "deployment.example.json"), ("edge_certificate", ""),
        ("signing_key_secret", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:x"), ("unknown", 1),
        ("settings", {"collector": {"DATABASE_HOST": "x"}}), ("settings", {"query": {"OIDC_CLIENT_SECRET": "x"}}),
        ("settings", {"collector": {"TRUSTED_HOPS": "0"}}), ("settings", {"query": {"PORT_FILE": "/x"}}),
        ("settings", {"dashboard": {"HTTPS": "false"}}), ("settings", {"tracker": {"LOG_LEVEL": "debug"}}), ("settings", {"web": {}}), ("settings", {"query": {"EXPORTS": 4}}),
    ],
)  # fmt: skip
def test_a_mistake_is_told(name, value):
    assert mistakes(**{name: value}) == {name}


def test_all_mistakes_are_told():
    assert mistakes(account="x", size="x", log_days=[]) == {"account", "size", "log_days"}


def test_what_belongs_to_another_region_is_told():
    assert mistakes(region="us-east-1") == {"certificate", "signing_key_secret", "access_secret"}
    assert Deployment.read(EXAMPLE, **moved({"region": "us-east-1"})).region == "us-east-1"


@pytest.mark.parametrize("text", [None, "{", "[]", '{"account": "111122223333"}'])
def test_a_file_that_is_none(tmp_path, text):
    file = tmp_path / "deployment.json"
    if text:
        file.write_text(text)
    with pytest.raises(InvalidDeploymentError):
        Deployment.read(file)


def test_fargate_has_these_sizes():
    most = {256: (512, 2048), 512: (1024, 4096), 1024: (2048, 8192), 2048: (4096, 16384)}
    for size in SIZES.values():
        for _, cpu, memory in size.services.values():
            least, largest = most[cpu]
            assert least <= memory <= largest


def test_a_standby_is_a_choice():
    assert not Deployment.read(EXAMPLE, **CERTIFICATES).is_multi_az
    assert Deployment.read(EXAMPLE, **CERTIFICATES, multi_az=True).is_multi_az


def test_the_documentation_has_every_key():
    text = (FOLDER.parents[1] / "docs" / "aws.md").read_text()
    text = text.split("\n## The deployment\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    assert sorted(rows) == sorted(one.name for one in fields(Deployment) if one.name != "folder")


ON = {"SQL": "on"}


@pytest.mark.parametrize(
    ("size", "settings", "memory"),
    [
        ("small", {}, 1024), ("small", {"SQL": "false", "SQL_STATEMENTS": "4"}, 1024),
        # 128 MiB, and for each of two statements 256 and 192: 1 GiB.
        ("small", ON, 2048), ("small", {"SQL": "True"}, 2048), ("medium", ON, 3072),
        ("small", {**ON, "SQL_STATEMENTS": "3"}, 3072),
        ("large", {**ON, "SQL_STATEMENTS": "4", "SQL_MEMORY_BYTES": str(2**30)}, 4096 + 5 * 1024),
    ],
)  # fmt: skip
def test_the_query_service_has_memory_for_statements_in_sql(size, settings, memory):
    deployment = Deployment.read(EXAMPLE, **moved({"size": size, "settings": {"query": settings}}))
    assert deployment.memory_of("query") == memory
    assert deployment.memory_of("collector") == SIZES[size].services["collector"][2]


def test_defaults_of_statements_in_sql_are_those_of_the_documentation():
    text = (FOLDER.parents[1] / "docs/configuration.md").read_text()
    for name, value in (("SQL_STATEMENTS", SQL_STATEMENTS), ("SQL_MEMORY_BYTES", SQL_MEMORY_BYTES)):
        assert f"| `{name}` | `{value}` |" in text


@pytest.mark.parametrize(
    "settings", [{**ON, "SQL_STATEMENTS": "8"}, {**ON, "SQL_STATEMENTS": "two"}, {**ON, "SQL_MEMORY_BYTES": "1G"}]
)
def test_more_memory_than_a_task_can_have_is_told(settings):
    assert mistakes(settings={"query": settings}) == {"settings"}
