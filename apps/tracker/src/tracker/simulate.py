"""The command `tracker simulate`: invented events, through the collector."""

import math
from collections import Counter
from datetime import UTC, datetime

import click
import msgspec

from tracker.client import ServiceError, open_client
from tracker.delivery import Outcome, deliver, deliver_all
from tracker.invent import World
from tracker.meter import Meter
from tracker.options import collector_option, parse_time, patience_option
from tracker.timeline import Event, history, trickle

EVENTS = 10_000
RATE = 10.0
USERS_TO_TRY = 3


class Sent:
    """What was sent so far, counted."""

    def __init__(self) -> None:
        self.events = self.stored = self.duplicates = 0
        self.types: Counter[str] = Counter()
        self.users: Counter[str] = Counter()

    def add(self, batch: list[Event], outcome: Outcome) -> None:
        """Count a batch.

        Raises:
            ServiceError: if the collector refused any of it, which it should not.
        """
        if outcome.errors:
            index, errors = next(iter(outcome.errors.items()))
            raise ServiceError(f"The collector refused an event: {errors[0]['detail']}\n{batch[index].json.decode()}")
        self.events += len(batch)
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates
        self.types.update(event.event_type for event in batch)
        self.users.update(event.user_id for event in batch)

    def summary(self, seconds: float) -> str:
        """What was sent, and what to look at next."""
        lines = [
            f"{self.events:,} events of {len(self.users):,} users: {self.stored:,} stored, {self.duplicates:,} duplicates. "
            f"{seconds:.1f} s, {self.events / seconds:,.0f} events/s.",
            *(f"  {event_type:<14}{times:>12,}" for event_type, times in self.types.most_common()),
            "Look at the most active users, or at all of it:",
            *(f"  tracker events {user}" for user, _ in self.users.most_common(USERS_TO_TRY)),
            "  tracker top-types",
        ]
        return "\n".join(lines) if self.events else "No events were sent."


@click.command()
@click.option(
    "--users",
    type=click.IntRange(1, 10_000_000),
    default=1000,
    show_default=True,
    help="How many users there are; few of them are very active.",
)
@click.option(
    "--events", type=click.IntRange(1), help=f"How many events, spread over the last days.  [default: {EVENTS}]"
)
@click.option(
    "--days",
    type=click.FloatRange(0.01, 3650),
    default=7,
    show_default=True,
    help="Over how many days before --end they are spread.",
)
@click.option("--end", callback=parse_time, help="When those days end (RFC 3339).  [default: now]")
@click.option(
    "--rate",
    type=click.FloatRange(0.01, 100_000),
    help=f"Live instead: so many events a second, as they happen.  [default: {RATE:g}]",
)
@click.option("--duration", type=click.FloatRange(0.1), help="Live for so many seconds.  [default: until Ctrl-C]")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed invents other users and events.")
@collector_option
@patience_option
def simulate(
    users: int,
    events: int | None,
    days: float,
    end: str | None,
    rate: float | None,
    duration: float | None,
    seed: int,
    collector: str,
    patience: float,
) -> None:
    """Send invented events: users with sessions, pages, searches, carts and purchases, some of them reported late.

    With --events they are spread over past days; with --rate or --duration they trickle in as they happen.

    The same seed and options invent the same users and events. With the same --end as well, even their ids and times are
    the same, so that a second run stores nothing.
    """
    live = rate is not None or duration is not None
    if live and (events is not None or end is not None):
        raise click.UsageError("--rate and --duration are live; --events and --end are about days that are past.")
    client = open_client("collector", collector, patience)
    world = World(seed, users)
    if live:
        batches = trickle(world, rate or RATE, duration or math.inf)
        total = (rate or RATE) * duration if duration else None
    else:
        finish = msgspec.convert(end, datetime) if end else datetime.now(UTC)
        batches, total = history(world, events or EVENTS, days, finish), events or EVENTS
    sent = Sent()
    with Meter("events", total) as meter:
        try:
            for batch, outcome in deliver_all(
                client, batches, lambda batch: deliver(client, [event.json for event in batch])
            ):
                sent.add(batch, outcome)
                meter.show(sent.events, sent.events)
        except KeyboardInterrupt:
            pass  # the way to stop a trickle; what was sent is summed up
    click.echo(sent.summary(meter.seconds))
