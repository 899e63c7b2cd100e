"""What a User-Agent says: families, the kind of device, and bots."""

import pytest

from event_tracker.enrichment.user_agents import UserAgent, load_user_agents

CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 {}Safari/537.36"
SAFARI = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 {}Safari/605.1.15"


@pytest.fixture(scope="module")
def read():
    return load_user_agents()


@pytest.mark.parametrize(
    ("user_agent", "browser", "system", "kind"),
    [
        (CHROME.format("Windows NT 10.0; Win64; x64", ""), "Chrome", "Windows", "desktop"),
        (CHROME.format("Windows NT 10.0; Win64; x64", "") + " Edg/141.0.0.0", "Edge", "Windows", "desktop"),
        (CHROME.format("Linux; Android 10; K", "Mobile "), "Chrome Mobile", "Android", "mobile"),
        (CHROME.format("Linux; Android 10; K", ""), "Chrome", "Android", "tablet"),
        (SAFARI.format("Macintosh; Intel Mac OS X 10_15_7", ""), "Safari", "Mac OS X", "desktop"),
        (SAFARI.format("iPhone; CPU iPhone OS 18_6 like Mac OS X", "Mobile/15E148 "), "Mobile Safari", "iOS", "mobile"),
        (SAFARI.format("iPad; CPU OS 16_6 like Mac OS X", "Mobile/15E148 "), "Mobile Safari", "iOS", "tablet"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox", "Linux", "desktop"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0", "Firefox Mobile", "Android", "mobile"),
        ("Mozilla/5.0 (Android 14; Tablet; rv:144.0) Gecko/144.0 Firefox/144.0", "Firefox Mobile", "Android", "tablet"),
        (CHROME.format("Linux; Android 11; CUBOT NOTE 20", "Mobile "), "Chrome Mobile", "Android", "mobile"),
        ("who knows", None, None, None),
        ("", None, None, None),
    ],
)
def test_a_person_s_browser(read, user_agent, browser, system, kind):
    found = read(user_agent)
    assert (found.browser, found.system, found.device_type, found.is_bot) == (browser, system, kind, False)


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "facebookexternalhit/1.1",
        "curl/8.7.1",
        "python-requests/2.32.3",
        "Go-http-client/2.0",
        "Wget/1.21",
        "Feedly/1.0",
        "Mozilla/5.0 (compatible; something new; +https://new.example/about-us)",
        "Mozilla/5.0 (compatible; Ezooms/1.0; help@moz.example)",
        "OurOwnCrawler",
        CHROME.format("X11; Linux x86_64", "").replace("Chrome/", "HeadlessChrome/"),
    ],
)
def test_a_bot(read, user_agent):
    assert read(user_agent).is_bot
    assert read(user_agent).properties()["$device_type"] == "bot"


def test_properties_are_what_is_known(read):
    iphone = SAFARI.format("iPhone; CPU iPhone OS 18_6 like Mac OS X", "Mobile/15E148 ")
    assert read(iphone).properties() == {
        "$browser": "Mobile Safari",
        "$os": "iOS",
        "$device": "iPhone",
        "$device_type": "mobile",
    }
    assert UserAgent(None, None, None, None).properties() == {}


def test_of_a_long_user_agent_the_first_500_characters_are_read_and_no_nul_is_left(read):
    assert not read("x" * 500 + " Googlebot/2.1").is_bot
    assert "\0" not in str(read("Bot\0name/1.0"))
