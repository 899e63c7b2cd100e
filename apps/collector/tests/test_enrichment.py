"""ENRICH: what a collector adds to events from pages, and that it stores no address."""

import ipaddress

import netaddr
import pytest
import requests
from mmdb_writer import MMDBWriter

from event_tracker.collector.parsing.enrichment import client_address
from event_tracker.enrichment.addresses import network_of

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1"
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

PAGE = {"Origin": "https://shop.example"}
EVENT = {"user_id": "ann", "event_type": "view", "properties": {"page": "/"}}


@pytest.fixture
def start(start_service, postgres, database, owner):
    """start(ENRICH="browser"): a collector whose pages may send."""
    owner.execute("update sources set allowed_origins = '{*}'")

    def start(**settings):
        return start_service(
            "collector",
            DATABASE_URL=postgres.url(database, "collector"),
            CORS_ORIGINS="*",
            LOG_LEVEL="debug",
            **settings,
        )

    return start


@pytest.fixture
def stored(owner):
    """stored(collector, headers): the properties of an event that was sent with these headers."""

    def stored(collector, headers, event=EVENT):
        answer = requests.post(f"{collector.url}/events", json=event, headers=headers, timeout=30)
        assert answer.status_code == 201, answer.text
        found = owner.execute("select properties from events where event_id = %s", [answer.json()["event_id"]])
        return found.fetchone()[0]

    return stored


