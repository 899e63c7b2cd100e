"""Names that events and links have are shown as they are, also where Streamlit reads Markdown: captions, messages, labels."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from event_tracker.dashboard.markdown import as_text

NAME = "https://e.test www.e.test a@e.test *x* _y_ ~~z~~ -> -- :smile: :material/home: `c` $x$ :red[r] <b>"
"""An event type with what Streamlit would show differently."""

MARKUP = ":is(a, em, strong, del, b, h1, h2, h3, h4, li, img, .katex)"

MANY = {"range": "30 days"}
SHOWN = {
    "the start of journeys": ("journeys", {"start": NAME, **MANY}, f"times “{NAME}”"),
    "suggested steps": ("funnels", MANY, f"Start with {NAME} → view"),
    "a step's conditions": ("funnels", {"step1": NAME, "where1": f"{NAME}=1", "step2": "view", **MANY}, f"Where {NAME}=1"),
    "a user who isn't there": ("users", {"user": NAME, **MANY}, f"There is no user “{NAME}”."),
    "a property without values": ("", {"top": f"{NAME}!", **MANY}, f"No values of {NAME}! in this range."),
    "a filter": ("explore", {"filter": f"event_type:is_not:{NAME}", **MANY}, "Event type is not https://e.test"),
    "a filter that isn't one": ("explore", {"filter": NAME, **MANY}, NAME[:30]),
    "days that aren't": ("users", {"first_seen": NAME, **MANY}, f"“{NAME}” in the link isn't used"),
}  # fmt: skip


@pytest.fixture(scope="module")
def named(serve_events):
    """A dashboard with three events, two of a type called NAME."""
    start = datetime.now(UTC) - timedelta(days=1)
    events = [
        {
            "user_id": "ann",
            "event_type": event_type,
            "timestamp": (start + timedelta(minutes=number)).isoformat(),
            "event_id": str(uuid.uuid4()),
            "properties": {NAME: "1"},
        }
        for number, event_type in enumerate([NAME, NAME, "view"])
    ]
    with serve_events(events) as dashboard:
        yield dashboard


@pytest.mark.parametrize(("path", "state", "text"), SHOWN.values(), ids=SHOWN)
def test_a_name_is_shown_as_it_is(visit, named, path, state, text):
    page = visit(named).open(path, **state).page
    shown = ":is([data-testid=stMarkdownContainer], [data-testid=stCaptionContainer])"
    page.locator(shown, has_text=text.replace("material/", "material\N{WORD JOINER}/")).first.wait_for()
    assert page.locator(f"{shown} p {MARKUP}").all_inner_texts() == []


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("a", "`a`"),
        ("*a*", "`*a*`"),
        ("`", "`` ` ``"),
        ("a``b`", "``` a``b` ```"),
        (" a ", "`  a  `"),
        (" ", "` `"),
        (":material/home:", "`:material\N{WORD JOINER}/home:`"),
        ("", ""),
    ],
)
def test_a_text_is_a_code_span(text, span):
    """CommonMark removes one space at each end if both have one, unless there is nothing else."""
    assert as_text(text) == span
