"""The countries of the world: their names, and the map that the browser draws. `scripts/world-map` makes both files.

The map is Natural Earth's (public domain), by the npm package world-atlas (ISC); names are from i18n-iso-countries (MIT). Their
licences are beside the files.
"""

import gzip
import json
from functools import cache
from importlib import resources
from typing import Any
from zlib import crc32

_folder = resources.files(__package__) / "world"

NAMES: dict[str, str] = json.loads((_folder / "names.json").read_text("utf-8"))
"""English names by ISO 3166-1's two letters, as `$country` has them; XK is Kosovo."""

MAP = (_folder / "countries.json").read_bytes()
"""TopoJSON: `countries` are areas, `small` points of those that are too small to be seen. The ids are those two letters."""

PATH = f"/world-{crc32(MAP):08x}.json"
"""Where browsers get the map. Another map has another path, so they may keep it for ever."""


@cache
def compressed_map() -> bytes:
    """The map in gzip: a third of its size."""
    return gzip.compress(MAP, mtime=0)


def _ids(name: str) -> frozenset[str]:
    objects: dict[str, Any] = json.loads(MAP)["objects"]
    return frozenset(shape["id"] for shape in objects[name]["geometries"] if "id" in shape)


ON_MAP = _ids("countries")
"""The countries that the map has."""

SMALL = _ids("small")
"""Those of them that are too small to be seen."""
