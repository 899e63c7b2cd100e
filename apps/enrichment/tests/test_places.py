"""Countries and towns of addresses, whoever made the file."""

import netaddr
import pytest
from mmdb_writer import MMDBWriter

from event_tracker.enrichment.places import NOWHERE, Place, load_places, read_record

BERLIN = Place("DE", "Land Berlin", "Berlin", 52.5, 13.4)

LAYOUTS = {
    "GeoLite2-Country, DB-IP": (
        {"continent": {"code": "EU"}, "country": {"iso_code": "DE", "names": {"en": "Germany"}}},
        Place("DE"),
    ),
    "GeoLite2-City": (
        {
            "city": {"names": {"de": "Berlin", "en": "Berlin"}},
            "country": {"iso_code": "DE"},
            "location": {"latitude": 52.5196, "longitude": 13.4069, "accuracy_radius": 100},
            "subdivisions": [{"iso_code": "BE", "names": {"en": "Land Berlin"}}],
        },
        BERLIN,
    ),
    "IPinfo, countries": ({"country": "DE", "country_name": "Germany", "continent": "EU"}, Place("DE")),
    "IPinfo Lite": ({"asn": "AS1", "country": "Germany", "country_code": "DE"}, Place("DE")),
    "IPinfo, towns": (
        {"city": "Berlin", "region": "Land Berlin", "country": "DE", "lat": "52.51960", "lng": "13.40690"},
        BERLIN,
    ),
    "ip-location-db, countries": ({"country_code": "FR"}, Place("FR")),
    "ip-location-db, towns": (
        {
            "city": "Berlin",
            "country_code": "DE",
            "latitude": 52.5196,
            "longitude": 13.4069,
            "postcode": "",
            "state1": "Land Berlin",
            "state2": "",
            "timezone": "",
        },
        BERLIN,
    ),
    "a name without a code": ({"country": "Germany"}, NOWHERE),
    "a code in small letters": ({"country_code": "de"}, Place("DE")),
    "a continent alone": ({"continent": {"code": "EU"}}, NOWHERE),
    "no English name": ({"city": {"names": {"de": "Köln"}}}, Place(city="Köln")),
    "0, 0 for unknown": ({"country": "DE", "latitude": 0.0, "longitude": 0.0, "city": ""}, Place("DE")),
    "half a point": ({"country": "DE", "latitude": 52.5}, Place("DE")),
    "no number": ({"country": "DE", "latitude": "north", "longitude": None}, Place("DE")),
    "other types": ({"country": 7, "city": [], "subdivisions": {}, "location": "here"}, NOWHERE),
}


@pytest.mark.parametrize(("record", "place"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_record_of_any_layout_is_read(record, place):
    assert read_record(record) == place


def test_a_file_is_read_by_address(tmp_path):
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test")
    writer.insert_network(netaddr.IPSet(["203.0.113.0/24"]), {"country_code": "PT"})
    writer.insert_network(netaddr.IPSet(["2001:db8:1::/48"]), {"country": {"iso_code": "NO"}})
    writer.to_db_file(str(tmp_path / "places.mmdb"))
    locate = load_places(str(tmp_path / "places.mmdb"))
    assert locate("203.0.113.7").country == "PT"
    assert locate("2001:db8:1:2::5").country == "NO"
    assert locate("192.0.2.1") == locate("localhost") == locate("") == NOWHERE


def test_ipv6_in_a_file_that_has_ipv4_alone_is_nowhere(tmp_path):
    writer = MMDBWriter(ip_version=4, database_type="Test")
    writer.insert_network(netaddr.IPSet(["203.0.113.0/24"]), {"country_code": "PT"})
    writer.to_db_file(str(tmp_path / "places.mmdb"))
    locate = load_places(str(tmp_path / "places.mmdb"))
    assert (locate("203.0.113.7").country, locate("2001:db8::1")) == ("PT", NOWHERE)


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "places.mmdb").write_text("no")
    with pytest.raises(ValueError, match=r"places\.mmdb isn't an MMDB file"):
        load_places(str(tmp_path / "places.mmdb"))
