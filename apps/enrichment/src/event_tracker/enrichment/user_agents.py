"""The families that a User-Agent names, the type of device, and whether it is a program's instead of a person's.

Families are those of ua-parser. Bots are those of the list crawler-user-agents (MIT; crawlers, monitors, feed readers, HTTP libraries,
browsers that programs drive), what ua-parser calls a spider, and what calls itself a bot.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

PACKAGES = ("crawleruseragents", "ua_parser_rs")
"""What is needed: the extra `agents`."""

MAX_CHARACTERS = 500
"""Characters of a User-Agent that are read."""

MAX_CACHED = 5000
"""User-Agents whose results are cached: reading a new one takes half a millisecond."""

SELF_DECLARED_BOT = re.compile(r"(?<!\bcu)bot\b|crawl|spider|headless|https?://|\w@\w", re.IGNORECASE)
"""What no browser's User-Agent has: the word, or an address (of a page, or for mail) that explains the program. (Cubot makes phones.)"""

TABLET = re.compile(r"iPad|Tablet|Kindle|Silk/|PlayBook|Android(?!.*Mobile)")
MOBILE = re.compile(r"Mobi|iPhone|iPod|Opera Mini|Windows Phone")


class UserAgent(NamedTuple):
    """What a User-Agent says.

    Attributes:
        browser: the family, such as `Firefox` or `Mobile Safari`; None if it isn't known. So are the next two.
        system: the family, such as `Windows` or `iOS`.
        device: the family, such as `iPhone`; desktop computers have none. Bots may be `Spider`.
        device_type: `desktop`, `mobile`, `tablet` or `bot`; None if nothing is known.
    """

    browser: str | None
    system: str | None
    device: str | None
    device_type: str | None

    @property
    def is_bot(self) -> bool:
        """Whether a program sent it that no person looks at."""
        return self.device_type == "bot"

    def properties(self) -> dict[str, str]:
        """As properties of an event: `$browser`, `$os`, `$device`, `$device_type`, as far as they are known."""
        named = {"$browser": self.browser, "$os": self.system, "$device": self.device, "$device_type": self.device_type}
        return {name: value for name, value in named.items() if value is not None}


@cache
def load_user_agents() -> Callable[[str], UserAgent]:
    """Load a function that reads a User-Agent, once in a process. Its rules take some 35 MiB and half a second."""
    from crawleruseragents import is_crawler
    from ua_parser import Parser
    from ua_parser.loaders import load_builtins
    from ua_parser.regex import Resolver

    parser = Parser(Resolver(load_builtins()))

    @lru_cache(MAX_CACHED)
    def read(user_agent: str) -> UserAgent:
        # A family may be text from the header, and PostgreSQL can't store U+0000.
        text = user_agent[:MAX_CHARACTERS].replace("\0", "")
        found = parser.parse(text)
        browser, system, device = map(_family, (found.user_agent, found.os, found.device))
        is_bot = device == "Spider" or SELF_DECLARED_BOT.search(text) is not None or is_crawler(text)
        return UserAgent(browser, system, device, "bot" if is_bot else _find_device_type(text, browser, system))

    return read


def _family(part: Any) -> str | None:
    return None if part is None else part.family


def _find_device_type(text: str, browser: str | None, system: str | None) -> str | None:
    """The type of device. iPads that ask for desktop pages name themselves Macs, and count as desktop computers."""
    if browser is None and system is None:
        return None
    if TABLET.search(text):
        return "tablet"
    return "mobile" if MOBILE.search(text) else "desktop"
