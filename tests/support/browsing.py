"""Records what Chromium reports during a test, to be shown if the test fails: errors in the console, failed requests, the pages
it opened, and the text of these pages at the end."""

from collections import deque

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page, Request, Response

PLAYWRIGHT_DISABLES = [
    "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin", "OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch",
    "msForceBrowserSignIn", "msEdgeUpdateLaunchServicesPreferredVersion",
]  # fmt: skip
"""What Playwright itself disables. Chromium takes the last of several lists, which is ours."""

ADDRESS_BAR = ["PreloadTopChromeWebUI", "WebUIOmniboxPopup", "WebUIOmniboxFullPopup", "WebUIOmniboxAimPopup"]
"""Chromium's suggestions below its address bar, which no test sees. They are pages of their own, of 400 scripts, that it loads for
each page that is opened: 0.8 s of CPU time instead of 0.2."""

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(PLAYWRIGHT_DISABLES + ADDRESS_BAR)}",
]

said: deque[str] = deque(maxlen=60)
_pages: list[Page] = []

NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED"
"""Chromium aborts its requests when a network of the machine appears or disappears, such as a container's."""


def listen(context: BrowserContext) -> None:
    """Record what the pages of a context report."""
    context.on("console", _note_console)
    context.on("weberror", lambda error: said.append(f"error: {error.error}"))
    context.on("requestfailed", _note_failure)
    context.on("response", _note_refusal)
    context.on("page", _follow)


def forget() -> None:
    """Drop what was recorded, and pages that are closed."""
    said.clear()
    _pages[:] = [page for page in _pages if not page.is_closed()]


def look() -> None:
    """Record the text of the open pages."""
    for page in _pages:
        try:
            lines = page.locator("body").inner_text(timeout=1000).splitlines()
            said.append("\n  ".join([f"shown: {page.url}", *filter(None, lines)]))
        except Error as error:
            said.append(f"not to be read: {page.url}: {error.message.splitlines()[0]}")


def _follow(page: Page) -> None:
    _pages.append(page)
    page.on("crash", lambda page: said.append(f"crashed: {page.url}"))
    page.on("framenavigated", lambda frame: said.append(f"at: {frame.url}"))


def _note_console(message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        said.append(f"{message.type}: {message.text}")


def _note_failure(request: Request) -> None:
    said.append(f"{request.failure}: {request.url}")


def _note_refusal(response: Response) -> None:
    if response.status >= 400:
        said.append(f"{response.status}: {response.url}")
