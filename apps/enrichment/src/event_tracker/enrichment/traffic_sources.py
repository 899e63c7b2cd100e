"""Where a visitor came from: a traffic source and a channel, by the referrer and the parameters of the page's query.

What the site's own links say (`utm_*`) counts before the referrer. The hosts of `known_hosts.txt` are search engines, social networks,
assistants and mail programs; every other host is a traffic source of its own.

What sends events with a write key is called a source, too, and has nothing to do with this.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import urlsplit

CHANNELS = {
    "direct": "no referrer and no `utm_*`: typed in, a bookmark, an app, or a browser that says nothing",
    "internal": "another page of the site",
    "search": "a search engine",
    "social": "a social network, a forum, a messenger",
    "assistant": "an assistant such as ChatGPT",
    "email": "a mail program, or `utm_medium=email`",
    "paid": "an advertisement: `utm_medium` says so (`cpc`, `display`, `paid_social`), or the click has an id of Google or Microsoft Ads",
    "campaign": "every other link with `utm_*`",
    "site": "another site",
}
"""The values of `$channel`."""

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
"""Parameters that name a campaign."""

PAID_CLICKS = {
    "gclid": "Google",
    "gbraid": "Google",
    "wbraid": "Google",
    "dclid": "Google",
    "msclkid": "Bing",
}
"""Parameters that only links of advertisements have → who sold the advertisement. Their values name a click, and are stored nowhere."""

SHARED_CLICKS = {"fbclid": "Facebook", "igshid": "Instagram", "ttclid": "TikTok", "twclid": "X"}
"""Parameters that social networks add to every link, paid or not → the network."""

CLICK_IDS = frozenset({*PAID_CLICKS, *SHARED_CLICKS})

MAX_CHARACTERS = 200
"""Characters of a traffic source's name."""

MAX_URL = 2000
"""Characters of a referrer that are read, as many as tracker.js sends."""

MAX_HOST = 253
"""Characters of a host name (RFC 1035)."""

_is_paid = re.compile(
    r"cp[acmv]|ppc|ads?|display|banner|retargeting|remarketing|paid.*|.*[-_ ]paid|affiliate"
).fullmatch
_is_email = re.compile(r"e[-_ ]?mails?|newsletter|mailing").fullmatch
_is_social = re.compile(r"social.*|sm").fullmatch
_national = re.compile(r"(?P<name>[^.]+)\.(?:com|net|org|[a-z]{2}|co\.[a-z]{2}|com\.[a-z]{2})").fullmatch


class TrafficSource(NamedTuple):
    """A traffic source, such as `Google`, `newsletter` or `news.example`, and its channel (`CHANNELS`)."""

    name: str
    channel: str

    def properties(self) -> dict[str, str]:
        """As properties of an event."""
        return {"$source": self.name, "$channel": self.channel}


DIRECT = TrafficSource("direct", "direct")
INTERNAL = TrafficSource("internal", "internal")


class _KnownHosts(NamedTuple):
    by_host: Mapping[str, TrafficSource]
    by_national_name: Mapping[str, TrafficSource]  # "google" for google.*
    by_name: Mapping[str, TrafficSource]  # in lower case


@lru_cache(1)
def _known() -> _KnownHosts:
    by_host, by_national_name, by_name = {}, {}, {}
    for line in (files(__package__) / "known_hosts.txt").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        channel, name, hosts = line.split("\t")
        source = TrafficSource(name, channel)
        by_name[name.lower()] = source
        for host in hosts.split():
            if host.endswith(".*"):
                by_national_name[host.removesuffix(".*")] = source
            else:
                by_host[host] = source
    return _KnownHosts(by_host, by_national_name, by_name)


def find_source(referrer: str | None, parameters: Mapping[str, str], own_hosts: Collection[str] = ()) -> TrafficSource:
    """Where the visitor of a page came from.

    Args:
        referrer: the URL of the page with the link, or what the browser said instead.
        parameters: those of the page's own query, by name: `utm_*`, and ids of clicks (`CLICK_IDS`).
        own_hosts: the site's own, in lower case. `www.` in front makes no difference.
    """
    host = host_of(referrer[:MAX_URL]) if referrer else None
    by_referrer = _find_by_host(host, own_hosts) if host else DIRECT
    return _find_by_campaign(parameters, by_referrer) if parameters else by_referrer


def host_of(url: str) -> str | None:
    """The host that a URL names, in lower case; None if it names none."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    return host.rstrip(".") if host and len(host) <= MAX_HOST and host.strip(".") else None


def without_www(host: str) -> str:
    """A host without `www.` in front."""
    return host.removeprefix("www.")


@lru_cache(5000)
def _known_source(host: str) -> TrafficSource | None:
    known = _known()
    labels = host.split(".")
    for first in range(len(labels)):
        below = ".".join(labels[first:])
        if source := known.by_host.get(below):
            return source
    national = _national(host)
    return known.by_national_name.get(national["name"]) if national else None


def _find_by_host(host: str, own_hosts: Collection[str]) -> TrafficSource:
    bare = without_www(host)
    if any(bare == without_www(own) for own in own_hosts):
        return INTERNAL
    return _known_source(bare) or TrafficSource(bare[:MAX_CHARACTERS], "site")


def _find_by_campaign(parameters: Mapping[str, str], by_referrer: TrafficSource) -> TrafficSource:
    """The traffic source that the parameters name; that of the referrer if they name none."""
    named = parameters.get("utm_source", "").strip().lower()
    medium = parameters.get("utm_medium", "").strip().lower()
    paid_by = next((owner for name, owner in PAID_CLICKS.items() if name in parameters), None)
    shared_by = next((owner for name, owner in SHARED_CLICKS.items() if name in parameters), None)
    if not (named or medium or paid_by or shared_by or parameters.get("utm_campaign", "").strip()):
        return by_referrer
    if named:
        known = _known().by_name.get(named) or (_known_source(without_www(named)) if "." in named else None)
        name = known.name if known else named[:MAX_CHARACTERS]
    else:
        known = None
        name = paid_by or (by_referrer.name if by_referrer not in (DIRECT, INTERNAL) else shared_by or "campaign")
    if paid_by or _is_paid(medium):
        return TrafficSource(name, "paid")
    if _is_email(medium) or (not medium and _is_email(named)):
        return TrafficSource(name, "email")
    if _is_social(medium):
        return TrafficSource(name, "social")
    if not (named or medium or parameters.get("utm_campaign", "").strip()):  # nothing but the network's own parameter
        return by_referrer if by_referrer not in (DIRECT, INTERNAL) else TrafficSource(name, "social")
    return TrafficSource(name, "search" if medium == "organic" and known and known.channel == "search" else "campaign")
