"""What a relay reads, and how much at once."""

from dataclasses import dataclass

from event_tracker.core.settings import DATABASE_URL_DOC, Settings, database_url_setting, setting, validate

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class RelaySettings(Settings):
    """The database of a relay, and the size of its batches."""

    database_url: str = database_url_setting(DATABASE_URL_DOC)
    statement_seconds: float = setting(
        "PostgreSQL's `statement_timeout` for reading one batch. One that takes longer is tried again with a shorter range of time.",
        kind="float", default=30.0, check=validate.Range(0.1, 240),
    )  # fmt: skip
    batch_events: int = setting(
        "Most events read by one statement.", kind="int", default=1000, check=validate.Range(1, 100_000)
    )
    batch_bytes: int = setting(
        "Most bytes of properties read by one statement; an event with more is read alone.",
        kind="int", default=8 * MIB, check=validate.Range(1, 64 * MIB),
    )  # fmt: skip
