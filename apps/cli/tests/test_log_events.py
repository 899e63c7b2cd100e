"""What becomes of a request: its kind, its visitor, its identity, its properties."""

import json
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import netaddr
import pytest
from click.testing import CliRunner
from mmdb_writer import MMDBWriter
from sent_files import VISITOR_SECRET

from event_tracker.cli.ingest.logs.events import EventMaker
from event_tracker.cli.ingest.logs.options import LogOptions
from event_tracker.cli.ingest.logs.request import Request
from event_tracker.cli.ingest.send import send

TIME = datetime(2026, 10, 1, 12, 0, 7, 654321, UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
VIEW = Request(TIME, "198.51.100.7", "GET", "/", host="www.example.com", status=200, user_agent=FIREFOX)
ALL = frozenset({"all"})


def make(request=VIEW, *, changed=None, **options):
    """The event of a request, as sent; None if it is left out."""
    maker = EventMaker(LogOptions(secret=VISITOR_SECRET, **options))
    made = maker.make(request._replace(**(changed or {})))
    return made.event and json.loads(made.event)


def properties(changed=None, **options):
    return make(changed=changed, **options)["properties"]


def test_a_page_view():
    request = VIEW._replace(
        path="/docs", query="utm_source=News&q=secret", bytes=4321, seconds=0.25, referrer="https://t.co/x?y=z",
        request_id="abc==", country="DE", edge_location="FRA56-P4", edge_result="Hit",
    )  # fmt: skip
    event = make(request)
    assert event.pop("user_id").startswith("v")
    assert event == {
        "event_type": "page_view",
        "timestamp": "2026-10-01T12:00:07Z",
        "event_id": str(uuid.uuid5(uuid.UUID("6f1e9a52-7f0b-5b7e-9d53-1f0a3c3b7c11"), "abc==")),
        "properties": {
            "page": "/docs",
            "host": "www.example.com",
            "status": 200,
            "bytes": 4321,
            "seconds": 0.25,
            "edge_location": "FRA56-P4",
            "edge_result": "Hit",
            "utm_source": "news",
            "referrer": "https://t.co/",
            "$source": "news",
            "$channel": "campaign",
            "$browser": "Firefox",
            "$os": "Linux",
            "$device_type": "desktop",
            "$country": "DE",
        },
    }


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({}, "page_view"),
        ({"status": None}, "page_view"),
        ({"status": 304}, "page_view"),
        ({"status": 304, "path": "/a.css"}, "asset"),
        ({"status": 301}, "redirect"),
        ({"status": 206}, "asset"),
        ({"status": 206, "path": "/a.pdf"}, "asset"),
        ({"status": 404}, "http_error"),
        ({"status": 503, "method": "POST"}, "http_error"),
        ({"status": 0}, "http_error"),
        ({"method": "HEAD"}, "http_head"),
        ({"method": "POST"}, "http_post"),
        ({"method": "x" * 31}, "malformed"),
        ({"method": "\x16\x03"}, "malformed"),
        ({"method": None, "path": None, "malformed": "\x16\x03", "status": 400}, "malformed"),
        ({"path": "/release-2.0"}, "page_view"),
        ({"path": "/index.php"}, "page_view"),
        ({"path": "/LOGO.PNG"}, "asset"),
        ({"path": "/feed.xml"}, "asset"),
        ({"path": "/price list.pdf"}, "download"),
        ({"path": "/src.tar.gz"}, "download"),
        ({"path": None}, "page_view"),
        ({"path": "/a.css", "content_type": "text/html; charset=utf-8"}, "page_view"),
        ({"path": "/a", "content_type": "Application/XHTML+xml"}, "page_view"),
        ({"path": "/a", "content_type": "application/json"}, "asset"),
        ({"path": "/a", "content_type": "application/pdf"}, "download"),
        ({"path": "/a.zip", "content_type": "application/octet-stream"}, "download"),
        ({"path": "/a", "content_type": "application/octet-stream"}, "asset"),
        ({"path": "/api/users"}, "asset"),
        ({"path": "/api/users", "status": 500}, "http_error"),
        ({"path": "/apiary"}, "page_view"),
        ({"user_agent": GOOGLEBOT}, "crawl"),
        ({"user_agent": GOOGLEBOT, "path": "/a.css"}, "crawl"),
        ({"user_agent": GOOGLEBOT, "status": 404}, "crawl"),
        ({"user_agent": GOOGLEBOT, "method": "HEAD"}, "crawl"),
        ({"user_agent": " "}, "crawl"),
        ({"user_agent": None}, "page_view"),
    ],
)
def test_the_kind_of_a_request(changed, kind):
    assert make(changed=changed, also=ALL, api_paths=("/api/",))["event_type"] == kind


