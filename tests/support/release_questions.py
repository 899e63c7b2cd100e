"""The questions whose answers a release records, about a range of days that are over."""

from datetime import datetime, timedelta
from typing import Any

ZONE = "Europe/Berlin"
MOST = 1000


def questions(start: datetime, end: datetime, user_id: str, erased: str) -> list[dict[str, Any]]:
    """What is asked of all events from `start` to `end`; those before `start` are retention's.

    Every range is given, since the default one depends on the day on which it is asked. Recorded are also the statuses of what
    isn't allowed and of what isn't there.
    """
    span = {"from": f"{start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
    local = {**span, "tz": ZONE}
    odd = {
        "from": f"{start + timedelta(minutes=17):%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{end - timedelta(hours=5, minutes=41):%Y-%m-%dT%H:%M:%SZ}",
    }
    week = {"from": f"{end - timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}", "to": span["to"]}
    steps = [{"event_type": "page_view"}, {"event_type": "signup"}, {"event_type": "purchase"}]
    twenty = [
        {"event_type": "page_view", "properties": {"page": "/"}},
        {"event_type": "purchase", "properties": {"amount": "20"}},
    ]

    def get(path: str, token: str = "admin", **params: Any) -> dict[str, Any]:
        return {"path": path, "token": token, "params": params}

    def funnel(**body: Any) -> dict[str, Any]:
        return {"method": "POST", "path": "/stats/funnel", "body": {**span, **body}}

    return [
        get("/sources"),
        get("/stats/top-types"),
        get("/stats/top-types", **span),
        get("/stats/top-types", **odd, limit=3),
        get("/stats/top-types", **span, source="blog"),
        get("/stats/top-types", "blog", **span),
        get("/stats/timeseries", **local, interval="day", breakdown="event_type"),
        get("/stats/timeseries", **local, interval="week", metric="users"),
        get("/stats/timeseries", **span, interval="month", metric="sessions", breakdown="property:page"),
        get("/stats/timeseries", **week, interval="hour"),
        get("/stats/users", **local, interval="week"),
        get("/stats/users", "blog", **span, interval="month"),
        get("/stats/sessions", **span),
        get("/stats/sessions", **local, by="property:page", longest=7200),
        get("/stats/sessions", "blog", **span, gap=600),
        get("/stats/top-properties", **span, key="page"),
        get("/stats/top-properties", **span, key="amount", limit=MOST),
        get("/stats/top-properties", "blog", **span, key="page"),
        funnel(steps=steps),
        funnel(steps=twenty, window=86_400, tz=ZONE),
        get("/stats/retention", **span, period="week"),
        get("/stats/retention", "blog", **local, period="month"),
        get("/stats/paths", **span),
        get("/stats/paths", **span, by="property:page", start="/", direction="previous", depth=2),
        get("/stats/web", **local),
        get("/stats/web", "blog", **span),
        get("/stats/web/top", **span, by="page"),
        get("/stats/web/top", **span, by="source", limit=5),
        get("/stats/users", **local, interval="week", identity="raw"),
        get("/stats/users", **span, interval="week", filter="property.page:starts_with:/mugs"),
        get("/stats/values", **span, field="property.page"),
        get("/users", limit=MOST),
        get("/users", "blog", limit=10),
        get(f"/users/{user_id}", **span),
        get(f"/users/{erased}", **span),
        get("/events", user_id=user_id, limit=MOST),
        get("/events", **week, limit=20),
        get("/events", **{"user_id": user_id, "event_type": "purchase", "property.amount": "20"}),
        get("/events/users", **span, limit=MOST),
        get("/events/export", **span),
        get("/admin/sources"),
        get("/admin/sources", "blog"),
        get("/admin/sources/blog/pages"),
        get("/admin/sources/shop/keys"),
        get("/admin/sources/blog/schemas"),
        get("/admin/sources/blog/schemas", event_type="purchase"),
        get("/admin/tokens"),
        get("/admin/people"),
        get("/admin/rejections", limit=MOST),
        get("/admin/rejections/counts"),
        get("/admin/audit", limit=MOST),
        # Last, since it is recorded in the audit log.
        get(f"/users/{user_id}/export"),
    ]  # fmt: skip
