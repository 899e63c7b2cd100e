"""Page views as tracker.js and logs send them, and as they shouldn't be, for questions about them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from .product import Question
from .reference.events import Event, Selection
from .strategies import CLOCKS, Case, events, scoped, selections

PROPERTIES: dict[str, list[Any]] = {
    "page": ["/", "/", "/a", "/b", "/é", "", 1, None],
    "host": ["shop.example", "Shop.example", None],
    "referrer": [
        "https://www.google.com/",
        "https://www.google.com/",
        "http://news.example:8080/x?y=1",
        "https://ann:pw@WWW.News.example#top",
        "android-app://com.news",
        "https:///a",
        "https://www./",
        "news.example/a",
        "direct",
        "",
        None,
    ],
    "utm_source": ["x", " Newsletter ", "newsletter", "  ", "", 1],
    "utm_medium": ["email", " "],
    "utm_campaign": ["spring", "Spring", ""],
    "utm_term": ["mug", None],
    "utm_content": ["top"],
    "$source": ["Google", "news.example", "direct", "internal", "", None],
    "$channel": ["search", "internal", None],
    "title": ["Home", "Home", "1.0", "", None],
    "$country": ["PT", "FR", "PT"],
    "$region": ["Porto"],
    "$city": ["Porto", "Lyon"],
    "$latitude": [41.15, "45.76", None],
    "$longitude": [-8.61, 4.84],
    "$browser": ["Firefox", "Chrome"],
    "$os": ["Linux", "iOS"],
    "$device": ["iPhone"],
    "$device_type": ["mobile", "desktop"],
    "status": [200, "200", 304, 404],
    "edge_result": ["Hit", "Miss", "Hit"],
    "edge_location": ["FRA56-P4", "LIS50-C1"],
    "bytes": [0, 10, "100", 12.5, -1, 999_999_999_999_999, 10**15, "1e3", True],
    "seconds": [0, 0.25, "0.250", 3, -1, "1e3", "slow", 1.75, [1]],
}
OFTEN = ("page", "title", "referrer", "status", "bytes", "seconds")
OF_PAGE_VIEWS = st.fixed_dictionaries(
    {},
    optional={name: st.sampled_from(values) for name, values in PROPERTIES.items() for _ in range(1 + (name in OFTEN))},
)
KINDS = ["page_view", "page_view", "page_view", "page_view", "http_error", "buy"]
CHOSEN = st.sampled_from([(), (), (), ("page_view",), ("http_error",), ("http_error", "page_view"), ("buy",)])


@st.composite
def web_events(draw: st.DrawFn, given: list[Event]) -> list[Event]:
    """The same events of another kind and with other properties."""
    return [replace(event, event_type=draw(st.sampled_from(KINDS)), properties=draw(OF_PAGE_VIEWS)) for event in given]


@st.composite
def web_cases(draw: st.DrawFn, question: Callable[[Selection], st.SearchStrategy[Question]], days: int = 3) -> Case:
    """Events and a few questions about them, in one zone."""
    zone, anchor = draw(st.sampled_from(CLOCKS))
    given = draw(web_events(draw(events(anchor, days, most=24, users=3))))

    def choose(selection: Selection) -> st.SearchStrategy[Question]:
        return CHOSEN.flatmap(lambda types: question(replace(selection, event_types=types)))

    chosen = selections(given, zone, anchor, days).map(lambda one: replace(one, properties=()))
    return given, draw(st.lists(scoped(chosen.flatmap(choose)), min_size=2, max_size=5))
