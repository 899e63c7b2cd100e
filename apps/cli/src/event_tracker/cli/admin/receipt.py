"""`tracker receipt`: check whether a receipt for an erasure is genuine, and whether it is about a given user."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from event_tracker.cli.client import open_client
from event_tracker.cli.command_group import Group
from event_tracker.cli.options import query_options
from event_tracker.cli.terminal import printable
from event_tracker.core.secrets.hmac import is_committed

DONE = {"erase": "erased", "anonymise": "anonymised"}


class Copies(msgspec.Struct):
    """Where else there may be events of the user, such as `topic NAME`, and until when; None: for ever."""

    place: str
    until: datetime | None


class ErasureAnswer(msgspec.Struct):
    """The part of the answer of DELETE /users/{user_id} that is used here.

    Attributes:
        copies: that of earlier releases has none.
    """

    receipt: str
    salt: str
    mode: str
    counts: dict[str, int]
    copies: list[Copies] = []  # msgspec copies it for each instance


class ReceiptClaims(msgspec.Struct):
    """The claims of a receipt.

    Attributes:
        linked_hmac_sha256: commitments to the other ids of the person; receipts of earlier releases have none.
        copies: receipts of earlier releases have none.
    """

    jti: str
    iat: int
    mode: str
    counts: dict[str, int]
    user_hmac_sha256: str
    linked_hmac_sha256: list[str] = []
    copies: list[Copies] = []


@click.group(cls=Group)
def receipt() -> None:
    """Receipts for data that was erased or anonymised."""


@receipt.command()
@click.argument("file", type=click.File("rb"))
@click.option("--user", "user_id", required=True, metavar="USER_ID", help="The user whose data it should be about.")
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A copy of /.well-known/jwks.json, for receipts that were signed with a key which isn't in use any more, and "
    "where no service can be reached.  [default: the query service's]",
)
@query_options
def check(file: BinaryIO, user_id: str, keys: Path | None, query: str, token: str | None) -> None:
    """Check FILE, the answer of DELETE /users/{user_id}: who signed it, what was done, and that it was done to USER_ID.

    The exit code is 1 if the signature isn't that of the service, or it was another user.
    """
    try:
        answer = msgspec.json.decode(file.read(), type=ErasureAnswer)
    except msgspec.MsgspecError as error:
        raise click.ClickException(f"{file.name} isn't an answer of DELETE /users/{{user_id}}: {error}") from None
    claims = read_receipt(answer.receipt, keys.read_bytes() if keys else published_keys(query, token))
    commitments = (claims.user_hmac_sha256, *claims.linked_hmac_sha256)
    if not any(is_committed(one, answer.salt, user_id) for one in commitments):
        raise click.ClickException(f"the receipt is genuine, but it isn't about {user_id}")
    at = datetime.fromtimestamp(claims.iat, UTC)
    click.echo(f"{user_id} was {DONE.get(claims.mode, claims.mode)} on {at:%Y-%m-%d at %H:%M:%S} UTC ({claims.jti}).")
    for table, count in claims.counts.items():
        click.echo(f"{table}: {count:,}")
    print_copies(claims.copies)


def print_copies(copies: list[Copies]) -> None:
    """Print where else there may be events of the user."""
    for one in copies:
        until = f"until {one.until:%Y-%m-%d at %H:%M} UTC" if one.until else "for ever"
        click.echo(printable(f"Events from before may still be in the {one.place} {until}."))


def published_keys(query: str, token: str | None) -> bytes:
    """Fetch the public keys of a query service: a JSON Web Key Set, as JSON."""
    return open_client("query service", query, patience=0, token=token).get("/.well-known/jwks.json", {})


def read_receipt(signed: str, keys: bytes) -> ReceiptClaims:
    """Verify a receipt's signature and return its claims.

    Args:
        keys: a JSON Web Key Set, as JSON.

    Raises:
        click.ClickException: if none of these keys signed it as it is.
    """
    from joserfc import jws  # needs cryptography, which takes a while to load
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        known: Any = msgspec.json.decode(keys)
        payload = jws.deserialize_compact(signed, KeySet.import_key_set(known), algorithms=["Ed25519"]).payload
        return msgspec.json.decode(payload, type=ReceiptClaims)
    except (JoseError, msgspec.MsgspecError, ValueError, KeyError, TypeError):
        raise click.ClickException(
            "the receipt isn't genuine: no key of the service has signed it as it stands"
        ) from None
