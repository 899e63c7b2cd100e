"""Events and filters that have much in common, so that many filters select some events and not others."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from .reference import Number

KEYS = ["a", "a", "a", "b", "o", "o", "a.b", "a:b", "$x", "$.a", "/y", "~z", "~1", "0", "a*", "[0]", "\\", '"', "'", "%", "_", "é", "😀", "\uffff", "{}", " ", "\n", "filter_0", "\x7f"]  # fmt: skip
NUMBERS = ["0", "-0", "-0.0", "0.0", "20", "20.0", "20.00", "2e1", "1.5", "1.50", "15e-1", "-1.5", "-1.49", "-12", "-12.5", "-1", "-2", "3", "100", "0.1", "0.10", "-0.5", "1e-7", "1e20", "1e308", "-1e300",
           "12345678901234567890", "12345678901234567890.10", "12345678901234567891", "9007199254740993", "9007199254740992"]  # fmt: skip
TEXTS = ["", "", "x", "X", "xy", "%", "_", "x_y", "x%y", "\\", "a\\b", '"', "'", "';--", "${a}", "{0}", "{}", "[]", "null", "true", "é", "É", "e\u0301", "😀", "\uffff", "\n", "x\n", "20 ", " 20", "020", "+20", "20.", ".5",
         "2e1", "1e400", "NaN", "Infinity", "²", "٢", "2026-03-01", "2026-03-02T10:00:00Z", '["x"]', '{"a": 1}', "\x1f", "\x7f", "$filter_0", "%(filter_0)b", "9" * 60, "-" + "9" * 60, "9" * 400, "9" * 399 + "8", "0." + "0" * 60 + "1"]  # fmt: skip

keys = st.sampled_from(KEYS)
texts = st.one_of(st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.text('xX1.0-é😀\\"%', max_size=4))
scalars = st.one_of(texts, st.sampled_from(NUMBERS).map(Number), st.sampled_from([None, True, False]))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(keys, st.just("")), inner, max_size=3)
    ),
    max_leaves=6,
)
times = st.sampled_from([datetime(2026, 3, 1, 10, 0, second, micro, UTC) for second in (0, 1) for micro in (0, 1)])
names = st.sampled_from(["ann", "Ann", "bob", "é", "😀", "%", "20", "20.0"])

events = st.fixed_dictionaries(
    {
        "user_id": names,
        "event_type": names,
        "session_id": st.one_of(st.none(), names),
        "source": names,
        "timestamp": times,
        "received_at": times,
        "properties": st.dictionaries(st.one_of(keys, st.just("")), values, max_size=4),
    }
)


def escape(key: str) -> str:
    return key.replace("\\", "\\\\").replace(".", "\\.")


paths = st.lists(keys, min_size=1, max_size=3).map(lambda found: "property." + ".".join(map(escape, found)))
single = st.sampled_from(["is", "is_not", "contains", "not_contains", "starts_with", "gt", "gte", "lt", "lte"])


def condition(field: st.SearchStrategy[str], wanted: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.fixed_dictionaries({"field": field, "operator": single, "value": wanted}),
        st.fixed_dictionaries({"field": field, "operator": st.sampled_from(["set", "not_set"])}),
        st.fixed_dictionaries(
            {"field": field, "operator": st.just("one_of"), "value": st.lists(wanted, min_size=1, max_size=3)}
        ),
    )


conditions = st.one_of(
    condition(paths, texts),
    condition(paths, texts),
    condition(st.sampled_from(["user_id", "event_type", "session_id", "source"]), names),
    st.fixed_dictionaries(
        {
            "field": st.sampled_from(["timestamp", "received_at"]),
            "operator": st.sampled_from(["gt", "gte", "lt", "lte"]),
            "value": times.map(datetime.isoformat),
        }
    ),
)
filters = st.recursive(
    conditions,
    lambda inner: st.builds(
        lambda kind, parts: {kind: parts}, st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=4,
)
