"""GET /stats/web/top: pages, sources, countries and so on."""

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from . import make, question_strategies
from .questions import span, stats
from .reference import web as reference
from .reference.web import Page
from .strategies import EXAMPLES
from .web_strategies import PROPERTIES, web_cases


@settings(EXAMPLES, max_examples=60)
@given(case=web_cases(question_strategies.web_top))
def test_rows_are_as_defined(product, case):
    product.holds(*case)


def view(user_id, at=0, page="/", **given):
    return make.event(user_id, at, "page_view", page=page, **given)


def top(by, **options):
    return stats("web/top", span(), by=by, **options)


def keys(body):
    return [row["key"] for row in body["rows"]]


def test_a_row_has_the_sessions_with_a_page_view_of_it(ask):
    events = [view("ann", 0, "/"), view("ann", 60, "/a"), view("ann", 120, "/a"), view("bob", 0, "/a")]
    row, other = ask(events, top("page"))["rows"]
    assert row == {"key": "/a", "visitors": 2, "page_views": 3, "sessions": 2, "bounce_rate": 0.5, "share": 1}
    assert other == {"key": "/", "visitors": 1, "page_views": 1, "sessions": 1, "bounce_rate": 0, "share": 0.5}


def test_entry_and_exit_are_of_sessions_of_page_views(ask):
    events = [
        make.event("ann", -1, "buy", page="/buy"),
        view("ann", 0, "/"),
        view("ann", 0, "/a"),
        view("ann", 60, "/b"),
        make.event("ann", 61, "buy", page="/buy"),
        view("bob", 0, "/b"),
    ]
    entries = ask(events, top("entry"))["rows"]
    assert [(row["key"], row["page_views"], row["bounce_rate"]) for row in entries] == [("/", 3, 0), ("/b", 1, 1)]
    exits = ask(events, top("exit"))["rows"]
    assert [(row["key"], row["visitors"], row["page_views"]) for row in exits] == [("/b", 2, 4)]


def test_a_session_came_from_where_its_first_page_view_says(ask):
    events = [
        view("ann", 0, **{"$source": "Google", "$channel": "search"}),
        view("ann", 60, **{"$source": "Bing", "$channel": "paid", "utm_campaign": "spring"}),
        view("ann", 7200, utm_campaign="spring", utm_medium="email", utm_term="mug", utm_content="top"),
    ]
    by_source = {row["key"]: (row["page_views"], row["sessions"]) for row in ask(events, top("source"))["rows"]}
    assert by_source == {"Google": (2, 1), "direct": (1, 1)}
    assert keys(ask(events, top("channel"))) == ["search", "campaign"]
    for by, value in {"campaign": "spring", "medium": "email", "term": "mug", "content": "top"}.items():
        assert keys(ask(events, top(by))) == [None, value]


SOURCES = {
    "what is known": ({"$source": "Google", "utm_source": "x", "referrer": "https://a.example/"}, "Google"),
    "the campaign": ({"utm_source": " News ", "referrer": "https://a.example/"}, "news"),
    "an empty campaign": ({"utm_source": " ", "referrer": "https://a.example/b?c"}, "a.example"),
    "a referrer": ({"referrer": "https://www.A.example:8080/b"}, "a.example"),
    "nothing": ({}, "direct"),
    "a null": ({"$source": None, "referrer": None}, "direct"),
}


@pytest.mark.parametrize("given", SOURCES.values(), ids=SOURCES)
def test_a_campaign_counts_before_the_referrer(ask, given):
    properties, source = given
    assert keys(ask([view("ann", **properties)], top("source"))) == [source]


CHANNELS = {
    "campaign": {"utm_campaign": "spring", "referrer": "https://a.example/"},
    "site": {"referrer": "https://a.example/", "utm_medium": ""},
    "direct": {"referrer": "a.example"},
    "social": {"$channel": "social", "utm_medium": "cpc"},
}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_is_told_by_what_there_is(ask, channel):
    assert keys(ask([view("ann", **CHANNELS[channel])], top("channel"))) == [channel]


