"""OpenAPI of the routes under /admin."""

import re
from typing import Any

from marshmallow import Schema

from event_tracker.core.http.openapi import Document
from event_tracker.core.secrets.keys import PREFIX
from event_tracker.query.admin import sources
from event_tracker.query.admin.apply import ApplyParameters, Declaration
from event_tracker.query.admin.audit import AuditParameters
from event_tracker.query.admin.event_schemas import SchemaBody, SchemasParameters
from event_tracker.query.admin.people import PersonBody
from event_tracker.query.admin.rejections import RejectionsParameters, ReplayBody, SourceParameters
from event_tracker.query.admin.responses import RESPONSES
from event_tracker.query.admin.schema_proposals import ProposalParameters
from event_tracker.query.admin.sources import SourceBody
from event_tracker.query.admin.tokens import TokenBody
from event_tracker.query.auth.people import NAME as PERSON_NAME

JSON = "application/json"

Operation = tuple[str, str, str, str | None, dict[int, str | None], list[int]]
"""Method and path, operationId, summary, component of the body, components of the responses by status, and further problems."""

OPERATIONS: list[Operation] = [
    ("get /admin/sources", "list_sources", "The sources.", None, {200: "SourceList"}, []),
    ("get /admin/sources/{name}", "get_source", "A source.", None, {200: "Source"}, [404]),
    (
        "put /admin/sources/{name}",
        "put_source",
        "Make a source, or change what is given of it.",
        "SourceSettings",
        {200: "Source", 201: "Source"},
        [404],
    ),
    (
        "get /admin/sources/{name}/keys",
        "list_write_keys",
        "The write keys of a source, by their prefixes.",
        None,
        {200: "WriteKeyList"},
        [404],
    ),
    (
        "post /admin/sources/{name}/keys",
        "make_write_key",
        "Give a source a write key. It is shown this once.",
        None,
        {201: "NewWriteKey"},
        [404, 409],
    ),
    (
        "delete /admin/keys/{prefix}",
        "revoke_write_key",
        "Revoke a write key: collectors refuse it within two seconds.",
        None,
        {204: None},
        [404],
    ),
    (
        "get /admin/sources/{name}/schemas",
        "list_schemas",
        "The schemas of a source's events, by their type.",
        None,
        {200: "SchemaList"},
        [404],
    ),
    (
        "put /admin/sources/{name}/schemas",
        "set_schema",
        "Make a schema the newest version for events of a type.",
        "EventSchema",
        {200: "SchemaVersion", 201: "SchemaVersion"},
        [404],
    ),
    (
        "get /admin/sources/{name}/schemas/proposal",
        "propose_schema",
        "A schema that a source's newest events of a type fit, as a proposal.",
        None,
        {200: "SchemaProposal"},
        [404, 504],
    ),
    (
        "get /admin/rejections",
        "list_rejections",
        "Refused events, the newest first.",
        None,
        {200: "RejectionList"},
        [],
    ),
    (
        "get /admin/rejections/counts",
        "count_rejections",
        "How many events were refused, by source, event type and reason.",
        None,
        {200: "RejectionCountList"},
        [],
    ),
    (
        "post /admin/rejections/replay",
        "replay",
        "Have a source's refused events tried again; collectors begin within two seconds.",
        "Replay",
        {202: "Replaying"},
        [404],
    ),
    ("get /admin/tokens", "list_tokens", "The API tokens, by their prefixes.", None, {200: "TokenList"}, []),
    (
        "post /admin/tokens",
        "make_token",
        "Make an API token. It is shown this once.",
        "TokenSettings",
        {201: "NewToken"},
        [409],
    ),
    (
        "delete /admin/tokens/{prefix}",
        "revoke_token",
        "Revoke an API token: it is refused within two seconds.",
        None,
        {204: None},
        [404],
    ),
    ("get /admin/people", "list_people", "The people who may sign in.", None, {200: "PersonList"}, []),
    ("get /admin/people/{name}", "get_person", "A person.", None, {200: "ListedPerson"}, [404]),
    (
        "put /admin/people/{name}",
        "put_person",
        "Add a person, or change what is given of them.",
        "PersonSettings",
        {200: "ListedPerson", 201: "ListedPerson"},
        [404, 409],
    ),
    (
        "post /admin/people/{name}/password",
        "reset_password",
        "A password for one sign-in within 24 hours, shown this once; their sign-ins end.",
        None,
        {201: "OneTimePassword"},
        [404, 409],
    ),
    ("get /admin/audit", "list_audit", "The audit log, newest first.", None, {200: "AuditList"}, []),
    (
        "post /admin/apply",
        "apply",
        "Make sources as a file declares them, in one transaction.",
        "Declaration",
        {200: "Applied"},
        [404, 409],
    ),
]
"""The operations under /admin."""

