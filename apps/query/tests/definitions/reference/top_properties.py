"""GET /stats/top-properties."""

from collections import Counter
from typing import Any

from .events import Event, Selection, as_value, by_name


def answer(events: list[Event], selection: Selection, key: str, limit: int = 10) -> dict[str, Any]:
    chosen = selection.of(events)
    texts = [as_value(event.properties.get(key)) for event in chosen]
    counts = Counter(text for text in texts if text is not None)
    total = counts.total()
    items = sorted(counts.items(), key=lambda item: (-item[1], by_name(item[0])))
    return {
        **selection.echo(),
        "key": key,
        "items": [{"value": value, "count": count, "share": count / total} for value, count in items[:limit]],
        "total": total,
        "missing": len(chosen) - total,
    }
