"""The name of a page: its path, readable and always the same, and the parameters of the query that tell pages apart."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import quote_plus, unquote_plus, unquote_to_bytes

MAX_CHARACTERS = 2000
"""Characters of a page's name, as in tracker.js."""

MAX_CACHED = 5000

_escapes = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_must_be_escaped = re.compile(r"[\x00-\x1f\x7f-\x9f/?#%\u2028\u2029]")


@lru_cache(MAX_CACHED)
def read_path(path: str, *, strip_slash: bool = False) -> str:
    """A path without escapes, so that `/caf%C3%A9` and `/caf%c3%a9` are both `/café`.

    Escapes stay, in capitals, where the character has a meaning in a URL (`/`, `?`, `#`, `%`), can't be seen, or isn't UTF-8.

    Args:
        strip_slash: `/about/` is the page `/about`.
    """
    if "%" in path:
        path = _escapes.sub(_unescape, path)
    path = path[:MAX_CHARACTERS]
    return path.rstrip("/") or "/" if strip_slash else path


def _unescape(found: "re.Match[str]") -> str:
    try:
        text = unquote_to_bytes(found[0]).decode()
    except UnicodeDecodeError:
        return found[0].upper()
    return _must_be_escaped.sub(lambda character: "".join(f"%{byte:02X}" for byte in character[0].encode()), text)


def read_parameters(query: str | None, names: frozenset[str]) -> dict[str, str]:
    """The parameters of a query with these names, decoded. Of several with one name, the last one."""
    if not query:
        return {}
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {name: unquote_plus(value) for name, _, value in pairs if name in names}


def name_page(path: str, parameters: Mapping[str, str], page_parameters: Sequence[str]) -> str:
    """The page's name: its path and, in this order, those of the page parameters that it has. tracker.js writes the same."""
    kept = [(name, parameters[name]) for name in page_parameters if name in parameters]
    if not kept:
        return path
    return f"{path}?{'&'.join(f'{_encode(name)}={_encode(value)}' for name, value in kept)}"[:MAX_CHARACTERS]


def _encode(text: str) -> str:
    """Encode as URLSearchParams does."""
    return quote_plus(text, safe="*").replace("~", "%7E")
