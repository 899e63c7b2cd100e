"""Charts and their tables: they show the numbers of the answer, and incomplete intervals look different."""

import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from event_tracker.dashboard.charts import charts, style
from event_tracker.dashboard.pages.retention import heat_map

CONFIG = Path(__file__).parents[1] / "src" / "event_tracker" / "dashboard" / "web" / ".streamlit" / "config.toml"

BERLIN = ZoneInfo("Europe/Berlin")


def series(key, values, kind="value"):
    return {"kind": kind, "key": key, "values": values, "total": sum(values)}


def answered(interval, points, lines, *, to, as_of, start=None):
    """Make an answer of /stats/timeseries in the zone of Berlin."""
    in_zone = [point.astimezone(BERLIN).isoformat() for point in points]
    return {
        "from": (start or points[0]).isoformat(), "to": to.isoformat(), "tz": "Europe/Berlin", "as_of": as_of.isoformat(),
        "interval": interval, "points": in_zone, "series": lines,
    }  # fmt: skip


def at(*moment, **given):
    return datetime(*moment, tzinfo=BERLIN, **given)


def a_day_at(hour, minute):
    """Ten events in each hour that has begun, of a day that isn't over."""
    points = [at(2026, 7, 1, number) for number in range(24)]
    values = [10 if number <= hour else 0 for number in range(24)]
    return answered(
        "hour", points, [series(None, values, "all")], to=at(2026, 7, 2), as_of=at(2026, 7, 1, hour, minute)
    )


