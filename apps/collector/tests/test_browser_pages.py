"""The browser's tracker in Chromium: which page views there are, and what each says of its page."""

from sites import until, wait_until_sent

SEARCH = "http://search.test/"


def go(page, path):
    """Navigate as apps on the Navigation API do, without `history`."""
    page.evaluate("async (path) => { await navigation.navigate(path).finished }", path)


def test_pages_of_the_navigation_api_are_views_once_each(shop, page):
    page.goto(f"{shop.site.origin}/")
    page.evaluate("navigation.addEventListener('navigate', (event) => event.intercept({ handler: async () => {} }))")
    for path in ("/products", "/products/7", "/products/7", "/products/7?sort=1", "/cart"):
        go(page, path)
    page.evaluate("history.pushState({}, '', '/pushed')")
    page.evaluate("history.replaceState({}, '', '/replaced')")
    page.evaluate("async () => { await navigation.back().finished }")
    wait_until_sent(page)
    names = ("/", "/products", "/products/7", "/cart", "/pushed", "/replaced", "/cart")
    assert shop.stored("page") == [("page_view", name) for name in names]


def test_parameters_that_are_named_belong_to_the_page(shop, page):
    shop.put(attributes='data-page-parameters="t, page"')
    page.goto(f"{shop.site.origin}/viewtopic.php?t=1")
    page.goto(f"{shop.site.origin}/viewtopic.php?secret=1&page=2&t=%C3%A9%20b#/route")
    page.evaluate("history.pushState({}, '', '?t=3')")
    page.evaluate("history.pushState({}, '', '?t=3&secret=2')")
    page.evaluate("history.pushState({}, '', '?secret=2')")
    page.click("#buy")
    wait_until_sent(page)
    assert shop.stored("page") == [
        ("page_view", "/viewtopic.php?t=1"),
        ("page_view", "/viewtopic.php?t=%C3%A9+b&page=2#/route"),
        ("page_view", "/viewtopic.php?t=3"),
        ("page_view", "/viewtopic.php"),
        ("buy", "/viewtopic.php"),
    ]


def test_a_frame_without_an_address_is_no_page_and_its_clicks_are_the_outer_pages(shop, page):
    inner = shop.site.html.replace("&", "&amp;").replace('"', "&quot;")
    shop.site.html = f'<!doctype html><iframe srcdoc="{inner}"></iframe>'
    page.goto(f"{shop.site.origin}/outer?token=secret")
    frame = page.frame_locator("iframe")
    frame.locator("#buy").click()
    frame.locator("#in").click()
    until(page, "Object.keys(localStorage).some((name) => name.startsWith('tracker:clock'))")
    wait_until_sent(page)
    assert shop.stored("page") == [("buy", "/outer")]