@pytest.fixture
def countries(tmp_path):
    """A file of countries: 203.0.113.0/24 lies in Portugal, 2001:db8:1::/48 in Norway; 198.51.100.0/24 as IPinfo writes it,
    100.64.0.0/24 as flat files do."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-Country")
    writer.insert_network(netaddr.IPSet(["203.0.113.0/24"]), {"country": {"iso_code": "PT"}})
    writer.insert_network(netaddr.IPSet(["2001:db8:1::/48"]), {"country": {"iso_code": "NO"}})
    writer.insert_network(netaddr.IPSet(["198.51.100.0/24"]), {"country": "CH"})
    writer.insert_network(netaddr.IPSet(["192.0.2.0/24"]), {"continent": {"code": "EU"}})
    town = {"country_code": "FR", "city": "Lyon", "state1": "Rhône", "latitude": 45.7578, "longitude": 4.832}
    writer.insert_network(netaddr.IPSet(["100.64.0.0/24"]), town)
    writer.to_db_file(str(tmp_path / "countries.mmdb"))
    return tmp_path / "countries.mmdb"


def test_nothing_is_added_unless_it_is_asked_for(start, stored):
    collector = start()
    assert stored(collector, {**PAGE, "User-Agent": FIREFOX}) == {"page": "/"}


def test_the_families_of_a_page_s_user_agent_are_added(start, stored):
    collector = start(ENRICH="browser")
    assert stored(collector, {**PAGE, "User-Agent": FIREFOX}) == {
        "page": "/",
        "$browser": "Firefox",
        "$os": "Windows",
        "$device_type": "desktop",
    }
    assert stored(collector, {**PAGE, "User-Agent": IPHONE}) == {
        "page": "/",
        "$browser": "Mobile Safari",
        "$os": "iOS",
        "$device": "iPhone",
        "$device_type": "mobile",
    }
    bot = stored(collector, {**PAGE, "User-Agent": BOT})
    assert (bot["$device"], bot["$device_type"]) == ("Spider", "bot")
    for odd in ("", "who knows", "Mozilla/5.0 (" * 500, "ü\xff"):
        assert stored(collector, {**PAGE, "User-Agent": odd.encode("latin-1")}) == {"page": "/"}, odd


def test_what_a_server_sends_says_nothing_of_a_user(start, stored):
    collector = start(ENRICH="browser,network")
    assert stored(collector, {"User-Agent": FIREFOX}) == {"page": "/"}


def test_what_the_event_says_itself_stays(start, stored):
    collector = start(ENRICH="browser,network")
    event = {**EVENT, "properties": {"$browser": "Lynx", "$network": None}}
    assert stored(collector, {**PAGE, "User-Agent": FIREFOX}, event) == {
        "$browser": "Lynx",
        "$network": None,
        "$os": "Windows",
        "$device_type": "desktop",
    }


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_every_event_of_a_batch_gets_it(start, owner, kind):
    collector = start(ENRICH="browser")
    one = '{"user_id": "ann", "event_type": "view"}'
    body = f"[{one},{one}]" if kind == "application/json" else f"{one}\n{one}\n"
    headers = {**PAGE, "User-Agent": FIREFOX, "Content-Type": kind}
    assert requests.post(f"{collector.url}/events", data=body, headers=headers, timeout=30).json()["stored"] == 2
    assert owner.execute("select distinct properties from events").fetchall() == [
        ({"$os": "Windows", "$browser": "Firefox", "$device_type": "desktop"},)
    ]


def test_a_schema_is_about_what_was_sent(start, stored, owner):
    owner.execute("update sources set schema_mode = 'enforce'")
    owner.execute(
        """insert into event_schemas values ('default', 'view', 1, '{"properties": {"page": {}}, "additionalProperties": false}')"""
    )
    collector = start(ENRICH="browser")
    assert stored(collector, {**PAGE, "User-Agent": FIREFOX})["$browser"] == "Firefox"


def test_country_and_network_are_those_of_the_address_that_the_trusted_proxy_saw(start, stored, countries):
    collector = start(ENRICH="country,network", COUNTRY_DATABASE=countries, TRUSTED_HOPS=1)

    def seen(chain):
        return stored(collector, {**PAGE, "X-Forwarded-For": chain} if chain else PAGE)

    assert seen("203.0.113.77") == {"page": "/", "$country": "PT", "$network": "203.0.113.0/24"}
    # What the client wrote itself stands further left.
    assert seen("8.8.8.8, 203.0.113.77") == {"page": "/", "$country": "PT", "$network": "203.0.113.0/24"}
    assert seen("203.0.113.77:4711")["$country"] == "PT"
    assert seen("::ffff:203.0.113.77")["$country"] == "PT"
    assert seen("[2001:db8:1:2::5]:443") == {"page": "/", "$country": "NO", "$network": "2001:db8:1::/48"}
    assert seen("198.51.100.1")["$country"] == "CH"
    assert seen("192.0.2.1") == {"page": "/", "$network": "192.0.2.0/24"}
    for unknown in ("unknown", "_hidden", "", None):
        assert seen(unknown) == {"page": "/"}


def test_the_town_is_that_of_the_file(start, stored, countries):
    collector = start(ENRICH="country,city", COUNTRY_DATABASE=countries, TRUSTED_HOPS=1)
    assert stored(collector, {**PAGE, "X-Forwarded-For": "100.64.0.7"}) == {
        "page": "/",
        "$country": "FR",
        "$region": "Rhône",
        "$city": "Lyon",
        "$latitude": 45.8,
        "$longitude": 4.8,
    }
    assert stored(collector, {**PAGE, "X-Forwarded-For": "203.0.113.77"}) == {"page": "/", "$country": "PT"}


def test_page_views_get_their_source(start, stored):
    collector = start(ENRICH="source")

    def source(event_type="page_view", headers=PAGE, **properties):
        found = stored(collector, headers, {"user_id": "ann", "event_type": event_type, "properties": properties})
        return found.get("$source"), found.get("$channel")

    assert source(page="/", host="shop.example") == ("direct", "direct")
    assert source(host="shop.example", referrer="https://www.google.com/") == ("Google", "search")
    assert source(host="shop.example", referrer="https://news.example/a") == ("news.example", "site")
    assert source(host="Shop.example:8443", referrer="https://shop.example/a") == ("internal", "internal")
    assert source(host="shop.example", referrer="https://www.shop.example/a") == ("internal", "internal")
    campaign = {"utm_source": "Newsletter", "utm_medium": "email"}
    assert source(host="shop.example", referrer="https://mail.google.com/", **campaign) == ("newsletter", "email")
    assert source(referrer=["no text"], host=7, utm_source=None) == ("direct", "direct")
    assert source(**{"$source": "mine"}) == ("mine", "direct")
    assert source("purchase", referrer="https://www.google.com/") == (None, None)
    assert source(headers={}, referrer="https://www.google.com/") == (None, None)


def test_without_proxies_it_is_who_connects(start, stored):
    collector = start(ENRICH="network")
    assert stored(collector, {**PAGE, "X-Forwarded-For": "203.0.113.77"})["$network"] == "127.0.0.0/24"


def said_of_requests(service):
    """A service's log, but for the address that it listens on itself."""
    own = ("Listening at", "Current configuration")
    return "".join(line for line in service.log.read_text().splitlines(True) if not any(say in line for say in own))


