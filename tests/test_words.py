"""Names and words that were replaced by the field's own stay away."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools import ROOT

PYTHON = [path for folder in ("apps", "tests", "bench", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))]
PROSE = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

REPLACED = {
    "admit": "authenticate",
    "catalog": "source_cache",
    "commitments": "hmac",
    "doors": "authentication",
    "event_filter": "event_query",
    "failures": "error_mapping",
    "front": "middleware",
    "invent": "fake_users",
    "know_user": "upsert_user",
    "lessen_counts": "decrement_counts",
    "patched": "gevent_patch",
    "reach": "find_wider_range",
    "room": "memory_budget",
    "slices": "export_pages",
    "subjects": "users",
    "telling": "what it routes",
    "told": "query_result",
    "type_filter": "type_query",
    "turns": "concurrency_limit",
    "vouched": "external_identity",
    "whose": "source_restriction",
}
"""Old name of a module, class or function → what it is called now. Old names that are also words of the field aren't here."""

PHRASES = {
    r"\banew\b": "again",
    r"\b(is|are|was|be) away\b": "is unavailable",
    r"\bheeds?\b": "applies",
    r"\bthe house\b": "the layout",
}


def words_of(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")


def names_in(path: Path) -> Iterator[str]:
    """The module's name, and those of its classes and functions."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def test_names_are_those_of_the_field():
    found = [
        f"{path.relative_to(ROOT)}: {name}; say {REPLACED[words_of(name)]}"
        for path in PYTHON
        for name in names_in(path)
        if words_of(name) in REPLACED
    ]
    assert not found, "\n".join(found)


def test_texts_are_in_plain_words():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}; say {plain}"
        for path in [*PROSE, *PYTHON]
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for phrase, plain in PHRASES.items()
        if re.search(phrase, line, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)


def test_upper_limits_begin_with_one_word():
    found = [
        f"{path.relative_to(ROOT)}: {name}; say MAX_"
        for path in PYTHON
        for name in re.findall(r"^(MOST_\w+)", path.read_text(), re.MULTILINE)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("name", "words"), [("SourceCache", "source_cache"), ("_told", "told"), ("OIDC", "oidc")])
def test_a_name_is_compared_by_its_words(name, words):
    assert words_of(name) == words
