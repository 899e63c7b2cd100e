"""The command `tracker simulate`: send simulated events to the collector."""

import math
import shlex
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from event_tracker.cli.errors import ServiceError
from event_tracker.cli.ingest.delivery import Outcome
from event_tracker.cli.options import collector_options, parse_time, patience_option
from event_tracker.cli.progress import Meter
from event_tracker.cli.simulate.fake_users import FakeShop
from event_tracker.cli.simulate.logs.files import write_logs
from event_tracker.cli.simulate.logs.formats import FORMATS
from event_tracker.cli.simulate.logs.site_requests import log_visits
from event_tracker.cli.simulate.logs.truth import make_log_truth
from event_tracker.cli.simulate.scenarios import SCENARIOS
from event_tracker.cli.simulate.scenarios.description import Scenario
from event_tracker.cli.simulate.scenarios.plan import LEAST_DAYS, MAX_DAYS, Plan, make_plan, mean_events
from event_tracker.cli.simulate.scenarios.traffic import arriving_batches
from event_tracker.cli.simulate.scenarios.truth.truth import make_truth, write_atomically, write_truth
from event_tracker.cli.simulate.senders import TARGETS, SendAll, choose_sender
from event_tracker.cli.simulate.timeline import Event, history, trickle

USERS = 1000
EVENTS = 10_000
DAYS = 7.0
SCENARIO_DAYS = 28
RATE = 10.0
USERS_TO_TRY = 3
WEB_SITE = "shop"
"""The scenario of --logs."""

INTERRUPTED = 130
"""The exit code that shells use for a command ended by Ctrl-C."""


