"""Questions by POST: the parameters of a question of GET in a JSON body, and a filter in place of those of a query string."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from event_tracker.core.http.routes import Route
from event_tracker.query.answers import BODY_PROBLEMS
from event_tracker.query.auth.calls import SourcesSchema
from event_tracker.query.filters.schema import FilterMember, FilterParameters
from event_tracker.query.parameters import ParameterSchema


def ask_by_body(route: Route) -> Route:
    """The route of POST for the question that a route of GET answers. Its query string has no parameters."""
    (schema,) = route.parameters
    return replace(
        route,
        method="POST",
        view=_rename(route.view),
        summary=f"{route.summary} The parameters of GET in the body.",
        parameters=[ParameterSchema],
        body=make_body(schema),
        problems={**route.problems, **BODY_PROBLEMS},
        is_fast=False,
    )


def make_body(schema: type[SourcesSchema]) -> type[SourcesSchema]:
    """The schema of a body with these parameters."""
    of_query = schema().fields["filter"]
    assert isinstance(of_query, FilterParameters)
    wanted = FilterMember("Only events that it selects.", schema=of_query.filter_schema, required=False)
    members = {
        "filter": wanted,
        "__doc__": f"The body of POST for what {schema.__name__} reads of a query string.",
    }
    return type(f"{schema.__name__.removesuffix('Schema')}Body", (schema,), members)


def _rename(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view by another name, which is the operationId."""

    @wraps(view)
    def renamed(*given: Any, **named: Any) -> Any:
        return view(*given, **named)

    renamed.__name__ = f"post_{view.__name__}"
    return renamed
