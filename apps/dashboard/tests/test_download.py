"""CSV as people open it: readable in a spreadsheet, and without formulas."""

import codecs
import csv
import io
import tracemalloc

import pytest

from event_tracker.dashboard.client.download import LONGEST_VALUE, for_spreadsheets

HEAD = ["user_id", "event_type"]


def as_csv(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([HEAD, *rows])
    return text.getvalue().encode()


def opened(chunks):
    """What a spreadsheet reads."""
    content = b"".join(for_spreadsheets(chunks))
    assert content.startswith(codecs.BOM_UTF8)
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert head == HEAD
    return rows


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://evil.test/")', "@SUM(A1)", "-2+3", "+1;1", "\t=1", "\r=1", "\n=1", "-"]
)
def test_a_formula_becomes_a_text(text):
    assert opened([as_csv([[text, text]])]) == [["'" + text, "'" + text]]


@pytest.mark.parametrize(
    "text",
    [
        "zoë",
        "visite café",
        "-2",
        "+2.5",
        "-1e-9",
        "a=b",
        "",
        '{"a": "=1"}',
        'two\nlines, "quoted"',
        "'x",
        "\u2028",
        "a\rb",
    ],
)
def test_any_other_value_stays_as_it_was_sent(text):
    assert opened([as_csv([[text, "view"]])]) == [[text, "view"]]


@pytest.fixture
def long_values():
    """As the dashboard has them; other code in this process doesn't."""
    before = csv.field_size_limit(LONGEST_VALUE)
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("long_values")
def test_a_value_of_200_000_characters_stays_whole():
    text = '"é,\n' * 50_000
    assert opened([as_csv([["ann", text], [f"={text}", "view"]])]) == [["ann", text], [f"'={text}", "view"]]


def test_it_doesnt_matter_where_chunks_end():
    rows = [["zoë\r\nline", "=1"], ["é" * 50, "view"]] * 3
    content = as_csv(rows)
    for size in (1, 2, 7):
        chunks = [content[start : start + size] for start in range(0, len(content), size)]
        assert opened(chunks) == [[user, kind.replace("=", "'=")] for user, kind in rows]


def test_an_export_isnt_held_in_memory():
    row = as_csv([["x" * 1000, "view"]])[len(as_csv([])) :]
    tracemalloc.start()
    size = sum(len(chunk) for chunk in for_spreadsheets([as_csv([]), *[row] * 50_000]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 50_000_000
    assert peak < 10_000_000


def test_an_export_that_breaks_off_breaks_off():
    def breaking():
        yield as_csv([["ann", "view"]])
        raise OSError

    with pytest.raises(OSError):
        list(for_spreadsheets(breaking()))