def test_kinds_that_are_not_asked_for_are_left_out_and_counted():
    requests = [
        VIEW,
        VIEW._replace(path="/a.css"),
        VIEW._replace(path="/b.css"),
        VIEW._replace(status=301),
        VIEW._replace(method="POST"),
        VIEW._replace(status=404),
        VIEW._replace(path="/a.zip"),
        VIEW._replace(user_agent=GOOGLEBOT),
    ]
    maker = EventMaker(LogOptions(secret=VISITOR_SECRET, also=frozenset({"redirect"})))
    made = [maker.make(request) for request in requests]
    types = [one.event and json.loads(one.event)["event_type"] for one in made]
    assert types == ["page_view", None, None, "redirect", None, "http_error", "download", "crawl"]
    assert Counter(one.kind for one in made if not one.event) == {"asset": 2, "http_post": 1}


def test_a_request_id_gives_the_identity_whatever_else_the_line_has():
    legacy = VIEW._replace(request_id="abc==", time=TIME.replace(microsecond=0))
    newer = VIEW._replace(request_id="abc==", country="DE", bytes=1, time=TIME.astimezone(timezone(timedelta(hours=2))))
    first, second = make(legacy), make(newer)
    assert first["event_id"] == second["event_id"]
    assert first["user_id"] == second["user_id"]
    assert datetime.fromisoformat(first["timestamp"]) == datetime.fromisoformat(second["timestamp"])
    assert make(changed={"request_id": "abd=="})["event_id"] != first["event_id"]


def test_without_a_request_id_the_time_is_as_fine_as_the_line_has_it():
    event = make()
    assert "event_id" not in event
    assert event["timestamp"] == "2026-10-01T12:00:07.654321Z"


def user(changed=None, **options):
    return make(changed=changed, **options)["user_id"]


def test_a_visitor_is_a_keyed_hash_of_host_address_and_user_agent():
    assert len(user()) == 31
    assert user() == user({"time": TIME + timedelta(days=400), "path": "/other"})
    for changed in ({"address": "198.51.100.8"}, {"host": "other.example"}, {"user_agent": FIREFOX + "1"}):
        assert user(changed) != user()
    other = EventMaker(LogOptions(secret=VISITOR_SECRET + "2")).make(VIEW)
    assert json.loads(other.event)["user_id"] != user()
    assert user({"host": None}, host="www.example.com") == user()


def test_an_address_is_one_however_it_is_written():
    assert user({"address": "::ffff:198.51.100.7"}) == user()
    short, full = "2001:db8:1::5", "2001:0DB8:0001:0000:0000:0000:0000:0005"
    assert user({"address": short}) == user({"address": full}) != user({"address": "2001:db8:1::6"})
    assert user({"address": "client.example"}) != user({"address": None})


def test_ipv6_networks_are_one_visitor_if_asked_for():
    one, two, far = ({"address": f"2001:db8:1:{text}"} for text in ("2::5", "2:9:9:9:9", "3::5"))
    assert user(one) != user(two)
    assert user(one, ipv6_networks=True) == user(two, ipv6_networks=True) != user(far, ipv6_networks=True)
    assert user(ipv6_networks=True) != user({"address": "198.51.100.8"}, ipv6_networks=True)


