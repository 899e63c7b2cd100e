"""schemathesis against both OpenAPI documents: no 5xx, and every answer is as documented."""

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from signing_key import make_signing_key

from event_tracker.core.secrets.keys import make_key

CHECKS = [
    not_a_server_error,
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
EXAMPLES = 40
STATEMENTS = 10
"""Examples of POST /sql: each starts a process."""

CONFIG = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})
"""Credentials aren't made up: nearly every answer would be a 401."""


@pytest.fixture
def managed(start_service, postgres, database, owner):
    """A query service with SQL on, and what an admin of it sends who may ask in SQL."""
    given = {"DATABASE_URL": postgres.url(database, "query"), "CONTROL_DATABASE_URL": postgres.url(database, "control")}
    service = start_service("query", AUTH="required", SQL="on", SIGNING_KEY=make_signing_key(), **given)
    new = make_key("rt")
    owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'tests', %s, '{admin,sql}')",
        [new.prefix, new.hash],
    )
    return service, {"Authorization": f"Bearer {new.key}"}


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_management_is_as_documented(managed, mode):
    service, headers = managed
    document = schemathesis.openapi.from_url(f"{service.url}/openapi.json", config=CONFIG)
    tried = 0
    for found in document.include(path_regex="^/(admin|auth|sql)").get_all_operations():
        operation = found.ok()
        if (
            mode is GenerationMode.NEGATIVE
            and operation.label.startswith(("GET", "DELETE"))
            and not operation.query.items
        ):
            continue  # takes nothing that could be wrong

        examples = STATEMENTS if operation.label == "POST /sql" else EXAMPLES

        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(mode))
        def check(case):
            case.call_and_validate(checks=CHECKS, headers=headers, timeout=60)

        check()
        tried += 1
    assert tried > 9


PARTS = {"collector": 1, "query": 5}
"""How many tests divide a service's operations among them: making examples of all takes minutes."""


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in PARTS.items() for part in range(parts)])
def test_every_answer_is_as_documented(request, name, part, mode, collector):
    events = [{"user_id": f"u{n % 3}", "event_type": f"t{n % 2}", "properties": {"n": n}} for n in range(50)]
    requests.post(f"{collector.url}/events", json=events, timeout=30).raise_for_status()
    url = request.getfixturevalue(name).url
    document = schemathesis.openapi.from_url(f"{url}/openapi.json", config=CONFIG)
    tried = []
    for operation in [found.ok() for found in document.get_all_operations()][part :: PARTS[name]]:
        if operation.label == "GET /events/live":
            continue  # its answer has no end
        if mode is GenerationMode.NEGATIVE and operation.label.startswith("GET") and not operation.query.items:
            continue  # takes nothing that could be wrong

        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(mode))
        def check(case):
            case.call_and_validate(checks=CHECKS, timeout=60)

        check()
        tried.append(operation.label)
    assert tried
