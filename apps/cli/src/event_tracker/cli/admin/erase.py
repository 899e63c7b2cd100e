"""`tracker erase`: erase or anonymise all data of a user."""

import os
from pathlib import Path

import click

from event_tracker.cli.admin.receipt import DONE, ErasureAnswer, print_copies
from event_tracker.cli.client import open_client, read_answer
from event_tracker.cli.options import identity_option, identity_parameter, query_options

ERASE_SECONDS = 3600
"""How long to wait for the answer: a user may have millions of events."""


@click.command()
@click.argument("user_id")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@identity_option
@click.option(
    "--anonymise",
    is_flag=True,
    help="Keep what was done when, as that of an unknown user: counts stay as they are.",
)
@query_options
def erase(user_id: str, file: Path, is_raw: bool, anonymise: bool, query: str, token: str | None) -> None:
    """Erase everything that is stored of USER_ID and all ids that are linked to it, and write the receipt to FILE.

    FILE mustn't be there yet.

    Needs a token with the scope `admin`. Keep FILE with the person's request: `tracker receipt check` reads it, and it is the only
    copy of what ties the receipt to the person. Erasing again is safe: the receipt then counts nothing.
    """
    client = open_client("query service", query, patience=0, token=token)
    try:
        # Open the file first: if it couldn't be written afterwards, the receipt would be lost. Only its owner may read it: with the
        # salt in it anybody can check a guess of the user id.
        output = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError:
        raise click.ClickException(f"{file} is there already; another receipt may be in it") from None
    try:
        with output:
            params = {"user_id": user_id, "mode": "anonymise" if anonymise else "erase", **identity_parameter(is_raw)}
            answer = client.ask("DELETE", "/user", None, params, read_seconds=ERASE_SECONDS)
            output.write(answer)
    except BaseException:
        file.unlink()
        raise
    result = read_answer(answer, ErasureAnswer)
    click.echo(
        f"{DONE[result.mode]} {user_id}: " + ", ".join(f"{table} {count:,}" for table, count in result.counts.items())
    )
    print_copies(result.copies)
