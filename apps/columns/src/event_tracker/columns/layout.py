"""What a block's Parquet file looks like. Change LAYOUT with any change here: blocks of another layout aren't read."""

LAYOUT = 1

MAX_EVENTS = 500_000
"""A day with more events is several blocks, each of some of its hours."""

MAX_BYTES = 256 * 2**20
"""Hours with more, as CSV, are several blocks too, though they have fewer events."""

MAX_KEYS = 64
LEAST_SHARE = 0.001
"""Of the properties that this share of a block's events has, as many of the most common as MAX_KEYS have a column of their own. It costs
next to nothing where few events have a value, and one with few values is stored as a dictionary."""

ORDER = "user_id, timestamp, received_at, event_id"
"""The order of events in a file: by user, then as they happened and arrived (docs/definitions.md, order of events)."""

COLUMNS = {
    "user_id": "varchar",
    "timestamp": "timestamptz",
    "received_at": "timestamptz",
    "event_id": "uuid",
    "event_type": "varchar",
    "session_id": "varchar",
    "source": "varchar",
    "properties": "varchar",
    "nested": "varchar",
}
"""The columns that each file has, with their types.

`properties` is a JSON object; its values are texts as PostgreSQL's ->> writes them, or null. Properties that have a column of their own
(`blocks.keys`) aren't in it: the first has `p0`, the second `p1` and so on. These columns hold texts in their normal form
(event_tracker.columns.properties).

`nested` is a JSON object of the properties that are objects or arrays, in which all numbers are texts; null if there are none (nested.sql).
It is there for filters of what is below a property."""
