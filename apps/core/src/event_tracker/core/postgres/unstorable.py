r"""Characters that JSON can hold and PostgreSQL can't: U+0000, and halves of surrogate pairs, which aren't Unicode.

JSON in UTF-8 has them only as escapes (`\u0000`, `\ud83d`).
"""

import re

_REPLACEMENT = rb"\ufffd"

_characters = re.compile("[\0\ud800-\udfff]")
_escapes = re.compile(
    rb"\\(?:u(?:0000|d[89ab][\da-f]{2}(?:\\ud[c-f][\da-f]{2})?|d[c-f][\da-f]{2})|.)", re.DOTALL | re.IGNORECASE
)
"""Matches escapes of those characters, whole surrogate pairs, and the first two bytes of any other escape: `\\\\u0000` is a backslash
and text."""


def count_unstorable(text: str) -> int:
    """How many of these characters a text has."""
    return len(_characters.findall(text))


def replace_unstorable(json: bytes) -> bytes:
    """The same JSON with U+FFFD in the place of each of these characters, in names too; it has as many bytes."""
    return _escapes.sub(lambda escape: _REPLACEMENT if len(escape[0]) == len(_REPLACEMENT) else escape[0], json)
