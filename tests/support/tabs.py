"""A browser's profile whose tabs one test after another uses. A tab keeps its process, and that keeps what it has compiled of the
dashboard's scripts: opening a page takes less than half of the CPU."""

from playwright.sync_api import BrowserContext, Error, Page, ViewportSize
from visitors import Visitor

VIEW: ViewportSize = {"width": 1280, "height": 900}


class Profile:
    """A profile, which one test after another has to itself."""

    def __init__(self, context: BrowserContext) -> None:
        """Args: context: pages in it have the size VIEW and the light theme."""
        self.context = context
        self._free: list[Page] = []
        self._visitors: list[Visitor] = []

    def visit(self, url: str) -> Visitor:
        """Make a visitor of the dashboard at this address, with an empty tab."""
        self._visitors.append(Visitor(self._free.pop() if self._free else self.context.new_page(), url))
        return self._visitors[-1]

    def empty(self) -> None:
        """At the end of a test: nobody visits any more, and no cookie is left."""
        self._free += [visitor.page for visitor in self._visitors if _leave(visitor)]
        self._visitors.clear()
        for page in self.context.pages:
            if page not in self._free:
                page.close()
        self.context.clear_cookies()


def _leave(visitor: Visitor) -> bool:
    """Empty the visitor's tab, and the storage of the page in it. False if that isn't possible: it may be closed or have crashed."""
    page = visitor.page
    try:
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
        visitor.leave()
        page.goto("about:blank")
        page.set_viewport_size(VIEW)
        page.emulate_media(color_scheme="light")
    except Error:
        return False
    return True
