"""The browser's tracker in Chromium: which page views there are, and what each says of its page."""

from sites import wait_until_sent

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