PARAMETERS: dict[str, type[Schema]] = {
    "list_schemas": SchemasParameters,
    "propose_schema": ProposalParameters,
    "list_rejections": RejectionsParameters,
    "count_rejections": SourceParameters,
    "list_audit": AuditParameters,
    "apply": ApplyParameters,
}

FORMS = {
    "/admin/sources": sources.NAME.pattern,
    "/admin/keys": PREFIX.pattern,
    "/admin/tokens": PREFIX.pattern,
    "/admin/people": PERSON_NAME.pattern,
}
"""Path → pattern of the name that follows it. A name that doesn't match is answered 404."""

PROBLEMS = {
    401: "No credentials, or wrong ones.",
    403: "Not the scope `admin`; or restricted to some sources, where all are needed.",
    404: "Not there, or not the principal's.",
    409: "It contradicts what is there: the last admin, a key that was revoked, or too many keys or tokens.",
    429: "The principal has half of the memory that requests may have, or 100 of their requests wait for their turn.",
    503: "The database is away, or too much waits for its turn.",
    504: "The database took too long.",
}
BODY_PROBLEMS = {
    400: "Not JSON.",
    413: "A body that is too large.",
    415: "Not application/json.",
    422: "A member is wrong.",
}

BODIES: dict[str, type[Schema]] = {
    "SourceSettings": SourceBody,
    "EventSchema": SchemaBody,
    "Replay": ReplayBody,
    "TokenSettings": TokenBody,
    "PersonSettings": PersonBody,
    "Declaration": Declaration,
}


def describe_management(document: Document) -> None:
    """Add the operations to the document."""
    for name, schema in BODIES.items():
        document.component(name, schema)
    for name, answer in RESPONSES.items():
        document.json_component(name, answer)
    for operation in OPERATIONS:
        _describe(document, *operation)


def _describe(
    document: Document,
    place: str,
    name: str,
    summary: str,
    body: str | None,
    answers: dict[int, str | None],
    own: list[int],
) -> None:
    method, path = place.split()
    parameters = [
        {"name": found[1], "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{form}$"}}
        for start, form in FORMS.items()
        if (found := re.match(rf"{start}/{{(\w+)}}", path))
    ]
    parameters += document.parameters(PARAMETERS[name]) if name in PARAMETERS else []
    operation: dict[str, Any] = {"operationId": name, "tags": ["admin"], "summary": summary, "parameters": parameters}
    operation["responses"] = {str(status): _response(answer) for status, answer in answers.items()}
    problems = {status: PROBLEMS[status] for status in (401, 403, 429, 503, *own)}
    if body:
        operation["requestBody"] = {"required": True, **_json(body)}
        problems |= BODY_PROBLEMS
    elif name in PARAMETERS:
        problems |= {400: "Not a query string.", 422: "A parameter is wrong."}
    document.path(path, method, operation, problems)


def _response(component: str | None) -> dict[str, Any]:
    return {"description": "As asked.", **_json(component)} if component else {"description": "Done."}


def _json(component: str) -> dict[str, Any]:
    return {"content": {JSON: {"schema": {"$ref": f"#/components/schemas/{component}"}}}}
