"""cdk-nag and cfn-lint find nothing, and do find what is broken."""

import json
import subprocess
import sys
from pathlib import Path

import nag_exceptions
import pytest
from app import make_app
from aws_cdk import aws_s3 as s3
from conftest import EXAMPLE, moved
from deployment import Deployment

LINT = Path(sys.executable).with_name("cfn-lint")


def lint(*templates: Path) -> "subprocess.CompletedProcess[str]":
    """cfn-lint without warnings: it has some about what CDK writes."""
    return subprocess.run([LINT, "--ignore-checks", "W", "--", *templates], capture_output=True, text=True, check=False)


def violations(folder: Path) -> list[tuple[str, str]]:
    """Rule and construct of what cdk-nag found."""
    report = json.loads((folder / "validation-report.json").read_text())
    return [
        (found["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for found in plugin["violations"]
        for construct in found["violatingConstructs"]
    ]


def test_cdk_nag_finds_nothing(written):
    for folder in written.values():
        assert violations(folder) == []


def test_cdk_nag_finds_an_open_bucket_and_what_is_no_longer_an_exception(tmp_path, monkeypatch):
    monkeypatch.setattr(nag_exceptions, "EDGE", {})
    deployment = Deployment.read(EXAMPLE, **moved({}))
    app = make_app(deployment, str(tmp_path))
    s3.Bucket(app.node.find_child("EventTrackerData"), "Open")
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    found = violations(tmp_path)
    path = "EventTrackerData/Open/Resource"
    assert {("AwsSolutions-S10", path), ("AwsSolutions-S1", path)} <= set(found)
    assert ("AwsSolutions-CFR3", "EventTrackerEdge/Distribution/Resource") in found


def test_every_acknowledgement_has_a_reason():
    listed = [*nag_exceptions.PATHS.values(), *nag_exceptions.EDGE.values()]
    reasons = [reason for findings in listed for _, reason in findings]
    reasons += [nag_exceptions.PLAIN_VARIABLES, nag_exceptions.REGISTRY_LOGIN, nag_exceptions.CHANGED_BY_HAND]
    assert all(reason.endswith(".") and len(reason.split()) >= 5 for reason in reasons)


def test_cfn_lint_finds_no_error(written):
    result = lint(*(file for folder in written.values() for file in sorted(folder.glob("*.template.json"))))
    assert result.returncode == 0, result.stdout


def test_cfn_lint_finds_an_error(small, tmp_path):
    template = small["EventTrackerData"]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::RDS::DBInstance":
            resource["Properties"]["StorageTyp"] = resource["Properties"].pop("StorageType")
    (tmp_path / "broken.json").write_text(json.dumps(template))
    result = lint(tmp_path / "broken.json")
    assert result.returncode != 0
    assert "StorageTyp" in result.stdout