class SendCounts:
    """Counts what was sent so far."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.events = self.stored = self.duplicates = self.accepted = 0
        self.types: Counter[str] = Counter()
        self.users: Counter[str] = Counter()

    def add(self, batch: list[Event], outcome: Outcome) -> None:
        """Count a batch.

        Raises:
            ServiceError: if the collector refused an event, which it shouldn't.
        """
        if outcome.errors:
            index, errors = next(iter(outcome.errors.items()))
            raise ServiceError(f"The collector refused an event: {errors[0]['detail']}\n{batch[index].json.decode()}")
        self.events += len(batch)
        self.stored += outcome.stored
        self.duplicates += outcome.duplicates
        self.accepted += outcome.accepted
        self.types.update(event.event_type for event in batch)
        self.users.update(event.user_id for event in batch)

    def summary(self) -> str:
        """A text about what was sent, with commands to try next."""
        seconds = max(time.monotonic() - self.started, 1e-6)
        accepted = f", {self.accepted:,} accepted" if self.accepted else ""
        lines = [
            f"{self.events:,} events of {len(self.users):,} users: {self.stored:,} stored, {self.duplicates:,} duplicates{accepted}. "
            f"{seconds:.1f} s, {self.events / seconds:,.0f} events/s.",
            *(f"  {event_type:<14}{times:>12,}" for event_type, times in self.types.most_common()),
            "Look at the most active users, or at all of it:",
            *(f"  tracker events {user}" for user, _ in self.users.most_common(USERS_TO_TRY)),
            "  tracker top-types",
        ]
        return "\n".join(lines) if self.events else "No events were sent."


@click.command()
@click.option(
    "--scenario",
    type=click.Choice(list(SCENARIOS)),
    help="Traffic with answers that are known in advance, written to --truth.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Where a scenario's right answers go, for `tracker verify`.  [default: truth-SCENARIO.json; with --logs "
    "truth-SCENARIO-logs.json]",
)
@click.option(
    "--users",
    type=click.IntRange(1, 10_000_000),
    help=f"How many users there are; without a scenario, few of them are very active.  [default: {USERS:,}]",
)
@click.option(
    "--events",
    type=click.IntRange(1),
    help="How many events, spread over the last days. A scenario gets as many users as do about so much, instead of --users."
    f"  [default: {EVENTS:,}]",
)
@click.option(
    "--days",
    type=click.FloatRange(0.01, 3650),
    help=f"Over how many days before --end they are spread; with a scenario {LEAST_DAYS} to {MAX_DAYS} whole days."
    f"  [default: {DAYS:g}; {SCENARIO_DAYS} with a scenario]",
)
@click.option(
    "--end",
    callback=parse_time,
    help="When those days end (RFC 3339); a scenario ends with the day before, in its own zone.  [default: now]",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.01, 100_000),
    help=f"Live instead: so many events a second, as they happen.  [default: {RATE:g}]",
)
@click.option("--duration", type=click.FloatRange(0.1), help="Live for so many seconds.  [default: until Ctrl-C]")
@click.option(
    "--logs",
    type=click.Path(path_type=Path, file_okay=False),
    help="Send nothing: write logs of the scenario's web site into this folder, as a server in front of it would. It must be empty.",
)
@click.option(
    "--log-format",
    type=click.Choice(list(FORMATS)),
    help="; ".join(f"{name}: {format_.title}" for name, format_ in FORMATS.items()) + ".  [default: cloudfront]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed invents other users and events.")
@click.option(
    "--to",
    type=click.Choice(TARGETS),
    default=TARGETS[0],
    show_default=True,
    help="kafka: put events straight into KAFKA_TOPIC, as collectors do, without checking them.",
)
@click.option("--source", help="With --to kafka: the events' source.  [default: default]")
@collector_options
@patience_option
def simulate(
    scenario: str | None,
    truth: Path | None,
    users: int | None,
    events: int | None,
    days: float | None,
    end: str | None,
    rate: float | None,
    duration: float | None,
    logs: Path | None,
    log_format: str | None,
    seed: int,
    to: str,
    source: str | None,
    collector: str,
    write_key: str | None,
    patience: float,
) -> None:
    """Send invented events: users with sessions, pages, searches, carts and purchases, some of them reported late.

    With --events they are spread over past days; with --rate or --duration they trickle in as they happen.

    The same seed and options invent the same users and events. With the same --end as well, even their ids and times are
    the same, so that a second run stores nothing.

    With --scenario the numbers are fixed in advance: who gets how far in the funnel, who comes back in which week, what
    makes a session, how many events come late or twice and how many are a bot's. They hold for a database that has no
    other events in the scenario's range of time.

    With --logs, files are written that `tracker send` and `tracker s3` read; without --scenario they are of the shop.
    """
    scenario = scenario or (WEB_SITE if logs else None)
    live = rate is not None or duration is not None
    if live and (events is not None or end is not None or scenario is not None):
        raise click.UsageError(
            "--rate and --duration are live; --events, --end, --scenario and --logs are about days that are past."
        )
    if truth is not None and scenario is None:
        raise click.UsageError("Only a --scenario has a --truth.")
    if log_format is not None and logs is None:
        raise click.UsageError("--log-format is of --logs FOLDER.")
    open_sender = choose_sender(to, source, collector, write_key, patience)
    finish = msgspec.convert(end, datetime) if end else datetime.now(UTC)
    if scenario is not None:
        plan = _plan(SCENARIOS[scenario], seed, users, events, days, finish)
        if logs is not None:
            _write_logs(plan, logs, log_format or next(iter(FORMATS)), truth or Path(f"truth-{scenario}-logs.json"))
            return
        _send_scenario(open_sender(), plan, truth or Path(f"truth-{scenario}.json"))
        return
    send_all = open_sender()
    shop = FakeShop(seed, users or USERS)
    if live:
        batches = trickle(shop, rate or RATE, duration or math.inf)
        total = (rate or RATE) * duration if duration else None
    else:
        batches, total = history(shop, events or EVENTS, days or DAYS, finish), events or EVENTS
    sent = SendCounts()
    interrupted = False
    try:
        _send(send_all, batches, total, sent)
    except KeyboardInterrupt:  # the way to stop a trickle; what was sent is summed up
        interrupted = True
    click.echo(sent.summary())
    if interrupted and not live:
        click.echo("Interrupted.", err=True)
        click.get_current_context().exit(INTERRUPTED)


def _plan(
    scenario: Scenario, seed: int, users: int | None, events: int | None, days: float | None, end: datetime
) -> Plan:
    length = SCENARIO_DAYS if days is None else int(days)
    if not LEAST_DAYS <= length <= MAX_DAYS:
        raise click.UsageError(f"With --scenario, --days are {LEAST_DAYS} to {MAX_DAYS}.")
    if events is not None:
        if users is not None:
            raise click.UsageError("A scenario's --events follow from its --users: give one of them.")
        users = max(1, round(events / mean_events(scenario, length, end)))
    return make_plan(scenario, seed, users or USERS, length, end)


def _write_logs(plan: Plan, folder: Path, name: str, file: Path) -> None:
    """Write the logs of the scenario's web site, and then the file of right answers."""
    if plan.scenario.site is None:
        raise click.UsageError(f"--logs are of a web site, and the scenario {plan.scenario.name} isn't one.")
    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} isn't empty: what else is in it would be read in, too.")
    written = FORMATS[name]
    visits = list(log_visits(plan))
    run = f"{plan.scenario.name} {plan.seed} {len(plan.everybody)} {plan.dates[0]} {plan.dates[-1]}"
    try:
        with write_atomically(file) as unfinished:
            files, lines = write_logs(folder, visits, run, written)
            truth = make_log_truth(plan, visits, has_countries=written.has_countries)
            write_truth(truth, unfinished)
    except OSError as error:
        raise click.ClickException(f"can't write {error.filename or folder}: {error.strerror}") from None
    events = truth.facts["events"]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in events.items() if kind != "stored")
    click.echo(f"{lines:,} lines in {files:,} files of {written.title}. {events['stored']:,} become events: {kinds}.")
    click.echo(f"Read them in, and compare:\n  tracker send {shlex.quote(str(folder))}")
    click.echo(f"  tracker verify {shlex.quote(str(file))}")


def _send_scenario(send_all: SendAll, plan: Plan, file: Path) -> None:
    """Send all events. The file of right answers is created only afterwards, since they aren't right before."""
    truth = make_truth(plan)
    try:
        with write_atomically(file) as written:
            write_truth(truth, written)
            sent = SendCounts()
            _send(send_all, arriving_batches(plan), truth.facts["events"]["sent"], sent)
    except OSError as error:
        raise click.ClickException(f"can't write {file}: {error.strerror} (--truth chooses another)") from None
    click.echo(sent.summary())
    click.echo(f"The right answers are in {file}; compare:\n  tracker verify {shlex.quote(str(file))}")
    click.echo("with --source, if the write key is that of a source of its own.")


def _send(send_all: SendAll, batches: Iterable[list[Event]], total: float | None, sent: SendCounts) -> None:
    with Meter("events", total) as meter:
        for batch, outcome in send_all(batches):
            sent.add(batch, outcome)
            meter.show(sent.events, sent.events)
