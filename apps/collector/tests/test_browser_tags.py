"""The tracker script in Chromium: the ways in which a page can load it."""

import re
from pathlib import Path

import pytest
from sites import BODY, make_source, track, until, wait_until_sent

DOCS = (Path(__file__).parents[3] / "docs" / "browser.md").read_text()
IDLE = "Object.keys(localStorage).filter((name) => /^tracker[^:]*:event:/.test(name)).length === 0"


def stub():
    """The line of docs/browser.md that goes before the tag."""
    return re.search(r"<script>\s*window\.tracker\|\|=.*\s*</script>", DOCS)[0]


def put(shop, head, body=BODY):
    shop.site.html = f"<!doctype html><meta charset=utf-8><title>Shop</title>{head}{body}"


def users(shop):
    return shop.owner.execute("select event_type, user_id from events order by timestamp").fetchall()


def test_calls_before_the_script_are_made_once_it_is_there(shop, page):
    tag = f'<script defer src="{shop.collector.url}/tracker.js" data-write-key="{shop.key}"></script>'
    early = """<script>
      const { track } = window.tracker;
      tracker.identify("ann"); track("early", { n: 1 }); track("early", { n: 2 }); tracker.identify("ben"); track("early", { n: 3 });
    </script>"""
    put(shop, stub() + tag + early)
    page.goto(f"{shop.site.origin}/")
    track(page, "late", {"n": 4})
    wait_until_sent(page)
    assert shop.stored("n") == [("page_view", None), *[("early", n) for n in (1, 2, 3)], ("late", 4)]
    assert [user for _, user in users(shop)] == ["ann", "ann", "ann", "ben", "ben"]


def test_calls_before_the_script_are_kept_where_nothing_is_recorded_by_itself(shop, page):
    tag = f'<script async src="{shop.collector.url}/tracker.js" data-write-key="{shop.key}" data-auto="false"></script>'
    put(shop, stub() + '<script>tracker.track("early"); tracker.nothing?.()</script>' + tag)
    page.goto(f"{shop.site.origin}/")
    until(page, "tracker.q === undefined")
    wait_until_sent(page)
    assert shop.stored() == [("early",)]


def test_settings_can_be_parameters_of_the_scripts_url(shop, page):
    """As a tag manager adds it: an element that a script makes, without data attributes."""
    src = f"{shop.collector.url}/tracker.js?write_key={shop.key}&namespace=shop&page_parameters=t&endpoint={shop.collector.url}/events"
    put(
        shop,
        f"""<script>
          const tag = document.createElement("script");
          tag.src = "{src}";
          document.head.append(tag);
        </script>""",
    )
    page.goto(f"{shop.site.origin}/topic?t=1&u=2")
    until(page, f"window.tracker && {IDLE}")
    assert shop.stored("page") == [("page_view", "/topic?t=1")]
    assert page.evaluate("Object.keys(localStorage).every((name) => name.startsWith('tracker-shop:'))")


def test_attributes_go_before_parameters(shop, page):
    src = f"{shop.collector.url}/tracker.js?write_key=wk_x&auto=false"
    put(shop, f'<script defer src="{src}" data-write-key="{shop.key}"></script>')
    page.goto(f"{shop.site.origin}/")
    track(page, "mine")
    wait_until_sent(page)
    assert shop.stored() == [("mine",)]


@pytest.mark.parametrize(
    ("attributes", "second"), [("", "tracker-KEY"), ('data-namespace="whole"', "tracker-whole")], ids=["key", "named"]
)
def test_two_tags_with_two_keys_are_two_trackers(shop, page, attributes, second):
    other = make_source(shop.owner, "whole", [shop.site.origin])
    second = second.replace("KEY", other)
    src = f"{shop.collector.url}/tracker.js"
    tag = f'<script defer src="{src}" data-write-key="{shop.key}"></script>'
    more = f'<script defer src="{src}" data-write-key="{other}" {attributes}></script>'
    put(shop, tag + more + tag + more)
    page.goto(f"{shop.site.origin}/a")
    page.evaluate("history.pushState({}, '', '/b')")
    page.click("#buy")
    track(page, "mine")
    page.evaluate(f"window['{second}'].identify('ann')")
    page.evaluate(f"window['{second}'].track('theirs')")
    until(page, IDLE)
    both = [("page_view", "/a"), ("page_view", "/b"), ("buy", "/b")]
    assert shop.stored("page") == [*both, ("mine", None)]
    found = shop.owner.execute(
        "select event_type, properties ->> 'page', user_id from events where source = 'whole' order by timestamp"
    ).fetchall()
    assert [(kind, name) for kind, name, _ in found] == [*both, ("identify", None), ("theirs", None)]
    assert [user == "ann" for *_, user in found] == [False, False, False, True, True]


@pytest.mark.parametrize("key", [True, False], ids=["key", "parameter"])
def test_it_works_as_a_module(shop, page, key):
    how = f'data-write-key="{shop.key}"' if key else ""
    query = "" if key else f"?write_key={shop.key}"
    put(
        shop,
        f'<script>1</script><script type="module" crossorigin src="{shop.collector.url}/tracker.js{query}" {how}></script>',
    )
    page.goto(f"{shop.site.origin}/")
    until(page, "window.tracker")
    wait_until_sent(page)
    assert shop.stored() == [("page_view",)]


def test_a_module_without_a_tag_warns_and_throws_nothing(shop, page):
    """The page's fixture fails at an uncaught error."""
    put(shop, "")
    page.goto(f"{shop.site.origin}/")
    with page.expect_console_message(lambda message: message.text.startswith("tracker:")):
        page.evaluate(f"import('{shop.collector.url}/tracker.js').then(() => {{ window.imported = true }})")
    until(page, "window.imported")
    assert page.evaluate("window.tracker === undefined")


def test_another_programs_tracker_is_left_alone(shop, page):
    put(
        shop,
        '<script>window.tracker = { track() { return "theirs" } }</script>'
        f'<script defer src="{shop.collector.url}/tracker.js" data-write-key="{shop.key}"></script>',
    )
    page.goto(f"{shop.site.origin}/")
    assert page.evaluate("tracker.track()") == "theirs"
    assert page.evaluate("localStorage.length") == 0


def test_a_page_that_is_made_ready_is_recorded_once_it_is_shown(shop, page):
    """Prerendering, as a page sees it."""
    page.add_init_script("Object.defineProperty(document, 'prerendering', { get: () => !window.shown })")
    page.goto(f"{shop.site.origin}/")
    track(page, "early")
    page.evaluate("tracker.identify('ann')")
    assert page.evaluate("localStorage.length") == 0
    page.evaluate("window.shown = true; document.dispatchEvent(new Event('prerenderingchange'))")
    track(page, "late")
    wait_until_sent(page)
    assert shop.stored() == [("page_view",), ("early",), ("identify",), ("late",)]
    assert users(shop)[-1] == ("late", "ann")
