"""The routes under /admin."""

from collections.abc import Callable
from typing import Any

from event_tracker.core.http.routes import Answer, Route
from event_tracker.core.secrets.keys import PREFIX
from event_tracker.query.admin import answers
from event_tracker.query.admin.access.people import PersonSettings, get_person, list_people, put_person, reset_password
from event_tracker.query.admin.access.tokens import TokenSettings, list_tokens, make_token, revoke_token
from event_tracker.query.admin.answers import list_of
from event_tracker.query.admin.apply import ApplyParameters, Declaration, apply
from event_tracker.query.admin.audit import AuditParameters, list_audit
from event_tracker.query.admin.links import LinkedIds, LinksParameters, list_links, remove_links, restore_links
from event_tracker.query.admin.rejections import (
    RejectionsParameters,
    Replay,
    SourceParameters,
    count_rejections,
    list_rejections,
    replay,
)
from event_tracker.query.admin.sources.event_schemas import SchemaSettings, SchemasParameters, list_schemas, set_schema
from event_tracker.query.admin.sources.pages import (
    PageParameters,
    PagesParameters,
    PagesSettings,
    delete_page,
    list_pages,
    put_pages,
)
from event_tracker.query.admin.sources.schema_proposals import ProposalParameters, propose_schema
from event_tracker.query.admin.sources.sources import (
    NAME,
    SourceSettings,
    get_source,
    list_sources,
    list_write_keys,
    make_write_key,
    put_source,
    revoke_write_key,
)
from event_tracker.query.answers import path_parameter
from event_tracker.query.auth.staff import NAME as PERSON_NAME

VARIABLES = {
    "sources": path_parameter("name", pattern=f"^{NAME.pattern}$"),
    "keys": path_parameter("prefix", pattern=f"^{PREFIX.pattern}$"),
    "tokens": path_parameter("prefix", pattern=f"^{PREFIX.pattern}$"),
    "people": path_parameter("name", pattern=f"^{PERSON_NAME.pattern}$"),
}
"""Segment after /admin → the variable that follows it. A name that doesn't match is answered 404."""

PROBLEMS = {
    403: "Not the scope `admin`; or restricted to some sources, where all are needed.",
    404: "Not there, or not the principal's.",
    409: "It contradicts what is there: the last admin, a key that was revoked, or too many keys or tokens.",
    429: "The principal has half of the memory that requests may have, or 100 of their requests wait for their turn.",
    503: "The database is unavailable, or too much waits for its turn.",
    504: "The database took too long.",
}
QUERY_PROBLEMS = {400: "Not a query string.", 422: "A parameter is wrong."}
BODY_PROBLEMS = {
    400: "Not JSON.",
    413: "A body that is too large.",
    415: "Not application/json.",
    422: "A member is wrong.",
}


def _admin(
    method: str,
    path: str,
    view: Callable[..., Any],
    summary: str,
    answer: type | None,
    *problems: int,
    status: tuple[int, ...] = (200,),
    query: Any = None,
    body: Any = None,
    is_secret: bool = False,
) -> Route:
    """A route. `problems` are those beside 403, 429, 503 and what its parameters or its body may lead to."""
    described = Answer("As asked.", answer) if answer else Answer("Done.")
    variables = [VARIABLES[path.split("/")[2]]] if "<" in path else []
    given = BODY_PROBLEMS if body else QUERY_PROBLEMS if query else {}
    return Route(
        method,
        path,
        view,
        summary,
        access="admin",
        tag="admin",
        parameters=[*variables, query] if query else variables,
        body=body,
        answers=dict.fromkeys(status, described),
        problems={code: PROBLEMS[code] for code in (403, 429, 503, *problems)} | given,
        is_secret=is_secret,
    )


SOURCE, SOURCES = "/admin/sources/<name>", "/admin/sources"
PERSON, PEOPLE = "/admin/people/<name>", "/admin/people"