@pytest.mark.parametrize(("period", "same", "other"), [("day", 1, 12), ("month", 24 * 30, 24 * 31)])
def test_a_period_gives_new_ids_by_the_request_s_own_date(period, same, other):
    at_noon = user(period=period)
    assert user({"time": TIME + timedelta(hours=same)}, period=period) == at_noon
    assert user({"time": TIME + timedelta(hours=other)}, period=period) != at_noon
    east = TIME.astimezone(timezone(timedelta(hours=14)))  # another date there
    assert user({"time": east}, period=period) == at_noon


def test_names_and_addresses_are_users_only_if_asked_for():
    assert user({"user": "Jane Roe"}).startswith("v")
    assert user({"user": "Jane Roe"}, users="names") == "Jane Roe"
    assert user(users="names") == user()
    made = EventMaker(LogOptions(secret=None, users="addresses")).make(VIEW)
    assert json.loads(made.event)["user_id"] == "198.51.100.7"


def test_nothing_that_names_a_person_is_in_the_event():
    text = json.dumps(
        make(
            VIEW._replace(
                user="jane", query="email=carol%40example.com&gclid=EAIaIQ&token=s3cret",
                referrer="https://www.google.com/search?q=secret", request_id="abc",
            )
        )
    )  # fmt: skip
    for part in ("198.51.100.7", "jane", "carol", "EAIaIQ", "s3cret", "secret", "Gecko", "token"):
        assert part not in text
    assert '"$channel": "paid"' in text


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/caf%C3%A9", "/café"),
        ("/caf%c3%a9", "/café"),
        ("/café", "/café"),
        ("/a%20b+c", "/a b+c"),
        ("/%7Eann", "/~ann"),
        ("/a%2fb%3F%23%25", "/a%2Fb%3F%23%25"),
        ("/%ff%fe", "/%FF%FE"),
        ("/100%", "/100%"),
        ("/%00%0a%E2%80%A8", "/%00%0A%E2%80%A8"),
        ("/" + "a" * 3000, "/" + "a" * 1999),
        ("/about/", "/about/"),
    ],
)
def test_the_name_of_a_page_is_its_path_without_escapes(path, page):
    assert properties({"path": path})["page"] == page


def test_a_slash_at_the_end_makes_no_difference_if_asked_for():
    pages = [properties({"path": path}, strip_slash=True)["page"] for path in ("/about/", "/about", "/", "//")]
    assert pages == ["/about", "/about", "/", "/"]


def test_parameters_that_tell_pages_apart_are_in_the_page_s_name_as_tracker_js_writes_it():
    queries = ("sid=9&t=1", "t=1&p=a%20b~%C3%A9", "t=1", "", None)
    pages = [properties({"query": query}, page_parameters=("p", "t"))["page"] for query in queries]
    assert pages == ["/?t=1", "/?p=a+b%7E%C3%A9&t=1", "/?t=1", "/", "/"]


def test_parameters_become_properties_if_they_are_named():
    found = properties(
        {"query": "plan=Pro%20%2B&ref=&utm_campaign=Autumn%20Sale&utm_source=&utm_id=7&x=1"}, parameters=("plan", "ref")
    )
    assert {name: found.get(name) for name in ("plan", "ref", "utm_campaign", "utm_source", "utm_id", "x")} == {
        "plan": "Pro +",
        "ref": None,
        "utm_campaign": "autumn sale",
        "utm_source": None,
        "utm_id": None,
        "x": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("referrer", "stored", "source", "channel"),
    [
        (None, None, "direct", "direct"),
        ("https://www.example.com/a", None, "internal", "internal"),
        ("https://shop.example.org/a", None, "internal", "internal"),
        ("https://News.example:8443/a?b=c#d", "https://news.example/", "news.example", "site"),
        ("android-app://com.google.android.gm/", "android-app://com.google.android.gm/", "Gmail", "email"),
        ("not a url", None, "direct", "direct"),
        ("<b>://x/", None, "direct", "direct"),
        ("a" * 100_000 + "://news.example/", None, "direct", "direct"),
        ("HTTP://news.example", "http://news.example/", "news.example", "site"),
    ],
)
def test_of_a_referrer_the_host_is_stored(referrer, stored, source, channel):
    found = properties({"referrer": referrer}, own_hosts=("shop.example.org",))
    assert (found.get("referrer"), found["$source"], found["$channel"]) == (stored, source, channel)


