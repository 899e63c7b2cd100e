"""Where an address is, by an MMDB file (MaxMind DB) of countries or of cities.

Files of different makers have different fields:

| maker | country | city |
| --- | --- | --- |
| GeoLite2, DB-IP | `country.iso_code` | `city.names.en`, `subdivisions[0].names.en`, `location.latitude` |
| IPinfo | `country` is the code, or `country_code` is and `country` the name | `city`, `region`, `lat`, `lng` as texts |
| flat files (ip-location-db) | `country_code` | `city`, `state1`, `latitude` |
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

PACKAGES = ("maxminddb",)
"""What is needed: the extra `places`."""

MAX_CACHED = 20_000
"""Addresses whose places are cached: a visitor has many requests, and a lookup takes 2 to 10 µs."""

COORDINATE_DIGITS = 1
"""Digits behind the point of latitude and longitude: some ten kilometres, so that they name a town and no house."""

_is_code = re.compile(r"[A-Z]{2}").fullmatch


class Place(NamedTuple):
    """Where an address is, as far as the file knows.

    Attributes:
        country: ISO 3166-1 alpha-2.
        region: the name of the country's subdivision.
        city: its name, in English where there are several.
        latitude, longitude: degrees, rounded to one digit.
    """

    country: str | None = None
    region: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    def city_properties(self) -> dict[str, str | float]:
        """As properties of an event: `$region`, `$city`, `$latitude` and `$longitude`, as far as they are known."""
        named = {
            "$region": self.region,
            "$city": self.city,
            "$latitude": self.latitude,
            "$longitude": self.longitude,
        }
        return {name: value for name, value in named.items() if value is not None}


NOWHERE = Place()


def load_places(file: str) -> Callable[[str], Place]:
    """Load a function from an address, as text, to its place. The file is mapped into memory.

    Raises:
        OSError: if the file can't be read. It is a `ValueError` if it isn't an MMDB file.
    """
    import maxminddb

    try:
        reader = maxminddb.open_database(file)
    except maxminddb.InvalidDatabaseError as error:
        raise ValueError(f"{file} isn't an MMDB file: {error}") from None

    @lru_cache(MAX_CACHED)
    def locate(address: str) -> Place:
        try:
            found: Any = reader.get(address)
        except ValueError:  # no address, or one of IPv6 in a file that has IPv4 alone
            return NOWHERE
        return read_record(found) if isinstance(found, dict) else NOWHERE

    return locate


def read_record(record: Mapping[str, Any]) -> Place:
    """The place that a record of a file names, whoever made the file."""
    subdivisions = record.get("subdivisions")
    first = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else None
    location = record.get("location")
    point = location if isinstance(location, dict) else record
    latitude, longitude = (_coordinate(point, *names) for names in (("latitude", "lat"), ("longitude", "lng")))
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):  # some files write 0, 0 for unknown
        latitude = longitude = None
    region = _name(first) or _name(record.get("region")) or _name(record.get("state1"))
    return Place(_country(record), region, _name(record.get("city")), latitude, longitude)


def _country(record: Mapping[str, Any]) -> str | None:
    country = record.get("country")
    codes = (record.get("country_code"), country.get("iso_code") if isinstance(country, dict) else country)
    for code in codes:
        if isinstance(code, str) and _is_code(code.upper()):
            return code.upper()
    return None


def _name(value: Any) -> str | None:
    if isinstance(value, dict):
        names = value.get("names")
        value = (names.get("en") or next(iter(names.values()), None)) if isinstance(names, dict) else value.get("name")
    return value if isinstance(value, str) and value.strip() else None


def _coordinate(point: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        with suppress(TypeError, ValueError):
            if name in point:
                return round(float(point[name]), COORDINATE_DIGITS)
    return None
