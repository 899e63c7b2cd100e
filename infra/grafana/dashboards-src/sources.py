"""The two data sources, and a query to each."""

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = DataSourceRef("prometheus", "prometheus")
POSTGRES = DataSourceRef("grafana-postgresql-datasource", "postgres")
"""Type and uid, as infra/grafana/provisioning/datasources provides them."""


def over_time(expr: str, legend: str) -> prometheus.Dataquery:
    """A PromQL query over the panel's range of time."""
    return prometheus.Dataquery().datasource(PROMETHEUS).expr(expr).legend_format(legend).range()


def now(expr: str, legend: str = "") -> prometheus.Dataquery:
    """A PromQL query at the end of the panel's range of time."""
    return prometheus.Dataquery().datasource(PROMETHEUS).expr(expr).legend_format(legend).instant()


def now_as_table(expr: str) -> prometheus.Dataquery:
    """The same, with its labels as columns."""
    return now(expr).format(PromQueryFormat.TABLE)


def by_bucket(expr: str) -> prometheus.Dataquery:
    """A query for a heatmap: one series for each `le`."""
    return over_time(expr, "{{le}}").format(PromQueryFormat.HEATMAP)


class Sql(variants.Dataquery):
    """A query to PostgreSQL. The SDK has no model for it."""

    def __init__(self, sql: str, format_: str) -> None:
        self.sql, self.format, self.ref_id = sql, format_, "A"

    def to_json(self) -> dict[str, object]:
        return {
            "datasource": POSTGRES,
            "editorMode": "code",
            "format": self.format,
            "rawQuery": True,
            "rawSql": self.sql,
            "refId": self.ref_id,
        }


class SqlQuery(Builder[Sql]):
    def __init__(self, sql: str, format_: str = "table") -> None:
        self._query = Sql(sql.strip(), format_)

    def ref_id(self, ref_id: str) -> "SqlQuery":
        self._query.ref_id = ref_id
        return self

    def build(self) -> Sql:
        return self._query


class Deployments(AnnotationQuery):
    """A mark at the time when a version starts to run. The SDK's model lacks the fields of Prometheus annotations."""

    def to_json(self) -> dict[str, object]:
        running = "sum by (service, version, revision) (app_build_info)"
        expr = f"{running} unless {running.replace('app_build_info', 'app_build_info offset 5m')}"
        return {
            "datasource": PROMETHEUS,
            "enable": True,
            "hide": False,
            "iconColor": "blue",
            "name": "Deployments",
            "tagKeys": "service",
            "target": {"expr": expr, "interval": "60s", "refId": "Deployments"},
            "textFormat": "revision {{revision}}",
            "titleFormat": "{{service}} {{version}}",
        }


class DeploymentsQuery(Builder[AnnotationQuery]):
    def build(self) -> AnnotationQuery:
        return Deployments()