def test_only_page_views_and_downloads_have_a_source():
    kinds = {"path": "/a.zip"}, {"status": 404}, {"user_agent": GOOGLEBOT}
    assert ["$source" in properties(changed) for changed in kinds] == [True, False, False]


def test_a_method_other_than_get_is_a_property():
    assert "method" not in properties()
    assert properties({"method": "POST", "status": 404})["method"] == "POST"


def test_countries_and_cities(tmp_path):
    writer = MMDBWriter(ip_version=4, database_type="Test-City")
    record = {"country_code": "FR", "city": "Lyon", "latitude": 45.7578, "longitude": 4.832}
    writer.insert_network(netaddr.IPSet(["198.51.100.0/24"]), record)
    writer.to_db_file(str(tmp_path / "cities.mmdb"))
    file = tmp_path / "cities.mmdb"

    def place(changed=None, **options):
        found = properties(changed, country_database=file, **options)
        return {name: found[name] for name in found if name in ("$country", "$city", "$latitude", "$longitude")}

    assert place() == {"$country": "FR"}
    assert place({"country": "DE"}) == {"$country": "DE"}  # what the log says
    assert place(cities=True) == {"$country": "FR", "$city": "Lyon", "$latitude": 45.8, "$longitude": 4.8}
    assert place({"address": "192.0.2.1"}, cities=True) == {}
    assert place({"address": None}) == {}


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        ([], {}, "head -c 32 /dev/urandom | base64 > visitor-secret"),
        ([], {"VISITOR_SECRET": "short"}, "The visitor secret in VISITOR_SECRET needs 16 characters; it has 5."),
        ([], {"VISITOR_SECRET_FILE": "/nowhere/secret"}, "Can't read the visitor secret in /nowhere/secret"),
        (["--visitor-secret-file", "/dev/null"], {}, "/dev/null is empty."),
        (
            ["--also", "asset", "--also", "everything"],
            {},
            "'everything' is none of asset, malformed, redirect, http_post",
        ),
        (["--parameter", "status"], {}, "'status' is the name of a property"),
        (["--parameter", "utm_source"], {}, "'utm_source' is the name of a property"),
        (["--new-ids", "week"], {}, "'week' is not one of"),
        (["--country-database", "{log}"], {"VISITOR_SECRET": VISITOR_SECRET}, "access.log isn't an MMDB file"),
    ],
)
def test_options_that_cannot_be_are_said_before_anything_is_sent(store, tmp_path, arguments, environment, said):
    log, events = tmp_path / "access.log", tmp_path / "a.ndjson"
    log.write_text('198.51.100.7 - - [01/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 1\n')
    events.write_text('{"user_id": "ann", "event_type": "view", "timestamp": "2026-10-01T12:00:00Z"}\n')
    given = [argument.format(log=log) for argument in arguments]
    # Of several files, too, though others would be sent if one couldn't be read.
    for files in ([log], [events, log]):
        result = CliRunner().invoke(send, [*map(str, files), "--collector", store.url, *given], env=environment)
        assert result.exit_code == 2
        assert said in result.output
    assert store.stored == 0


def test_files_of_events_need_no_secret(store, tmp_path):
    events = tmp_path / "a.ndjson"
    events.write_text('{"user_id": "ann", "event_type": "view", "timestamp": "2026-10-01T12:00:00Z"}\n')
    result = CliRunner().invoke(send, [str(events), "--collector", store.url])
    assert result.output.startswith("1 lines: 1 stored")
