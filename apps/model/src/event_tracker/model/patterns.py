"""How much work a pattern may take for each character of a text.

The engine reads a text once, but at each character it visits all places in the pattern where a match may be: in
`[ab]*a[ab]{800}c` some 800. (An automaton with one state for each set of places would grow exponentially.)
"""

import re
from typing import NamedTuple

_tokens = re.compile(
    r"\\[pPxuU]\{[^}]*\}|\\.|\[(?:[^\]\\]|\\.)*+\]|\(\?P?<[^>=!]*>|\(\?[^():]*:|\{\d+(?:,\d*)?\}|.", re.DOTALL
).finditer

_is_anchored = re.compile(r"(?:\^|\\A)(?![*+?{])").match
"""Matches a pattern that begins with a required anchor: texts are matched from their start only."""

_ignores_blanks = re.compile(r"\(\?[a-zA-Z]*x").search

ZERO_WIDTH = frozenset({"^", "$", r"\b", r"\B", r"\A", r"\z"})

_is_escaped = re.compile(r"\\[^\w<>]", re.ASCII).fullmatch
"""Matches an escaped character that stands for itself."""

MAX_REPEATS = 1_000_000


class PlaceCount(NamedTuple):
    """The places of a pattern.

    Attributes:
        all: how many there are, each counted as often as it is repeated.
        growing: how many may be active at once, at each character of the worst text.
    """

    all: int
    growing: int


class _Group:
    """A group that is being read: its places, and those of its last part, which a quantifier may repeat."""

    def __init__(self) -> None:
        self.all = self.wide = self.last = self.last_wide = 0
        self._characters: list[str] = []

    def add_character(self, character: str) -> None:
        self._characters.append(character.casefold())

    def end_characters(self, *, is_quantified: bool = False) -> None:
        """Count the run of characters that was just read; a quantifier applies to its last one only."""
        row, self._characters = self._characters, []
        last = [row.pop()] if row and is_quantified else []
        for characters in (row, last):
            if characters:
                self.add(len(characters), _at_once(characters))

    def add(self, count: int, wide: int) -> None:
        self.last, self.last_wide = count, wide
        self.all += count
        self.wide += wide

    def repeat(self, times: int) -> None:
        count = min(MAX_REPEATS, self.last * times)
        wide = count if times > 1 else self.last_wide
        self.all += count - self.last
        self.wide += wide - self.last_wide
        self.last, self.last_wide = count, wide


def count_places(pattern: str) -> PlaceCount:
    """Count the places of a valid pattern. For unusual notation the count may be too high."""
    groups = [_Group()]
    is_free = not _is_anchored(pattern)
    for token in _tokens(pattern):
        part, group = token[0], groups[-1]
        if character := _character(part):
            group.add_character(character)
            continue
        group.end_characters(is_quantified=part[0] in "*+?{")
        if part.startswith("("):
            groups.append(_Group())
        elif part == ")" and len(groups) > 1:
            inner = groups.pop()
            groups[-1].add(inner.all, inner.wide)
        elif part[0] == "{":
            least, _, most = part[1:-1].partition(",")
            group.repeat(max(1, int(least[:7]), int(most[:7] or 0)))
            is_free |= part.endswith(",}")
        elif part in "*+?|":
            is_free |= part in "*+" or (part == "|" and len(groups) == 1)
        elif part not in ZERO_WIDTH:
            group.add(1, 1)
    groups[0].end_characters()
    total, wide = groups[0].all, groups[0].wide
    if _ignores_blanks(pattern):
        wide = total
    return PlaceCount(total, wide if is_free else 0)


def _character(part: str) -> str | None:
    """The character that a part of a pattern stands for, if it is one."""
    if len(part) == 1 and part not in "^$.()*+?|":
        return part
    return part[1] if _is_escaped(part) else None


def _at_once(characters: list[str]) -> int:
    """How many places of a run of characters may be active at once: of `shop` one, of `aaaa` four, of `abab` two.

    Two places are active at once if the text before one is a suffix of the text before the other. These are the places to
    which the Knuth-Morris-Pratt algorithm falls back.
    """
    back = [0] * (len(characters) + 1)  # by number of characters read: the length of the longest such suffix
    at_once = [0] * (len(characters) + 1)
    for read, character in enumerate(characters, 1):
        length = back[read - 1]
        while length and characters[length] != character:
            length = back[length]
        if read > 1:
            back[read] = length + (characters[length] == character)
        at_once[read] = at_once[back[read]] + 1
    return max(at_once)