def test_a_referrer_that_is_no_url_has_no_host(ask):
    given = ["a.example", "/a", "//a.example/", "https://", "https:///x", "about:blank", "https://www./"]
    events = [view(f"u{number}", referrer=one) for number, one in enumerate(given)]
    assert keys(ask(events, top("source"))) == ["direct"]
    assert ask(events, top("referrer"))["total"] == len(given)
    odd = ["android-app://com.a/x", "HTTPS://u:p@B.example?x@y", "http://c.example#x"]
    events = [view(f"u{number}", referrer=one) for number, one in enumerate(odd)]
    assert keys(ask(events, top("source"))) == ["b.example", "c.example", "com.a"]


def test_rows_are_by_visitors_and_then_by_page_views(ask):
    events = [view("ann", 0, page) for page in ("/é", "/z", "/Z", "/b", "/b", "/c")] + [view("bob", 0, "/c")]
    events += [make.event("ann", 0, "page_view")]
    assert keys(ask(events, top("page"))) == ["/c", "/b", "/Z", "/z", "/é", None]
    assert keys(ask(events, top("page", limit=2, offset=1))) == ["/b", "/Z"]
    beyond = ask(events, top("page", limit=2, offset=6))
    assert (beyond["rows"], beyond["total"], beyond["visitors"]) == ([], 6, 2)


def test_page_views_without_a_key_have_the_key_null(ask):
    events = [view("ann"), view("bob", **{"$country": None}), view("cem", **{"$country": ""})]
    body = ask(events, top("country"))
    assert (keys(body), body["total"]) == ([None, ""], 2)
    assert body["rows"][0]["visitors"] == 2


def test_a_location_has_both_coordinates_and_may_have_a_name(ask):
    porto, nameless = (
        {"$latitude": 41.15, "$longitude": -8.61, "$city": "Porto"},
        {"$latitude": "0", "$longitude": "0.5"},
    )
    events = [
        view("ann", **porto),
        view("bob", **porto),
        view("cem", **nameless),
        view("dan", **{"$latitude": 1, "$city": "Porto"}),
    ]
    assert keys(ask(events, top("location"))) == ["41.15,-8.61 Porto", "0,0.5", None]


def test_shares_of_rows_are_of_all_visitors(ask):
    events = [view("ann", 0, "/"), view("ann", 1, "/a"), view("bob", 0, "/a")]
    assert [row["share"] for row in ask(events, top("page"))["rows"]] == [1, 0.5]


def test_slowest_pages_are_by_the_95th_percentile(ask):
    events = [view("ann", n, "/slow", seconds=n) for n in range(21)]
    events += [view("ann", n, "/fast", seconds="0.50") for n in range(3)]
    events += [view("ann", 0, "/slow", seconds="1e3"), view("ann", 0, "/slow"), view("bob", 0, "/untimed")]
    body = ask(events, top("slowest"))
    assert (keys(body), body["total"]) == (["/slow", "/fast"], 2)
    assert body["rows"][0]["seconds"] == {"count": 21, "median": 10, "p95": 19}
    assert body["rows"][0]["page_views"] == 23


def test_bytes_of_a_row_are_summed_up(ask):
    sizes = [100, "20", 3.0, 0.5, -7, "1e3", True, None, 10**15]
    events = [view("ann", n, bytes=size, edge_result="Hit") for n, size in enumerate(sizes)]
    events += [view("bob", edge_result="Miss"), *(view("bob", bytes=999_999_999_999_999) for _ in range(10))]
    found = {row["key"]: row["bytes"] for row in ask(events, top("edge_result"))["rows"]}
    assert found == {"Hit": 123, "Miss": 0, None: 2**53 - 1}


def test_errors_and_bots_of_a_log_are_rows_of_their_types(ask):
    events = [view("ann", status=200), make.event("ann", 1, "http_error", page="/gone", status=404)]
    events += [make.event("bot", 2, "crawl", page="/", **{"$browser": "Googlebot"})]

    def rows(by, event_type):
        body = ask(events, stats("web/top", span(types=[event_type]), by=by))
        return [(row["key"], row["page_views"]) for row in body["rows"]]

    assert rows("page", "http_error") == [("/gone", 1)]
    assert rows("status", "http_error") == [("404", 1)]
    assert rows("browser", "crawl") == [("Googlebot", 1)]


