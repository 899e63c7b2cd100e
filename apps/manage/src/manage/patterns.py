"""How much work a pattern may be for each character of a text.

The engine goes through a text once, but at each character through all the places of the pattern where it may be: of
`[ab]*a[ab]{800}c` some 800. (An automaton that has them all as one state grows with two to the power of that.)
"""

import re
from typing import NamedTuple

_tokens = re.compile(
    r"\\[pPxuU]\{[^}]*\}|\\.|\[(?:[^\]\\]|\\.)*+\]|\(\?P?<[^>=!]*>|\(\?[^():]*:|\{\d+(?:,\d*)?\}|.", re.DOTALL
).finditer

ZERO_WIDTH = frozenset({"^", "$", r"\b", r"\B", r"\A", r"\z"})
CLASSES = frozenset({r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", "."})
MOST_REPEATS = 1_000_000


class Places(NamedTuple):
    """Of a pattern.

    Attributes:
        all: how many there are, each as often as it is repeated.
        growing: how many may be looked at at once, at each character of a text that is made for it.
    """

    all: int
    growing: int


class _Group:
    """A group that is being read: the places in it, and those of its last part, which a quantifier may repeat."""

    def __init__(self) -> None:
        self.all = self.wide = self.last = self.last_wide = 0

    def add(self, count: int, wide: int) -> None:
        self.last, self.last_wide = count, wide
        self.all += count
        self.wide += wide

    def repeat(self, times: int) -> None:
        count = min(MOST_REPEATS, self.last * times)
        wide = count if times > 1 else self.last_wide
        self.all += count - self.last
        self.wide += wide - self.last_wide
        self.last, self.last_wide = count, wide


def count_places(pattern: str) -> Places:
    """Count the places of a pattern that compiles. One that is written in an unusual way may have too many counted."""
    groups = [_Group()]
    is_free = not pattern.startswith("^")
    for token in _tokens(pattern):
        part, group = token[0], groups[-1]
        if part.startswith("("):
            groups.append(_Group())
        elif part == ")" and len(groups) > 1:
            inner = groups.pop()
            groups[-1].add(inner.all, inner.wide)
        elif part[0] == "{" and len(part) > 1:
            least, _, most = part[1:-1].partition(",")
            group.repeat(max(1, int(least[:7]), int(most[:7] or 0)))
            is_free |= part.endswith(",}")
        elif part in "*+?|":
            is_free |= part in "*+" or (part == "|" and len(groups) == 1)
        elif part not in ZERO_WIDTH:
            is_class = part[0] == "[" or part in CLASSES or part[:2] in (r"\p", r"\P")
            group.add(1, int(is_class))
    total, wide = sum(group.all for group in groups), sum(group.wide for group in groups)
    return Places(total, wide if is_free else 0)
