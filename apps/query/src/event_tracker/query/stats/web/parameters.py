"""Parameters that the questions about page views share."""

from datetime import datetime
from typing import Any

from event_tracker.query.auth.calls import Call
from event_tracker.query.parameter_types import repeatable_field
from event_tracker.query.stats.parameters import SelectionSchema, gap_field, longest_field, read_range

PAGE_VIEW = "page_view"


class WebSchema(SelectionSchema):
    """Parameters of all questions about page views."""

    event_types = repeatable_field(
        "event_type", f"What counts as a page view, by default `{PAGE_VIEW}`; repeat it for any of several."
    )
    gap = gap_field()
    longest = longest_field()


def read_web(call: Call, now: datetime, allow_explain: bool, longest: int) -> dict[str, Any]:
    """Read the parameters of a request, as `read_range` does."""
    given = {"longest": longest, **read_range(call, now, allow_explain)}
    return {**given, "event_types": given["event_types"] or (PAGE_VIEW,)}