INSERT_PAGE = "insert into pages (source, host, path, title, category) values (%s, %s, %s, %s, %s)"


def set_pages(product, pages):
    with product.owner.cursor() as cursor:
        cursor.execute("delete from pages")
        given = [(page.source, page.host, page.path, page.title, page.category) for page in pages]
        cursor.executemany(INSERT_PAGE, given)


def with_pages(question, pages):
    return replace(question, answer=partial(question.answer, pages=pages))


@pytest.fixture
def call_pages(product):
    """call_pages(events, pages, by): the keys of the rows, which are compared with the reference, from rows and from blocks."""

    def call_pages(events, pages, by):
        product.fill(events)
        set_pages(product, pages)
        question = with_pages(top(by), pages)
        found = product.ask(question, events)
        product.build_blocks()
        product.ask(question, events)
        return [(row["key"], row["page_views"]) for row in found["rows"]]

    return call_pages


def test_a_page_is_called_as_its_site_says(call_pages):
    events = [view("ann", 0, "/", host="a.example", title="Old"), view("bob", 0, "/"), view("bob", 1, "/a")]
    events += [view("cem", 0, "/", source="blog")]
    pages = [
        Page("default", "", "/", "Home", "start"),
        Page("default", "a.example", "/", "Home of A"),
        Page("shop", "", "/", "Shop"),
    ]
    assert call_pages(events, pages, "title") == [(None, 2), ("Home", 1), ("Home of A", 1)]
    assert call_pages(events, pages, "category") == [("start", 2), (None, 2)]


def test_a_title_that_was_not_set_is_the_latest_of_the_page(call_pages):
    events = [view("ann", at, "/", title=title) for at, title in ((5, "New"), (0, "Old"))]
    events += [view("bob", 9, "/"), view("bob", 10, "/", host="b.example"), view("cem", 0, "/c", title="C")]
    assert call_pages(events, [Page("default", "", "/c", category="x")], "title") == [("New", 3), ("C", 1), (None, 1)]


of_pages = st.lists(
    st.builds(
        Page,
        st.sampled_from(["default", "shop", "blog"]),
        st.sampled_from(["", "shop.example"]),
        st.sampled_from([page for page in PROPERTIES["page"] if page and isinstance(page, str)]),
        st.sampled_from(["Home", "1", None]),
        st.sampled_from(["blog", "shop"]),
    ),
    max_size=6,
    unique_by=lambda page: (page.source, page.host, page.path),
)


@settings(EXAMPLES, max_examples=30)
@given(case=web_cases(question_strategies.web_names), pages=of_pages)
def test_names_of_pages_are_as_defined(product, case, pages):
    events, asked = case
    product.fill(events, request=7, part_in_blocks=(0, 0.5, 1)[len(events) % 3])
    set_pages(product, pages)
    for question in asked:
        product.ask(with_pages(question, pages), events)


def test_a_name_that_is_set_changes_the_entity_tag(product):
    product.fill([view("ann")])
    path = f"{product.query.url}/stats/web/top?from=2025-03-01&to=2025-03-02&by=title"
    first = product.session.get(path, timeout=30)
    assert product.session.get(path, headers={"If-None-Match": first.headers["ETag"]}, timeout=30).status_code == 304
    set_pages(product, [Page("default", "", "/", "Home")])
    second = product.session.get(path, headers={"If-None-Match": first.headers["ETag"]}, timeout=30)
    assert [row["key"] for row in second.json()["rows"]] == ["Home"]


def test_rows_by_page_are_those_of_the_reference_s_words():
    """The reference knows every dimension that the product has."""
    from event_tracker.query.stats.web.dimensions import DIMENSIONS
    from event_tracker.query.stats.web.top import NAMES, SLOWEST

    assert {*reference.BYS, *reference.NAMES} == {*DIMENSIONS, *NAMES, SLOWEST}
