"""The report: tables in Markdown, which are printed and written between two marks of a document."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from bench.contest import Line, Terms
from bench.expectations import Expectation
from bench.postgres import SETTINGS

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

NEW = f"# Performance\n\n`make bench` measures; bench/README.md says how.\n\n{BEGIN}\n{END}\n"


def number(value: float) -> str:
    """Format a number with at least three digits, and only as many decimals as that needs."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: Iterable[float]) -> str:
    """The least and the greatest value; empty for fewer than two values."""
    several = list(values)
    return f"{number(min(several))} to {number(max(several))}" if len(several) > 1 else ""


def table(head: list[str], rows: Iterable[list[str]], right: str) -> str:
    """A Markdown table; `right` holds an r for each column of numbers."""
    rule = ["---:" if side == "r" else "---" for side in right]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def line_row(line: Line) -> list[str]:
    """A line's cells."""
    notes = [f"INVALID: {'; '.join(line.complaints)}"] if line.complaints else []
    if line.runs and line.broker_mib:
        notes.append(f"a broker: {line.broker_mib:.0f} MiB")
    if line.disturbed:
        notes.append(f"{line.disturbed} of {len(line.runs)} runs disturbed")
    return [
        line.name,
        str(line.processes or "-"),
        str(line.connections),
        f"**{number(line.rate)}**",
        spread(line.rates),
        number(line.p50_ms) if line.p50_ms else "-",
        number(line.p99_ms) if line.p99_ms else "-",
        number(line.cpu_ms),
        " / ".join(f"{line.cores(part):.2f}" for part in ("service", "postgres", "client")),
        f"{line.mib:.0f}" if line.mib else "-",
        ". ".join(notes),
    ]


def line_tables(lines: list[Line]) -> str:
    """A table for each section."""
    parts = []
    for section, members in groupby(lines, key=lambda line: line.section):
        several = list(members)
        head = [
            "", "processes", "connections", f"{several[0].unit}/s", "min to max", "p50 ms", "p99 ms", "CPU ms each",
            "cores: service / PostgreSQL / client", "MiB", "",
        ]  # fmt: skip
        parts.append(f"### {section}\n\n{table(head, map(line_row, several), 'lrrrrrrrrrl')}")
    return "\n\n".join(parts)


def expectation_table(expectations: list[Expectation]) -> str:
    """A table of expected and measured ratios."""
    rows = (
        [
            it.what,
            f"**{number(it.ratio)}{it.unit}**",
            spread(it.rounds),
            f"{'≤' if it.at_most else '≥'} {it.target:g}{it.unit}",
            "not judged" if not it.judged else "met" if it.met else "**not met**",
        ]
        for it in expectations
    )
    return table(["expected", "measured", "by round", "target", ""], rows, "lrrrl")


def compose(
    facts: dict[str, str], terms: Terms, lines: list[Line], expectations: list[Expectation], audited: dict[str, int]
) -> str:
    """The whole report."""
    settings = ", ".join(f"`{name} = {value}`" for name, value in SETTINGS.items())
    method = (
        f"Medians of {terms.rounds} runs of {terms.seconds:g} s, contenders taking turns, {terms.warm_up:g} s of warm-up before each. "
        f"PostgreSQL's defaults (fsync on) but for {settings}. Tables that are written to are empty when a run begins."
    )
    parts = ["\n".join(f"- {name}: {fact}" for name, fact in facts.items()), method]
    if expectations:
        parts.append(f"## Expectations\n\n{expectation_table(expectations)}")
    parts.append(f"## Measured\n\n{line_tables(lines)}")
    if audited:
        parts.append("Audit under load: " + ", ".join(f"{count:,} {name}" for name, count in audited.items()) + ".")
    return "\n\n".join(parts) + "\n"


def write(report: str, document: Path) -> None:
    """Write the report between the marks of a document, whose other text stays. The document is created if it doesn't exist.

    Raises:
        ValueError: if the document has no marks.
    """
    text = document.read_text() if document.exists() else NEW
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} has no line {BEGIN} followed by {END}")
    document.write_text(f"{before}{BEGIN}\n\n{report}\n{END}{after}")
