"""The parts of dashboards: panels with all settings that readers need, and rows of panels."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)
from sources import POSTGRES, PROMETHEUS, DeploymentsQuery, SqlQuery

TAG = "event-tracker"
HEIGHT = 8

Query = prometheus.Dataquery | SqlQuery
Steps = Sequence[tuple[float, str]]
"""Thresholds: the colour from each value on. Below the first value it is green, or `below`."""

Panel = timeseries.Panel | stat.Panel | table.Panel | heatmap.Panel
AnyPanel = TypeVar("AnyPanel", timeseries.Panel, stat.Panel, table.Panel, heatmap.Panel)


def _described(
    panel: AnyPanel, title: str, description: str, unit: str, queries: Sequence[Query], width: int, height: int
) -> AnyPanel:
    source = POSTGRES if isinstance(queries[0], SqlQuery) else PROMETHEUS
    panel.title(title).description(description).unit(unit).datasource(source).span(width).height(height)
    for number, query in enumerate(queries):
        panel.with_target(query.ref_id(chr(ord("A") + number)))
    return panel


def _thresholds(steps: Steps, below: str) -> dashboard.ThresholdsConfig:
    all_steps = [Threshold(value=None, color=below), *(Threshold(value=value, color=color) for value, color in steps)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(all_steps)


def lines(
    title: str, description: str, unit: str, *queries: Query, width: int = 8, height: int = HEIGHT, steps: Steps = (),
    stacked: bool = False, bars: bool = False,
) -> timeseries.Panel:  # fmt: skip
    """Values over time, from 0. Steps are drawn as dashed lines."""
    panel = _described(timeseries.Panel(), title, description, unit, queries, width, height)
    panel.min(0).fill_opacity(10).show_points(VisibilityMode.NEVER)
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    panel.legend(
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    if steps:
        panel.thresholds(_thresholds(steps, "transparent"))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if bars:
        panel.draw_style(GraphDrawStyle.BARS).fill_opacity(70)
    return panel


def number(
    title: str, description: str, unit: str, query: Query, *, width: int = 6, height: int = 4, decimals: float | None = None,
    steps: Steps = (), below: str = "green",
) -> stat.Panel:  # fmt: skip
    """One number, coloured by its steps."""
    panel = _described(stat.Panel(), title, description, unit, [query], width, height)
    panel.thresholds(_thresholds(steps, below)).no_value("no data")
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    return panel if decimals is None else panel.decimals(decimals)


def rows_of(
    title: str, description: str, unit: str, *queries: Query, width: int = 24, height: int = HEIGHT
) -> table.Panel:
    """A table."""
    return _described(table.Panel(), title, description, unit, queries, width, height).filterable(False)


def buckets(title: str, description: str, query: Query, *, width: int = 8) -> heatmap.Panel:
    """A histogram over time."""
    panel = _described(heatmap.Panel(), title, description, "short", [query], width, HEIGHT)
    panel.y_axis(heatmap.YAxisConfig().unit("s")).cell_values(heatmap.CellValues().unit("short"))
    return panel.color(heatmap.HeatmapColorOptions().scheme("Oranges").steps(64)).hide_legend()


def fixed_color(color: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})


def column(panel: table.Panel, name: str, **properties: object) -> table.Panel:
    """Set properties of one column. They have Grafana's names, such as `links`; `cell` is custom.cellOptions."""
    names = {"cell": "custom.cellOptions", "width": "custom.width"}
    values = [DynamicConfigValue(names.get(key, key), value) for key, value in properties.items()]
    return panel.override_by_name(name, values)


def columns(panel: table.Panel, names: Mapping[str, str], *, hidden: Sequence[str] = ()) -> table.Panel:
    """Merge the queries' tables by their labels; name the columns and put them in order."""
    options = {
        "excludeByName": dict.fromkeys(["Time", *hidden], True),
        "indexByName": {name: place for place, name in enumerate(names)},
        "renameByName": dict(names),
    }
    panel.with_transformation(DataTransformerConfig("merge", options={}))
    return panel.with_transformation(DataTransformerConfig("organize", options=options))


def sorted_by(panel: table.Panel, name: str, *, descending: bool = True) -> table.Panel:
    return panel.sort_by([common.TableSortByFieldState().display_name(name).desc(descending)])


def board(
    uid: str, title: str, description: str, rows: Mapping[str, Sequence[Panel]], *, since: str = "now-6h", refresh: str = "30s",
    variable: dashboard.QueryVariable | None = None,
) -> dashboard.Dashboard:  # fmt: skip
    """A dashboard that can't be edited in the browser, with links to the other dashboards and marks for deployments."""
    made = dashboard.Dashboard(title).uid(uid).description(description).tags([TAG]).readonly()
    made.time(since, "now").refresh(refresh).timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    made.annotation(DeploymentsQuery())
    made.link(dashboard.DashboardLink("Event Tracker").type(DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True))
    if variable:
        made.with_variable(variable)
    identity = 0
    for name, panels in rows.items():
        identity += 1
        made.with_row(dashboard.Row(name).id(identity))
        for panel in panels:
            identity += 1
            made.with_panel(panel.id(identity))
    return made
