"""The command `tracker verify`: compare the query service's answers with the right ones of a scenario."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import click
import msgspec

from event_tracker.cli.client import Client, open_client, read_answer
from event_tracker.cli.errors import ServiceError
from event_tracker.cli.options import patience_option, query_options, source_option
from event_tracker.cli.simulate.scenarios.truth.check import Check, Request, Truth, differences

SHOWN_DIFFERENCES = 5

OTHERS = """
{others:,} more events than the scenario's are in that range, so the answers are about both. Send it into a source of its own:
  tracker source set SOURCE && export WRITE_KEY=$(tracker key create SOURCE)
then `tracker simulate --scenario` again, and `tracker verify` with --source SOURCE."""


@click.command("verify")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@source_option
@query_options
@patience_option
def verify(file: Path, sources: tuple[str, ...], query: str, token: str | None, patience: float) -> None:
    """Ask the query service every question in FILE, which `tracker simulate --scenario` wrote, and compare the answers.

    The answers are those of a database, or with --source of a source, that has no other events in the scenario's range of
    time. A question that isn't answered in time is asked again. The exit code is 1 if any answer differs.
    """
    truth = _read(file)
    client = open_client("query service", query, patience, token=token)
    wrong = 0
    for check in truth.checks:
        differing = list(_differences(client, check, sources))
        wrong += bool(differing)
        click.echo(f"{'✗' if differing else '✓'} {check.name}")
        for line in islice(differing, SHOWN_DIFFERENCES):
            click.echo(f"    {line}")
        if len(differing) > SHOWN_DIFFERENCES:
            click.echo(f"    … and {len(differing) - SHOWN_DIFFERENCES:,} more")
    click.echo(
        f"{truth.scenario}, {truth.start} to {truth.end}: {len(truth.checks) - wrong} of {len(truth.checks)} answers right."
    )
    if wrong:
        if others := _count_others(client, truth, sources):
            click.echo(OTHERS.format(others=others))
        click.get_current_context().exit(1)


def _read(file: Path) -> Truth:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Truth)
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"{file} isn't a file that `tracker simulate --scenario` wrote: {error}") from None


def _count_others(client: Client, truth: Truth, sources: Sequence[str]) -> int:
    """The number of other events in the scenario's range of time; 0 if it can't be determined."""
    params = {"from": truth.start, "to": truth.end, "source": list(sources)}
    try:
        total: int = read_answer(client.get("/stats/top-types", params), dict)["total"]
    except ServiceError:
        return 0
    stored: int = truth.facts["events"]["stored"]
    return max(0, total - stored)


def _differences(client: Client, check: Check, sources: Sequence[str]) -> Iterator[str]:
    """Describe how the answer differs. An error is a difference too."""
    try:
        answer = read_answer(_ask(client, check.request, sources), dict)
    except ServiceError as error:
        yield error.message
    else:
        yield from differences(check.answer, answer)


def _ask(client: Client, request: Request, sources: Sequence[str]) -> bytes:
    return client.ask(request.method, request.path, request.body, {**request.params, "source": list(sources)})
