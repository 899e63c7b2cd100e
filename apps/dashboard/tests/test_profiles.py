"""A browser's profile that another test has used is like a new one (tests/support/tabs.py)."""

from contextlib import suppress

from playwright.sync_api import Error


def look(page):
    return page.evaluate("""[
        window.script, localStorage.length, sessionStorage.length, document.cookie.includes('a=1'), innerWidth,
        matchMedia("(prefers-color-scheme: dark)").matches, matchMedia("(prefers-reduced-motion)").matches,
    ]""")


def test_the_next_test_finds_nothing_of_the_one_before(profile, lonely_dashboard):
    used = profile()
    url = f"{lonely_dashboard.url}/_stcore/health"
    visitor = used.visit(lonely_dashboard.url)
    visitor.page.goto(url)
    found = look(visitor.page)

    visitor.add_script("window.script = true")
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.page.emulate_media(color_scheme="dark")
    visitor.page.evaluate("localStorage.a = sessionStorage.a = 1; document.cookie = 'a=1'")
    visitor.page.goto(url)
    assert all(now != before for now, before in zip(look(visitor.page)[:-1], found[:-1], strict=True))
    used.context.new_page()
    used.empty()

    assert used.context.cookies() == []
    visitor.hosts.clear()
    following = used.visit(lonely_dashboard.url)
    following.page.goto(url)
    assert look(following.page) == found
    assert used.context.pages == [following.page] == [visitor.page]
    assert visitor.hosts == set()


def test_a_tab_that_has_crashed_is_not_used_again(profile, lonely_dashboard):
    used = profile()
    visitor = used.visit(lonely_dashboard.url)
    with visitor.page.expect_event("crash"), suppress(Error):
        visitor.page.goto("chrome://crash")
    used.empty()
    following = used.visit(lonely_dashboard.url)
    assert following.page != visitor.page
    following.page.goto(f"{following.url}/_stcore/health")
