"""The parts of the documentation that are made from the code, each between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

`make docs` writes them, and `tests/test_docs.py` checks that they are current.
"""

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

import event_tracker.cli.ingest.s3.metrics
import event_tracker.cli.outbox.metrics
import event_tracker.collector.metrics
import event_tracker.columns.metrics
import event_tracker.core.metrics
import event_tracker.query.metrics
import event_tracker.query.parameter_types
import event_tracker.streams.archive.metrics
import event_tracker.streams.cassandra.metrics
import event_tracker.streams.importer.metrics
import event_tracker.streams.publisher.metrics
import event_tracker.streams.storer.metrics
from event_tracker.cli.ingest.logs.formats import LOG_FORMATS
from event_tracker.cli.ingest.logs.kinds import KINDS, OTHER_METHODS
from event_tracker.cli.settings import MigrateSettings, UpSettings
from event_tracker.collector.browser.tracker_script import NEWEST
from event_tracker.collector.settings import CollectorSettings
from event_tracker.core.cassandra.settings import CassandraSettings
from event_tracker.core.kafka.settings import BrokerSettings, KafkaSettings
from event_tracker.core.postgres.database_parts import part_names
from event_tracker.core.settings import ServiceSettings
from event_tracker.model.event import CODES
from event_tracker.query.settings import QuerySettings
from event_tracker.streams.archive.settings import ArchiveSettings
from event_tracker.streams.cassandra.settings import CassandraRelaySettings
from event_tracker.streams.consuming.metrics import ConsumerMetrics
from event_tracker.streams.importer.settings import ImporterSettings
from event_tracker.streams.publisher.settings import PublisherSettings
from event_tracker.streams.storer.settings import StorerSettings

DOCS = Path(__file__).parents[2] / "docs"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def shown(default: Any) -> str:
    if default is MISSING:
        return "required"
    if isinstance(default, (list, tuple)):
        default = ",".join(default)
    if default == "":
        return "empty"
    if isinstance(default, Path):
        return "the checkout's"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def settings_table(cls: Any, *without: Any) -> str:
    """A table of a settings class's variables. With `without`, only those that it doesn't share with one of these classes."""
    common = {field.name: field for other in without for field in fields(other)}
    own = [field for field in fields(cls) if field.name not in common or field.default != common[field.name].default]
    rows = [[f"`{field.name.upper()}`", shown(field.default), field.metadata["doc"]] for field in own]
    return table(["variable", "default", "meaning"], rows)


def parts_table() -> str:
    """A table of the variables that may stand in place of a connection URL."""
    rows = [
        [f"`{name}`", shown(MISSING if part.default is None else part.default), part.doc]
        for name, part in part_names("DATABASE_URL").items()
    ]
    return table(["variable", "default", "meaning"], rows)


def codes_table(codes: dict[str, str]) -> str:
    return table(["code", "meaning"], [[f"`{code}`", meaning] for code, meaning in codes.items()])


def log_kinds_table() -> str:
    examples, meaning = OTHER_METHODS
    others = ", ".join(f"`{name}`" for name in examples)
    rows = [[f"`{name}`", says] for name, says in KINDS.items()] + [[f"{others}, …", meaning]]
    return table(["kind", "requests"], rows)


def log_formats_table() -> str:
    rows = [[f"`{name}`", format_.title, format_.recognised_by] for name, format_ in LOG_FORMATS.items()]
    return table(["`--format`", "what it is", "recognised by"], rows)


def own_metrics(value: Any) -> list[Any]:
    """The metrics that a module's variable is."""
    if isinstance(value, ConsumerMetrics):
        return list(vars(value).values())
    return [value] if isinstance(value, MetricWrapperBase) else []


def metrics_table(module: Any) -> str:
    metrics = [metric for value in vars(module).values() for metric in own_metrics(value)]
    rows = []
    for metric in metrics:
        name = metric._name + ("_total" if metric._type == "counter" else "")
        rows.append([f"`{name}`", metric._type, ", ".join(metric._labelnames) or "none", metric._documentation])
    return table(["metric", "type", "labels", "meaning"], rows)


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def tracker_snippets() -> dict[str, str]:
    """The tag of the browser's tracker, and a policy that allows it."""
    url = "https://events.example.com"
    script = f"{url}/tracker-{NEWEST.version}.js"
    tag = (
        f'<script defer src="{script}" data-write-key="wk_..."\n'
        f'  integrity="{NEWEST.integrity}"\n  crossorigin="anonymous"></script>'
    )
    return {
        "snippet": fenced("html", tag),
        "policy": fenced("", f"Content-Security-Policy: script-src {script}; connect-src {url}/events"),
    }


def parts() -> dict[Path, dict[str, str]]:
    """All generated parts: file → name → text."""
    return {
        DOCS / "configuration.md": {
            "both": settings_table(ServiceSettings),
            "parts": parts_table(),
            "collector": settings_table(CollectorSettings, ServiceSettings, KafkaSettings),
            "kafka": settings_table(KafkaSettings),
            "query": settings_table(QuerySettings, ServiceSettings),
            "up": settings_table(UpSettings),
            "migrate": settings_table(MigrateSettings),
            "storer": settings_table(StorerSettings, KafkaSettings),
            "publisher": settings_table(PublisherSettings, KafkaSettings),
            "cassandra": settings_table(CassandraSettings),
            "cassandra-relay": settings_table(CassandraRelaySettings, CassandraSettings),
            "importer": settings_table(ImporterSettings, BrokerSettings),
            "archive": settings_table(ArchiveSettings, BrokerSettings),
        },
        DOCS / "metrics.md": {
            "both": metrics_table(event_tracker.core.metrics),
            "collector": metrics_table(event_tracker.collector.metrics),
            "query": metrics_table(event_tracker.query.metrics),
            "columns": metrics_table(event_tracker.columns.metrics),
            "s3": metrics_table(event_tracker.cli.ingest.s3.metrics),
            "outbox": metrics_table(event_tracker.cli.outbox.metrics),
            "storer": metrics_table(event_tracker.streams.storer.metrics),
            "publisher": metrics_table(event_tracker.streams.publisher.metrics),
            "cassandra-relay": metrics_table(event_tracker.streams.cassandra.metrics),
            "importer": metrics_table(event_tracker.streams.importer.metrics),
            "archive": metrics_table(event_tracker.streams.archive.metrics),
        },
        DOCS / "browser.md": tracker_snippets(),
        DOCS / "cli.md": {"log-kinds": log_kinds_table(), "log-formats": log_formats_table()},
        DOCS / "api.md": {
            "codes": codes_table(CODES),
            "parameters": codes_table(event_tracker.query.parameter_types.CODES),
        },
    }


def replaced(text: str, name: str, part: str) -> str:
    """A document's text with one part replaced."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    assert begin in text, name
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{part}\n{end}", text, flags=re.DOTALL)


if __name__ == "__main__":
    for file, named in parts().items():
        text = file.read_text()
        for name, part in named.items():
            text = replaced(text, name, part)
        file.write_text(text)
