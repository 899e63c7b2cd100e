"""The shop as a web site: pages that people come back to read, and what its page views say."""

from event_tracker.cli.simulate.scenarios.description import Script, Step, visit
from event_tracker.cli.simulate.scenarios.site import PAGE_VIEW, Share, Site

TITLES = {
    "/": "Home",
    "/offers": "Offers",
    "/thanks": "Thank you",
    "/journal": "Journal",
    "/journal/oak-or-ash": "Oak or ash?",
    "/journal/a-desk-for-two": "A desk for two",
    "/journal/light-in-winter": "Light in winter",
    "/lookbook/autumn": "Lookbook: autumn",
    "/delivery": "Delivery",
    "/returns": "Returns",
    "/stores": "Our shops",
    "/care/wood": "How to care for wood",
    "/gift-cards": "Gift cards",
}


def _read(*pages: str) -> Script:
    return visit(*(Step(PAGE_VIEW, 55, {"page": page}) for page in pages))


reading = (
    _read("/journal/oak-or-ash"),
    _read("/", "/journal", "/journal/light-in-winter"),
    _read("/journal/a-desk-for-two", "/offers"),
    _read("/delivery"),
    _read("/lookbook/autumn", "/offers", "/gift-cards"),
    _read("/", "/stores"),
    _read("/care/wood", "/journal"),
    _read("/journal/light-in-winter"),
    _read("/", "/offers"),
    _read("/returns", "/delivery"),
    _read("/journal/oak-or-ash", "/care/wood"),
)
"""Visits of people who come back."""


def _client(percent: int, browser: str, os: str) -> Share:
    return Share(percent, {"$browser": browser, "$os": os})


def _city(percent: int, name: str, latitude: float, longitude: float) -> Share:
    return Share(percent, {"$city": name, "$latitude": latitude, "$longitude": longitude})


def _from(source: str, channel: str, **campaign: str) -> dict[str, str]:
    return {"$source": source, "$channel": channel, **campaign}


NEWSLETTER = {"utm_source": "newsletter", "utm_medium": "email"}

site = Site(
    host="shop.example",
    titles=TITLES,
    clients={
        "mobile": (
            _client(46, "Chrome", "Android"),
            _client(41, "Safari", "iOS"),
            _client(8, "Samsung Internet", "Android"),
            _client(5, "Firefox", "Android"),
        ),
        "desktop": (
            _client(48, "Chrome", "Windows"),
            _client(17, "Safari", "macOS"),
            _client(14, "Edge", "Windows"),
            _client(13, "Firefox", "Linux"),
            _client(8, "Chrome", "macOS"),
        ),
        "tablet": (_client(70, "Safari", "iPadOS"), _client(30, "Chrome", "Android")),
    },
    cities={
        "DE": (
            _city(30, "Berlin", 52.52, 13.41),
            _city(22, "Hamburg", 53.55, 9.99),
            _city(20, "Munich", 48.14, 11.58),
            _city(16, "Cologne", 50.94, 6.96),
            _city(12, "Leipzig", 51.34, 12.37),
        ),
        "AT": (_city(70, "Vienna", 48.21, 16.37), _city(30, "Graz", 47.07, 15.44)),
        "CH": (_city(60, "Zurich", 47.37, 8.54), _city(40, "Basel", 47.56, 7.59)),
        "FR": (_city(65, "Paris", 48.86, 2.35), _city(35, "Lyon", 45.76, 4.84)),
        "NL": (_city(100, "Amsterdam", 52.37, 4.9),),
        "PL": (_city(60, "Warsaw", 52.23, 21.01), _city(40, "Krakow", 50.06, 19.94)),
        "IT": (_city(100, "Milan", 45.46, 9.19),),
        "ES": (_city(100, "Barcelona", 41.39, 2.17),),
        "DK": (_city(100, "Copenhagen", 55.68, 12.57),),
    },
    arrivals={
        None: _from("direct", "direct"),
        "https://www.google.com/": _from("Google", "search"),
        "newsletter": _from("newsletter", "email", **NEWSLETTER, utm_campaign="welcome"),
        "https://www.instagram.com/": _from(
            "Instagram", "paid", utm_source="instagram", utm_medium="paid_social", utm_campaign="autumn"
        ),
        "https://duckduckgo.com/": _from("DuckDuckGo", "search"),
    },
    returns=(
        Share(48, _from("direct", "direct")),
        Share(17, _from("Google", "search")),
        Share(14, _from("newsletter", "email", **NEWSLETTER, utm_campaign="winter-light")),
        Share(8, _from("Pinterest", "social")),
        Share(6, _from("interiors.example", "site")),
        Share(4, _from("ChatGPT", "assistant")),
        Share(3, _from("Bing", "search")),
    ),
)