ADMIN = [
    _admin("GET", SOURCES, list_sources, "The sources.", list_of("SourceList", answers.Source)),
    _admin("GET", SOURCE, get_source, "A source.", answers.Source, 404),
    _admin("PUT", SOURCE, put_source, "Make a source, or change what is given of it.",
           answers.Source, 404, status=(200, 201), body=SourceSettings),
    _admin("GET", f"{SOURCE}/keys", list_write_keys, "The write keys of a source, by their prefixes.",
           list_of("WriteKeyList", answers.WriteKey), 404),
    _admin("POST", f"{SOURCE}/keys", make_write_key, "Give a source a write key. It is shown this once.",
           answers.NewWriteKey, 404, 409, status=(201,), is_secret=True),
    _admin("DELETE", "/admin/keys/<prefix>", revoke_write_key, "Revoke a write key: collectors refuse it within two seconds.",
           None, 404, status=(204,)),
    _admin("GET", f"{SOURCE}/schemas", list_schemas, "The schemas of a source's events, by their type.",
           list_of("SchemaList", answers.ListedSchema), 404, query=SchemasParameters),
    _admin("PUT", f"{SOURCE}/schemas", set_schema, "Make a schema the newest version for events of a type.",
           answers.SchemaVersion, 404, status=(200, 201), body=SchemaSettings),
    _admin("GET", f"{SOURCE}/pages", list_pages, "Titles and categories of a web site's pages, by path and host.",
           list_of("PageList", answers.Page), 404, query=PagesParameters),
    _admin("PUT", f"{SOURCE}/pages", put_pages, "Give pages titles and categories.",
           answers.PagesChanged, 404, 409, body=PagesSettings),
    _admin("DELETE", f"{SOURCE}/pages", delete_page, "Remove a page's title and category.",
           None, 404, status=(204,), query=PageParameters),
    _admin("GET", "/admin/rejections", list_rejections, "Refused events, the newest first.",
           list_of("RejectionList", answers.Rejection), query=RejectionsParameters),
    _admin("GET", "/admin/rejections/counts", count_rejections, "How many events were refused, by source, event type and reason.",
           list_of("RejectionCountList", answers.RejectionCount), query=SourceParameters),
    _admin("POST", "/admin/rejections/replay", replay,
           "Have a source's refused events tried again; collectors begin within two seconds.",
           answers.Replaying, 404, status=(202,), body=Replay),
    _admin("GET", "/admin/links", list_links, "The links between ids of one person, by source and id.",
           list_of("LinkList", answers.Link), query=LinksParameters),
    _admin("POST", "/admin/links/remove", remove_links,
           "Remove the link between two ids: it doesn't count any more, whatever is sent again.",
           list_of("LinkList", answers.Link), 404, body=LinkedIds),
    _admin("POST", "/admin/links/restore", restore_links, "Restore a link that was removed.",
           list_of("LinkList", answers.Link), 404, body=LinkedIds),
    _admin("GET", "/admin/tokens", list_tokens, "The API tokens, by their prefixes.", list_of("TokenList", answers.Token)),
    _admin("POST", "/admin/tokens", make_token, "Make an API token. It is shown this once.",
           answers.NewToken, 409, status=(201,), body=TokenSettings, is_secret=True),
    _admin("DELETE", "/admin/tokens/<prefix>", revoke_token, "Revoke an API token: it is refused within two seconds.",
           None, 404, status=(204,)),
    _admin("GET", PEOPLE, list_people, "The people who may sign in.", list_of("PersonList", answers.ListedPerson)),
    _admin("GET", PERSON, get_person, "A person.", answers.ListedPerson, 404),
    _admin("PUT", PERSON, put_person, "Add a person, or change what is given of them.",
           answers.ListedPerson, 404, 409, status=(200, 201), body=PersonSettings),
    _admin("POST", f"{PERSON}/password", reset_password,
           "A password for one sign-in within 24 hours, shown this once; their sign-ins end.",
           answers.OneTimePassword, 404, 409, status=(201,), is_secret=True),
    _admin("GET", "/admin/audit", list_audit, "The audit log, newest first.",
           list_of("AuditList", answers.AuditEntry), query=AuditParameters),
    _admin("POST", "/admin/apply", apply, "Make sources as a file declares them, in one transaction.",
           answers.Applied, 404, 409, query=ApplyParameters, body=Declaration),
]  # fmt: skip

PROPOSALS = [
    _admin("GET", f"{SOURCE}/schemas/proposal", propose_schema, "A schema that a source's newest events of a type fit, as a proposal.",
           answers.SchemaProposal, 404, 504, query=ProposalParameters),
]  # fmt: skip