def luminance(colour):
    """Relative luminance of #rrggbb, as WCAG 2.2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_in_bars_are_readable(theme, monkeypatch):
    settings = tomllib.loads(CONFIG.read_text())
    monkeypatch.setattr(style, "theme", lambda: theme)
    (bar,) = charts.bars(["one"], [1], "Events").data
    bright, dark = sorted(
        map(luminance, (settings["theme"][theme]["chartCategoricalColors"][0], bar.insidetextfont.color)), reverse=True
    )
    assert (bright + 0.05) / (dark + 0.05) >= 4.5


def drawn(trace):
    """The points that a trace joins by lines: lists of (position, value)."""
    runs = [[]]
    for place, value in zip(trace.x, trace.y, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((place[5:16], value))
    return [run for run in runs if run]


def test_a_line_ends_at_the_present_and_its_unfinished_end_is_dashed():
    line, dashed = charts.over_time(a_day_at(2, 58), "Events").data
    assert drawn(line) == [[("07-01T00:00", 10), ("07-01T01:00", 10)], [("07-01T02:00", 10)]]
    assert [symbol for symbol, value in zip(line.marker.symbol, line.y, strict=True) if value is not None] == [
        "circle",
        "circle",
        "circle-open",
    ]
    assert line.customdata[-1].endswith("unfinished")
    assert dashed.line.dash == "dash"
    assert drawn(dashed) == [[("07-01T01:00", 10), ("07-01T02:00", 10)]]
    assert dashed.line.color == line.line.color


def test_what_is_over_is_a_whole_line():
    answer = {**a_day_at(23, 59), "as_of": at(2026, 7, 3).isoformat()}
    (line,) = charts.over_time(answer, "Events").data
    assert len(line.x) == 24
    assert None not in line.y


def test_events_of_clocks_that_are_ahead_are_drawn():
    answer = a_day_at(2, 58)
    answer["series"][0]["values"][5] = 1
    line, _ = charts.over_time(answer, "Events").data
    assert [(place[11:16], value) for place, value in zip(line.x, line.y, strict=True) if value is not None][-1] == (
        "05:00",
        1,
    )


def test_a_week_that_the_range_cuts_is_dashed():
    mondays = [at(2026, 6, 1) + timedelta(days=7 * number) for number in range(3)]
    given = {"start": at(2026, 6, 4), "to": at(2026, 6, 18), "as_of": at(2026, 7, 1)}
    line, dashed = charts.over_time(answered("week", mondays, [series(None, [3, 7, 3], "all")], **given), "Events").data
    assert [[value for _, value in run] for run in drawn(line)] == [[3], [7], [3]]
    assert drawn(dashed) == [[("06-01T00:00", 3), ("06-08T00:00", 7), ("06-15T00:00", 3)]]


def test_bars_of_what_isnt_whole_are_hatched():
    days = [at(2026, 7, 1), at(2026, 7, 2), at(2026, 7, 3)]
    answer = answered("day", days, [], to=at(2026, 7, 4), as_of=at(2026, 7, 2, 12))
    answer["points"] = [{"time": time, "active": 3, "new": 1, "returning": 2} for time in answer["points"][:2]] + [
        {"time": answer["points"][2], "active": 0, "new": 0, "returning": 0}
    ]
    for bars in charts.stacked_users(answer).data:
        assert list(bars.marker.pattern.shape) == ["", "/"]


@pytest.mark.parametrize(("most", "step"), [(0, 1), (1, 1), (3, 1), (5, 1), (6, None), (1000, None)])
def test_the_axis_of_small_counts_has_whole_numbers_alone(most, step):
    answer = answered(
        "day",
        [at(2026, 7, 1), at(2026, 7, 2)],
        [series(None, [0, most], "all")],
        to=at(2026, 7, 3),
        as_of=at(2026, 8, 1),
    )
    axis = charts.over_time(answer, "Events").layout.yaxis
    assert axis.dtick == step
    assert axis.tickformat == ",~f"  # where Plotly sets ticks, none is rounded to another's number


def test_a_value_called_like_the_column_of_times_has_a_column_of_its_own():
    days = [at(2026, 7, 1), at(2026, 7, 2)]
    answer = answered(
        "day", days, [series("year", [1, 2]), series("day", [3, 4])], to=at(2026, 7, 3), as_of=at(2026, 8, 1)
    )
    table = charts.series_table(answer)
    assert list(table.columns) == ["day", "year", "“day”"]
    assert list(table["day"]) == answer["points"]
    assert list(table["“day”"]) == [3, 4]


def test_values_called_like_the_rest_stay_apart_from_it():
    lines = [series("(other)", [2]), series("(has none)", [2]), series("“(other)”", [5]), series(None, [1], "missing"),
             series(None, [7], "other")]  # fmt: skip
    answer = answered("day", [at(2026, 7, 1)], lines, to=at(2026, 7, 2), as_of=at(2026, 8, 1))
    table = charts.series_table(answer)
    names = ["“(other)”", "“(has none)”", "““(other)””", "(has none)", "(other)"]
    assert list(table.columns) == ["day", *names]
    assert list(table.iloc[0])[1:] == [2, 2, 5, 1, 7]
    assert [trace.name for trace in charts.over_time(answer, "Events").data] == names


def test_the_hour_that_a_clock_change_repeats_is_two_points():
    utc = [datetime(2026, 10, 24, 22, tzinfo=ZoneInfo("UTC")) + timedelta(hours=number) for number in range(25)]
    values = [1 if number in (2, 3) else 0 for number in range(25)]
    figure = charts.over_time(
        answered("hour", utc, [series(None, values, "all")], to=at(2026, 10, 26), as_of=at(2026, 11, 1)), "Events"
    )
    (line,) = figure.data
    assert len(set(line.x)) == 25
    assert list(line.customdata[2:4]) == ["25 Oct 2026 02:00 CEST", "25 Oct 2026 02:00 CET"]
    # The clock's own time stands below, the later ones after the change, too.
    below = dict(zip(figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext, strict=True))
    assert below[line.x[0]] == "00:00<br>25 Oct"
    assert below[line.x[24]] == "23:00<br>25 Oct"


def test_the_axis_of_one_point_shows_its_interval():
    answer = answered("day", [at(2026, 7, 1)], [series(None, [2], "all")], to=at(2026, 7, 2), as_of=at(2026, 8, 1))
    axis = charts.over_time(answer, "Events").layout.xaxis
    assert (list(axis.range), list(axis.ticktext)) == (["2026-06-30T00:00:00", "2026-07-02T00:00:00"], ["1 Jul 2026"])


def test_a_cell_of_retention_that_isnt_whole_is_marked():
    cohorts = [
        {"start": "2026-06-01T00:00:00Z", "users": 10, "retained": [10, 9, 0], "rates": [1.0, 0.9, 0.0], "complete": [True, True, False]},
        {"start": "2026-06-08T00:00:00Z", "users": 4, "retained": [4, 2], "rates": [1.0, 0.5], "complete": [True, False]},
    ]  # fmt: skip
    bars, cells = heat_map(cohorts, "week").data
    assert [list(row) for row in cells.text] == [["100.0%", "90.0%", "<i>0.0% …</i>"], ["100.0%", "<i>50.0% …</i>", ""]]
    # A bar that takes clicks is on each cell, and has its explanation.
    assert [base + 0.5 for base in bars.base] == [0, 1, 2, 0, 1]
    assert list(bars.customdata[2]) == [2, "<i>0.0% …</i>", "0 of 10 users, unfinished"]
