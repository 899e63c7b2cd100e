"""The tracker script in Chromium: a page that is left, or whose tab is closed, sends what it can, and leaves the rest to the next."""

import time

from sites import track, wait_until_sent
from waiting import eventually

UNLOAD_SECONDS = 0.5
"""How long Chromium lets the handlers of a tab take that is closed. Then it ends the tab, and drops what they still send."""

TRIES = 10


def close(shop, page):
    """Close a tab as its user does. Return whether its handlers of `pagehide` have run in time: a busy machine may take longer.

    Another page of the site, without a tracker, reads when the last of them ran.
    """
    page.evaluate("addEventListener('pagehide', () => { localStorage.left = Date.now() })")
    began = time.time()
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    shop.site.pages["/empty"] = "<!doctype html>"
    empty = page.context.new_page()
    empty.goto(f"{shop.site.origin}/empty")
    left = empty.evaluate("+localStorage.left || Infinity")
    empty.evaluate("delete localStorage.left")
    empty.close()
    return left / 1000 < began + UNLOAD_SECONDS


def test_a_tab_that_is_closed_at_once_delivers(shop, context):
    visited = []
    in_time = 0
    while in_time < 3:
        assert len(visited) < TRIES
        visited.append(f"/page-{len(visited)}")
        page = context.new_page()
        page.goto(shop.site.origin + visited[-1])
        if close(shop, page):
            in_time += 1
            assert eventually(lambda: ("page_view", visited[-1]) in shop.stored("page"))
    page = context.new_page()
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    assert shop.stored("page") == [("page_view", name) for name in [*visited, "/"]]


def test_a_tab_that_is_closed_while_a_batch_is_under_way_delivers_both(shop, browser):
    """Batch and beacon together stay below the 64 KiB that browsers let be under way; the rest is for the next page."""
    assert any(close_with_a_batch_under_way(shop, browser, number) for number in range(TRIES))


def test_a_tab_that_is_ended_before_its_handlers_have_run_leaves_its_events_to_the_next_page(shop, browser):
    blocking = f"addEventListener('pagehide', () => {{ for (const from = Date.now(); Date.now() - from < {4000 * UNLOAD_SECONDS}; ); }})"
    assert not close_with_a_batch_under_way(shop, browser, 0, script=blocking)


def close_with_a_batch_under_way(shop, browser, number, script=""):
    """Nothing is lost or stored twice in any case. Return whether the browser let the handlers of the page run, so that the beacon came, too.

    Args:
        script: what the page runs before its tracker.
    """
    shop.put(attributes='data-auto="false"')
    batch, beacon = [(f"batch-{number}", n) for n in range(80)], [(f"beacon-{number}", n) for n in range(70)]

    def stored():
        return [(kind, n) for kind, n in shop.stored("n") if kind.endswith(f"-{number}")]

    def track_all(page, events):
        page.evaluate(
            "(all) => { for (const [name, n] of all) tracker.track(name, { n, filling: 'x'.repeat(250) }) }", events
        )

    with browser.new_context() as context:
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.add_init_script(script)
        page.goto(f"{shop.site.origin}/")
        track(page, "first")
        wait_until_sent(page)
        with shop.collector.silent():
            with page.expect_request("**/events?*"):
                track_all(page, batch)
            track_all(page, beacon)
            was_in_time = close(shop, page)
        if was_in_time:
            assert eventually(lambda: len(stored()) > 80 + 20)
            found = stored()
            assert found == [*batch, *beacon][: len(found)]
        page = context.new_page()
        page.goto(f"{shop.site.origin}/")
        wait_until_sent(page)
        assert stored() == [*batch, *beacon]
    return was_in_time


def test_more_than_a_beacon_holds_is_sent_by_the_next_page(shop, page):
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    page.evaluate("for (let n = 0; n < 300; n++) tracker.track('many', { n, filling: 'x'.repeat(500) })")
    page.goto(f"{shop.site.origin}/next")
    wait_until_sent(page)
    assert [n for kind, n in shop.stored("n") if kind == "many"] == list(range(300))
    assert [kind for kind, *_ in shop.stored() if kind == "page_view"] == ["page_view"] * 2