def test_no_address_is_stored_or_logged(start, stored, owner, countries):
    collector = start(ENRICH="browser,country,network", COUNTRY_DATABASE=countries, TRUSTED_HOPS=1)
    headers = {**PAGE, "X-Forwarded-For": "203.0.113.77", "User-Agent": FIREFOX}
    stored(collector, headers)
    assert requests.post(f"{collector.url}/events", json={"nothing": 1}, headers=headers, timeout=30).status_code == 422
    requests.get(f"{collector.url}/nowhere", headers=headers, timeout=30)
    for (table,) in owner.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    ).fetchall():
        rows = repr(owner.execute(f'select row::text from "{table}" as row').fetchall())
        assert "203.0.113.77" not in rows, table
        assert "Gecko" not in rows, table
    log = said_of_requests(collector)
    assert '"status": 422' in log
    assert not [said for said in ("203.0.113", "127.0.0.1", "Gecko") if said in log]


def test_the_query_service_logs_no_address_either(start_service, postgres, database):
    query = start_service("query", DATABASE_URL=postgres.url(database, "query"), LOG_LEVEL="debug")
    requests.get(f"{query.url}/events?user_id=ann", headers={"X-Forwarded-For": "203.0.113.77"}, timeout=30)
    requests.get(f"{query.url}/events?user_id=ann&limit=0", headers={"X-Forwarded-For": "203.0.113.77"}, timeout=30)
    log = said_of_requests(query)
    assert '"status": 422' in log
    assert not [said for said in ("203.0.113", "127.0.0.1", "ann") if said in log]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"ENRICH": "browsers"}, "ENRICH"),
        ({"ENRICH": "country"}, "COUNTRY_DATABASE"),
        ({"ENRICH": "city"}, "ENRICH=city needs an MMDB file here"),
        ({"ENRICH": "country", "COUNTRY_DATABASE": "/nowhere.mmdb"}, "COUNTRY_DATABASE"),
        ({"TRUSTED_HOPS": "-1"}, "TRUSTED_HOPS"),
    ],
)
def test_settings_that_cannot_be_are_told(start_service, settings, says):
    service = start_service("collector", wait=False, DATABASE_URL="postgresql://nowhere/x", **settings)
    assert service.process.wait(30) == 1
    assert says in service.log.read_text()


@pytest.mark.parametrize(
    ("chain", "hops", "address"),
    [
        ("1.1.1.1, 2.2.2.2, 3.3.3.3", 1, "3.3.3.3"),
        ("1.1.1.1, 2.2.2.2, 3.3.3.3", 2, "2.2.2.2"),
        ("1.1.1.1, 2.2.2.2, 3.3.3.3", 3, "1.1.1.1"),
        ("1.1.1.1, 2.2.2.2, 3.3.3.3", 4, None),
        ("fe80::1%eth0", 1, "fe80::1"),
        ("2001:db8::1", 1, "2001:db8::1"),
        ("1.1.1.1,", 1, None),
        ("", 1, None),
        ("1.1.1.1", 0, "9.9.9.9"),
    ],
)
def test_the_client_stands_so_many_hops_from_the_right(chain, hops, address):
    environ = {"REMOTE_ADDR": "9.9.9.9", "HTTP_X_FORWARDED_FOR": chain}
    assert client_address(environ, hops) == (address and ipaddress.ip_address(address))


def test_networks_leave_out_who_it_is():
    assert network_of(ipaddress.ip_address("203.0.113.77")) == "203.0.113.0/24"
    assert network_of(ipaddress.ip_address("2001:db8:1:2:3::4")) == "2001:db8:1::/48"
