"""How the simulated visitors look in a log: their addresses and user agents, and the links that they followed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6"
ANDROID, WINDOWS = "Mozilla/5.0 (Linux; Android 10; K)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"


class Browser(NamedTuple):
    """A user agent, and how its browser and system are called by whoever reads it."""

    user_agent: str
    name: str
    system: str


BROWSERS = {
    ("mobile", "Chrome"): Browser(f"{ANDROID} {CHROME} Mobile Safari/537.36", "Chrome Mobile", "Android"),
    ("mobile", "Safari"): Browser(
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1", "Mobile Safari", "iOS"
    ),
    ("mobile", "Samsung Internet"): Browser(
        f"{ANDROID} AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
        "Samsung Internet", "Android",
    ),
    ("mobile", "Firefox"): Browser(
        "Mozilla/5.0 (Android 14; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0", "Firefox Mobile", "Android"
    ),
    ("Windows", "Chrome"): Browser(f"{WINDOWS} {CHROME} Safari/537.36", "Chrome", "Windows"),
    ("Windows", "Edge"): Browser(f"{WINDOWS} {CHROME} Safari/537.36 Edg/141.0.0.0", "Edge", "Windows"),
    ("macOS", "Safari"): Browser(f"{MAC} {SAFARI} Safari/605.1.15", "Safari", "Mac OS X"),
    ("macOS", "Chrome"): Browser(f"{MAC} {CHROME} Safari/537.36", "Chrome", "Mac OS X"),
    ("Linux", "Firefox"): Browser("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox", "Linux"),
    ("tablet", "Safari"): Browser(
        f"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1", "Mobile Safari", "iOS"
    ),
    ("tablet", "Chrome"): Browser(f"{ANDROID} {CHROME} Safari/537.36", "Chrome", "Android"),
}  # fmt: skip
"""By the type of device, or of a desktop by its system, and by the browser as the site names it."""

BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

REFERRERS = {
    "direct": None,
    "newsletter": None,
    "Google": "https://www.google.com/",
    "Bing": "https://www.bing.com/",
    "DuckDuckGo": "https://duckduckgo.com/",
    "Instagram": "https://l.instagram.com/",
    "Pinterest": "https://www.pinterest.com/",
    "ChatGPT": "https://chatgpt.com/",
    "interiors.example": "https://www.interiors.example/2026/desks",
}
"""By `$source`, the page with the link. A mail program sends none."""


def browser_of(properties: Mapping[str, Any]) -> Browser:
    """The browser of a person with these properties."""
    device = str(properties["$device_type"])
    return BROWSERS[str(properties["$os"]) if device == "desktop" else device, str(properties["$browser"])]


def address_of(number: int) -> str:
    """The address of the person with this number: no two have the same. A quarter has IPv6."""
    if number % 4 == 3:
        return f"2001:db8::{number >> 16:x}:{number & 0xFFFF:x}"
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
