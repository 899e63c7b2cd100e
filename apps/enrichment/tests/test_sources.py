"""Where a visitor came from, by the referrer and the parameters of the page's query."""

import pytest

from event_tracker.enrichment.traffic_sources import CHANNELS, CLICK_IDS, _known, find_source, host_of

OWN = ["shop.example"]


@pytest.mark.parametrize(
    ("referrer", "source", "channel"),
    [
        (None, "direct", "direct"),
        ("", "direct", "direct"),
        ("about:blank", "direct", "direct"),
        ("https://[bad/", "direct", "direct"),
        ("https://www.google.com/", "Google", "search"),
        ("https://google.co.uk/search?q=mugs", "Google", "search"),
        ("https://WWW.GOOGLE.DE:443/", "Google", "search"),
        ("android-app://com.google.android.googlequicksearchbox/", "Google", "search"),
        ("https://docs.google.com/document/1", "docs.google.com", "site"),
        ("https://google.evil.example/", "google.evil.example", "site"),
        ("https://notgoogle.com/", "notgoogle.com", "site"),
        ("https://de.search.yahoo.com/", "Yahoo", "search"),
        ("https://www.bing.com/", "Bing", "search"),
        ("https://copilot.microsoft.com/", "Copilot", "assistant"),
        ("https://chatgpt.com/", "ChatGPT", "assistant"),
        ("https://gemini.google.com/app", "Gemini", "assistant"),
        ("https://mail.google.com/mail/u/0/", "Gmail", "email"),
        ("https://l.facebook.com/l.php?u=x", "Facebook", "social"),
        ("https://t.co/AbC123", "X", "social"),
        ("https://next.co/", "next.co", "site"),
        ("https://news.ycombinator.com/", "Hacker News", "social"),
        ("https://www.news.example/a?b=c", "news.example", "site"),
        ("https://shop.example/mugs", "internal", "internal"),
        ("https://www.shop.example/", "internal", "internal"),
        ("https://blog.shop.example/", "blog.shop.example", "site"),
    ],
)
def test_a_referrer(referrer, source, channel):
    assert find_source(referrer, {}, OWN) == (source, channel)


@pytest.mark.parametrize(
    ("referrer", "parameters", "source", "channel"),
    [
        (None, {"utm_source": "Newsletter", "utm_medium": "email"}, "newsletter", "email"),
        ("https://mail.google.com/", {"utm_source": "autumn", "utm_medium": "e-mail"}, "autumn", "email"),
        (None, {"utm_source": "newsletter"}, "newsletter", "email"),
        ("https://www.google.com/", {"utm_source": "google", "utm_medium": "cpc"}, "Google", "paid"),
        ("https://www.google.com/", {"gclid": "x"}, "Google", "paid"),
        (None, {"msclkid": ""}, "Bing", "paid"),
        (None, {"utm_source": "facebook.com", "utm_medium": "paid_social"}, "Facebook", "paid"),
        (None, {"utm_source": "mastodon", "utm_medium": "social"}, "Mastodon", "social"),
        (None, {"utm_source": "google", "utm_medium": "organic"}, "Google", "search"),
        (None, {"utm_source": "poster", "utm_medium": "print"}, "poster", "campaign"),
        ("https://news.example/", {"utm_campaign": "spring"}, "news.example", "campaign"),
        (None, {"utm_campaign": "spring"}, "campaign", "campaign"),
        ("https://shop.example/", {"utm_medium": "display"}, "campaign", "paid"),
        ("https://news.example/", {"utm_source": " ", "utm_medium": ""}, "news.example", "site"),
        ("https://news.example/", {"utm_term": "mugs"}, "news.example", "site"),
        # Facebook adds its parameter to every link, paid or not.
        ("https://l.facebook.com/", {"fbclid": "x"}, "Facebook", "social"),
        (None, {"fbclid": "x"}, "Facebook", "social"),
        ("https://news.example/", {"fbclid": "x"}, "news.example", "site"),
    ],
)
def test_a_campaign_counts_before_the_referrer(referrer, parameters, source, channel):
    assert find_source(referrer, parameters, OWN) == (source, channel)


def test_no_value_of_a_click_id_is_in_the_answer():
    for name in CLICK_IDS:
        assert "s3cret" not in str(find_source("https://news.example/", {name: "s3cret"}, OWN))


def test_names_are_bounded():
    assert len(find_source(None, {"utm_source": "x" * 100_000}).name) == 200
    assert find_source(f"https://{'x' * 300}.example/", {}).channel == "direct"
    assert find_source(f"https://{'x' * 3000}@news.example/", {}).channel == "direct"
    assert host_of("https://a.example./") == "a.example"


def test_the_list_of_known_hosts_is_consistent():
    known = _known()
    assert (
        {source.channel for source in known.by_host.values()}
        == {"search", "social", "assistant", "email"}
        < {*CHANNELS}
    )
    assert len(known.by_name) > 100
    for host in known.by_host:
        assert host == host.lower().strip(".")
        assert not host.startswith("www.")
        assert "*" not in host
