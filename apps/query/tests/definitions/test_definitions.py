"""Every rule that docs/definitions.md states has a test of its name."""

import ast
import re
from pathlib import Path

PAGE = (Path(__file__).parents[4] / "docs" / "definitions.md").read_text()
RULES = re.findall(r"^- \*\*(.+?)\.\*\*", PAGE, flags=re.MULTILINE)


def test_every_rule_has_a_test():
    tests = {
        node.name
        for file in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(RULES) > 60
    assert [rule for rule in RULES if "test_" + re.sub(r"\W+", "_", rule.lower()) not in tests] == []


def test_every_term_is_in_the_table():
    terms = {
        re.sub(r"[^\w ]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    }
    assert terms == set(re.findall(r"^\| \[.+?\]\(#(.+?)\)", PAGE, flags=re.MULTILINE))
